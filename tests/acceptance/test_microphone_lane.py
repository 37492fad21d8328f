"""The listening station on a real PortAudio microphone: what is said is heard and kept."""

from __future__ import annotations

from pathlib import Path

from edge_runtime.ledger.queries import LedgerReader
from edge_runtime.sample_station import media
from edge_runtime.types import Event, Result
from tests.support.daemon import Daemon, count_of, lane_of
from tests.support.pulse import need_pulse, pulse_microphone

LANE = """
[lanes.operator]
source = "microphone:pulse"
model = "keywords"
"""


def test_words_spoken_into_the_microphone_are_heard_in_order(tmp_path: Path) -> None:
    need_pulse()
    wav = tmp_path / "voice.wav"
    said = media.make_voice(wav)
    with (
        pulse_microphone(tmp_path / "pulse") as pulse,
        Daemon(tmp_path, LANE, **pulse.environment) as daemon,
    ):
        daemon.wait_for(
            lambda p: lane_of(p, "operator")["counters"].get("captured", 0) > 20, "sound"
        )
        player = pulse.play(wav)
        daemon.wait_for(lambda p: count_of(p, "operator") >= len(said), "every word", seconds=60)
        player.wait(10)
        assert daemon.stop() == 0
    with LedgerReader(tmp_path / "data") as ledger:
        results = [e.body for e in ledger.results(newest_first=False, limit=100)]
        media_files = [row for e in ledger.results(limit=100) for row in ledger.media_of(e.seq)]
    heard = [
        r.verdict.label for r in results if isinstance(r, Result) and r.verdict.kind == "heard"
    ]
    assert sum(a == b for a, b in zip(heard, said, strict=False)) >= len(said) - 2, heard
    assert media_files
    assert all(row.kind == "segment" and row.path.suffix == ".flac" for row in media_files)


def events_of(tmp_path: Path) -> list[Event]:
    with LedgerReader(tmp_path / "data") as ledger:
        entries = ledger.results(newest_first=False, limit=100)
        return [entry.body for entry in entries if isinstance(entry.body, Event)]


def test_a_server_that_gives_another_microphone_is_told_while_it_runs_and_at_a_start(
    tmp_path: Path,
) -> None:
    need_pulse()
    lane = LANE + "capture = { dead_s = 0 }\n"
    with pulse_microphone(tmp_path / "pulse") as pulse:
        pulse.add_microphone("other")
        pulse.control("set-default-source", "mic.monitor")
        with Daemon(tmp_path, lane, **pulse.environment) as daemon:
            picture = daemon.wait_for(
                lambda p: lane_of(p, "operator")["device"] is not None, "who answers", seconds=30
            )
            assert lane_of(picture, "operator")["device"].startswith("mic.monitor")
            assert "EDGE-L131" not in [each["code"] for each in picture["findings"]]
            pulse.move_streams("other")
            picture = daemon.wait_for(
                lambda p: lane_of(p, "operator")["device"].startswith("other"), "it", seconds=30
            )
            assert "EDGE-L131" in [each["code"] for each in picture["findings"]]
            assert daemon.stop() == 0
        (event,) = events_of(tmp_path)
        assert event.code == "EDGE-L131"
        assert event.text.endswith("'other.monitor' answers, before it was 'mic.monitor'")
        pulse.control("set-default-source", "mic.monitor")
        with Daemon(tmp_path, lane, **pulse.environment) as daemon:
            daemon.wait_for(
                lambda p: "EDGE-L131" in [each["code"] for each in p["findings"]],
                "the one from before to be missed",
                seconds=30,
            )
            assert daemon.stop() == 0
    assert [event.lane for event in events_of(tmp_path)] == ["operator"] * 2


def test_a_muted_microphone_is_a_fault_in_status_that_says_who_mutes_it(tmp_path: Path) -> None:
    need_pulse()
    with (
        pulse_microphone(tmp_path / "pulse") as pulse,
        Daemon(tmp_path, LANE, **pulse.environment) as daemon,
    ):
        daemon.wait_for(lambda p: lane_of(p, "operator")["device"] is not None, "who answers")
        pulse.control("set-source-mute", "mic.monitor", "1")
        picture = daemon.wait_for(
            lambda p: lane_of(p, "operator")["state"] == "degraded", "the mute", seconds=30
        )
        lane = lane_of(picture, "operator")
        assert lane["code"] == "EDGE-L103"
        assert "'mic.monitor' is muted in the sound server" in lane["detail"]
        pulse.control("set-source-mute", "mic.monitor", "0")
        daemon.wait_for(
            lambda p: lane_of(p, "operator")["why_silent"] == "", "the end of it", seconds=30
        )
        assert daemon.stop() == 0
