"""One part, one verdict, one action, one row: whatever its models say, and when."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.clock import NS_PER_S
from edge_runtime.types import Result
from tests.support.daemon import Daemon, run
from tests.support.mjpeg_server import MjpegServer
from tests.support.station import (
    BAD,
    COIL,
    GOOD,
    KEEP_ALL,
    PASSED_AND_UNJUDGED,
    PULSE_MS,
    REJECTED_AND_UNJUDGED,
    WATCHED,
    WITH_GATE,
    Orders,
    Plc,
    both_bundles,
    count_in,
    entries,
    failing,
    gate_table,
    half_bundle,
    items,
    kill_lane,
    lane_table,
    rows,
    supervision,
    tombstones,
    verdicts,
    write_part,
    write_parts,
)

ORDERS = [["./left", "./right"], ["./right", "./left"]]


def models(order: list[str]) -> str:
    return "models = [" + ", ".join(f'"{each}"' for each in order) + "]"


def judged(folder: Path, order: list[str], levels: tuple[int, int], **gate: object) -> Result:
    """The one row of one part, whose pulses are counted."""
    both_bundles(folder)
    write_parts(folder / "parts", levels)
    with Plc() as plc:
        config = lane_table(
            "top", "folder:./parts", WATCHED, WITH_GATE, models=models(order)
        ) + gate_table(plc.port, **gate)
        with Daemon(folder, config) as daemon:
            daemon.wait_for(lambda p: verdicts(p, "top"), "the part's verdict")
            plc.wait(lambda: plc.pulses() and plc.pulses()[-1].off_ns, "a pulse's end")
            assert daemon.stop() == 0
        pulses = plc.pulses()
    [row] = rows(folder / "data")
    assert len(pulses) == 1
    assert len([act for act in row.actuations if act.output == "gate"]) == 1
    return row


@pytest.mark.parametrize("order", ORDERS, ids=["rejecting first", "failing first"])
def test_a_part_that_one_model_rejects_and_another_cannot_judge_is_rejected_once(
    tmp_path: Path, order: list[str]
) -> None:
    row = judged(tmp_path, order, REJECTED_AND_UNJUDGED)
    assert row.verdict.kind == "reject"
    assert row.verdict.decided_by == "left/1.0.0"
    assert row.model == "left/1.0.0"
    failures = {finding.model: finding.failure for finding in row.findings}
    assert failures["left/1.0.0"] is None
    assert failures["right/1.0.0"]


@pytest.mark.parametrize("order", ORDERS, ids=["passing first", "failing first"])
def test_a_part_that_one_model_passes_and_another_cannot_judge_acts_once_like_a_reject(
    tmp_path: Path, order: list[str]
) -> None:
    row = judged(tmp_path, order, PASSED_AND_UNJUDGED)
    assert row.verdict.kind == "no_read"
    assert row.verdict.reason
    assert {finding.model for finding in row.findings} == {"left/1.0.0", "right/1.0.0"}


def test_one_output_is_asked_for_one_verdict_of_a_part_that_passes_here_and_is_rejected_there(
    tmp_path: Path,
) -> None:
    row = judged(tmp_path, ORDERS[0], (60, 255), on=["pass", "reject", "no_read"])
    assert row.verdict.kind == "reject"
    assert row.verdict.decided_by == "right/1.0.0"


def test_a_lane_of_two_models_that_dies_while_recording_has_both_models_in_every_row(
    tmp_path: Path,
) -> None:
    models_line = both_bundles(tmp_path)
    names = write_parts(tmp_path / "parts", *[GOOD, BAD] * 4)
    orders = Orders(tmp_path)
    orders.give("media_written exit")
    lane = lane_table("top", "folder:./parts", KEEP_ALL, models=models_line)
    with Daemon(tmp_path, lane, "--until-done", **orders.environment) as daemon:
        code, _ = daemon.finish()
        assert code == 0, daemon.log.read_text()
    orders.wait_until_taken()
    found = rows(tmp_path / "data")
    assert sorted(items(found)) == names, "every part once"
    for row in found:
        assert {finding.model for finding in row.findings} == {"left/1.0.0", "right/1.0.0"}
    assert [tombstone.reason for tombstone in tombstones(tmp_path / "data")] == ["lane_crash"]


def test_the_second_models_reject_does_not_wait_for_the_first_ones_picture_to_be_stored(
    tmp_path: Path,
) -> None:
    models_line = both_bundles(tmp_path)
    write_parts(tmp_path / "parts", *[(60, 255)] * 2)
    with Plc() as plc:
        config = lane_table(
            "top",
            "folder:./parts",
            "capture = { watch = true, poll_s = 0.05, fps = 2.0, realtime = true }",
            KEEP_ALL,
            WITH_GATE,
            models=models_line,
        ) + gate_table(plc.port)
        with Daemon(tmp_path, config, **failing("media_written:1+", "wait:2")) as daemon:
            daemon.wait_for(lambda p: verdicts(p, "top").get("reject") == 2, "two rejects")
            assert daemon.stop() == 0
        pulses = plc.pulses()
    captured = [row.captured.boottime_ns for row in rows(tmp_path / "data")]
    assert len(captured) == len(pulses) == 2
    for taken_ns, pulse in zip(captured, pulses, strict=True):
        assert (pulse.on_ns - taken_ns) / NS_PER_S < 1.0


def live_rejects(url: str, *lines: str) -> str:
    """A lane that rejects about three pictures a second."""
    return lane_table(
        "top",
        url,
        "gate = { interval_s = 0.3 }",
        "rules = { reject = { bad = 0.01 } }",
        WITH_GATE,
        *lines,
    )


def test_what_a_lane_acted_upon_before_it_died_is_rows_and_a_tombstone_with_the_exact_count(
    tmp_path: Path,
) -> None:
    half_bundle(tmp_path / "left", "left")
    with Plc() as plc, MjpegServer() as camera:
        config = live_rejects(camera.url) + gate_table(plc.port, pulse_ms=40) + supervision()
        # The fourth part of each life is acted upon, and the process dies before its row leaves.
        with Daemon(tmp_path, config, **failing("act:4")) as daemon:
            daemon.wait_for(
                lambda p: p["lanes"][0]["tombstones"].get("lane_crash", 0) >= 2, "two deaths"
            )
            assert daemon.stop() == 0
        acted = len(plc.pulses())
    lost = count_in(tombstones(tmp_path / "data", "lane_crash"))
    assert lost >= 2
    assert len(rows(tmp_path / "data")) + lost == acted


def test_rows_leave_before_their_slow_evidence_and_a_killed_lane_loses_none_of_them(
    tmp_path: Path,
) -> None:
    half_bundle(tmp_path / "left", "left")
    with Plc() as plc, MjpegServer() as camera:
        config = live_rejects(camera.url) + gate_table(plc.port, pulse_ms=40) + supervision()
        with Daemon(tmp_path, config, **failing("media_written:1+", "wait:60")) as daemon:
            daemon.wait_for(lambda p: verdicts(p, "top").get("reject", 0) >= 4, "four rows")
            kill_lane(daemon, "top", signal.SIGKILL)
            daemon.wait_for(
                lambda p: p["lanes"][0]["tombstones"].get("lane_crash"), "the lane's tombstone"
            )
            assert daemon.stop(signal.SIGTERM) == 0
        acted = len(plc.pulses())
    found = rows(tmp_path / "data")
    assert len(found) + count_in(tombstones(tmp_path / "data", "lane_crash")) == acted
    assert all("evidence" in row.pending for row in found)


def test_a_burst_of_drops_is_one_tombstone_with_its_first_its_last_and_its_count(
    tmp_path: Path,
) -> None:
    half_bundle(tmp_path / "left", "left")
    with MjpegServer(fps=20) as camera:
        lane = lane_table("top", camera.url)
        orders = Orders(tmp_path)
        with Daemon(tmp_path, lane, **orders.environment) as daemon:
            daemon.wait_for(lambda p: verdicts(p, "top").get("pass", 0) >= 5, "pictures")
            orders.give("infer wait:1.5")  # about thirty pictures come by meanwhile
            orders.wait_until_taken()
            picture = daemon.wait_for(
                lambda p: p["lanes"][0]["tombstones"].get("capture_gap"), "a tombstone"
            )
            assert picture["lanes"][0]["counters"]["dropped"] >= 15
            assert daemon.stop() == 0
    gaps = tombstones(tmp_path / "data", "capture_gap")
    longest = max(gaps, key=lambda gap: gap.count or 0)
    assert longest.count is not None
    assert 15 <= longest.count <= 60
    span_s = (longest.last.boottime_ns - longest.first.boottime_ns) / NS_PER_S
    assert 0.5 <= span_s <= 3.0


def test_a_no_read_is_not_stored_before_parts_that_were_captured_earlier(tmp_path: Path) -> None:
    both_bundles(tmp_path)
    with MjpegServer(fps=10) as camera:
        lane = lane_table(
            "top",
            camera.url,
            "capture = { read_timeout_s = 0.3 }",
            "workers = 2",
            models='models = ["./left", "./right"]',
        )
        with Daemon(tmp_path, lane, **failing("infer:6+", "wait:0.4")) as daemon:
            daemon.wait_for(lambda p: verdicts(p, "top").get("pass", 0) >= 4, "pictures")
            camera.kill()
            daemon.wait_for(lambda p: verdicts(p, "top").get("no_read"), "a no_read")
            camera.start()
            seen = daemon.wait_for(lambda p: p["lanes"][0]["state"] == "running", "it again")
            count = verdicts(seen, "top")["pass"]
            daemon.wait_for(lambda p: verdicts(p, "top")["pass"] > count, "another picture")
            assert daemon.stop() == 0
    stamps = [row.captured.boottime_ns for row in rows(tmp_path / "data")]
    assert stamps == sorted(stamps)


def test_a_replay_goes_on_behind_its_last_item_after_a_restart_and_anew_starts_over(
    tmp_path: Path,
) -> None:
    half_bundle(tmp_path / "left", "left")
    names = write_parts(tmp_path / "parts", *[GOOD] * 6)
    slow = "capture = { realtime = true, fps = 4.0 }"
    with Daemon(tmp_path, lane_table("top", "folder:./parts", slow)) as daemon:
        daemon.wait_for(lambda p: verdicts(p, "top").get("pass", 0) >= 2, "two of six")
        assert daemon.stop() == 0
    before = len(rows(tmp_path / "data"))
    assert 2 <= before < 6
    for expected in (names, names, names * 2):
        options = ["--until-done"] + (["--anew"] if len(expected) > 6 else [])
        with Daemon(tmp_path, lane_table("top", "folder:./parts"), *options) as daemon:
            code, _ = daemon.finish()
            assert code == 0, daemon.log.read_text()
        assert sorted(items(rows(tmp_path / "data"))) == sorted(expected)


def test_every_picture_of_a_folder_is_decided_or_told_of_where_the_gate_has_an_interval(
    tmp_path: Path,
) -> None:
    half_bundle(tmp_path / "left", "left")
    names = write_parts(tmp_path / "parts", *[GOOD] * 12)
    lane = lane_table("top", "folder:./parts", "gate = { interval_s = 0.5 }")
    with Daemon(tmp_path, lane, "--until-done") as daemon:
        code, _ = daemon.finish()
        told = daemon.log.read_text()
    if code == 78:
        assert "interval_s" in told
        return
    assert code == 0, told
    left_out = tombstones(tmp_path / "data")
    assert len(rows(tmp_path / "data")) + count_in(left_out) == len(names)


def test_the_words_of_one_segment_are_parts_of_their_own_each_with_its_time(
    tmp_path: Path,
) -> None:
    said = spoken(tmp_path / "said.wav", ["yes", "no"], ["stop", "stop", "stop"])
    lane = f'[lanes.operator]\nsource = "file:{said}"\nmodel = "keywords"\n'
    with Daemon(tmp_path, lane, "--until-done") as daemon:
        code, _ = daemon.finish()
        assert code == 0, daemon.log.read_text()
    heard = [row for row in rows(tmp_path / "data") if row.verdict.kind == "heard"]
    assert [row.verdict.label for row in heard] == ["yes", "no", "stop", "stop", "stop"]
    starts = []
    for row in heard:
        assert len(row.spans) == 1
        assert row.start_s is not None
        starts.append(row.start_s + row.spans[0].start_s)
    assert starts == sorted(starts)
    assert len({round(start, 1) for start in starts}) == 5
    of_first = [e.seq for e in entries(tmp_path / "data") if e.body in heard[:2]]
    assert of_first[1] == of_first[0] + 1, "committed together"


def spoken(path: Path, *segments: list[str]) -> Path:
    """Words of the sample voice, 0.3 s apart within a segment, 2 s between segments."""
    import json
    from importlib import resources

    import numpy as np
    import soundfile

    folder = resources.files("edge_runtime.sample_station")
    with folder.joinpath("voice.flac").open("rb") as file:
        voice, rate_hz = soundfile.read(file, dtype="int16")
    words = {word["word"]: word for word in json.loads(folder.joinpath("voice.json").read_text())}
    rng = np.random.default_rng(3)

    def quiet(seconds: float) -> Any:
        return rng.normal(0, 20, round(seconds * rate_hz)).astype(np.int16)

    parts = [quiet(1.5)]
    for segment in segments:
        for word in segment:
            found = words[word]
            first, last = (round(found[key] * rate_hz) for key in ("start_s", "end_s"))
            parts += [voice[first:last], quiet(0.3)]
        parts.append(quiet(2.0))
    soundfile.write(path, np.concatenate(parts), rate_hz, subtype="PCM_16")
    return path


def test_a_part_that_comes_while_another_is_pulsed_is_not_lost_in_its_pulse(tmp_path: Path) -> None:
    half_bundle(tmp_path / "left", "left")
    with Plc() as plc:
        config = lane_table("top", "folder:./parts", WATCHED, WITH_GATE) + gate_table(
            plc.port, pulse_ms=400
        )
        (tmp_path / "parts").mkdir()
        with Daemon(tmp_path, config) as daemon:
            daemon.wait_for(lambda p: p["lanes"][0]["state"] == "running", "the lane")
            for number in range(4):
                write_part(tmp_path / "parts" / f"part{number}.png", BAD)
            daemon.wait_for(lambda p: verdicts(p, "top").get("reject") == 4, "four rejects")
            plc.wait_coil(COIL, value=False)
            assert daemon.stop() == 0
        total_s = sum(pulse.length_s for pulse in plc.pulses())
    assert total_s >= 0.4
    acts = [act for row in rows(tmp_path / "data") for act in row.actuations]
    assert len(acts) == 4
    assert all(act.acknowledged for act in acts)


def test_status_names_the_lanes_parts_and_says_that_all_is_well(tmp_path: Path) -> None:
    half_bundle(tmp_path / "left", "left")
    with Plc() as plc, MjpegServer() as camera:
        config = lane_table("top", camera.url, WITH_GATE) + gate_table(plc.port, pulse_ms=PULSE_MS)
        with Daemon(tmp_path, config) as daemon:
            daemon.wait_for(lambda p: verdicts(p, "top").get("pass", 0) >= 5, "pictures")
            daemon.wait_for(
                lambda p: run("status", "--data", tmp_path / "data").returncode == 0, "exit code 0"
            )
            shown = run("status", "--data", tmp_path / "data", COLUMNS="200").stdout
            assert "gate" in shown
            assert daemon.stop() == 0
