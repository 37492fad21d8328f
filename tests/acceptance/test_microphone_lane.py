"""The listening station on a real PortAudio microphone: what is said is heard and kept."""

from __future__ import annotations

from pathlib import Path

from edge_runtime.ledger.queries import LedgerReader
from edge_runtime.sample_station import media
from edge_runtime.types import Result
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
