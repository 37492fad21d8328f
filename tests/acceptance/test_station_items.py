"""One bad item is one item: it is buried, and the lane goes on behind it."""

from __future__ import annotations

import os
from pathlib import Path

from edge_runtime.clock import NS_PER_S
from tests.support.daemon import Daemon, lane_of
from tests.support.station import (
    BAD,
    GOOD,
    SAFE_COIL,
    WATCHED,
    WITH_GATE,
    Plc,
    codes_of,
    count_in,
    failing,
    gate_table,
    half_bundle,
    items,
    lane_table,
    rows,
    status_code,
    supervision,
    tombstones,
    verdicts,
    write_part,
    write_parts,
)


def test_a_picture_that_aborts_the_process_is_buried_and_the_seven_others_are_judged(
    tmp_path: Path,
) -> None:
    half_bundle(tmp_path / "left", "left")
    names = write_parts(tmp_path / "parts", *[GOOD] * 8)
    config = lane_table("top", "folder:./parts", WATCHED) + supervision(bury_after=2)
    with Daemon(tmp_path, config, **failing("infer=part3.png", "abort")) as daemon:
        picture = daemon.wait_for(lambda p: verdicts(p, "top").get("pass") == 7, "seven parts")
        assert lane_of(picture, "top")["restarts"] == 2
        assert "EDGE-L107" in codes_of(picture)
        assert status_code(daemon.data) == 1
        assert daemon.stop() == 0
    assert sorted(items(rows(tmp_path / "data"))) == [name for name in names if name != "part3.png"]
    [buried] = tombstones(tmp_path / "data", "bad_item")
    assert (buried.item or "").startswith("part3.png")
    with Daemon(tmp_path, config, **failing("infer=part3.png", "abort")) as daemon:
        write_part(tmp_path / "parts" / "part8.png", GOOD)
        picture = daemon.wait_for(lambda p: verdicts(p, "top").get("pass") == 1, "the new one")
        assert lane_of(picture, "top")["restarts"] == 0, "it stays buried"
        assert daemon.stop() == 0


def test_a_frame_of_a_recording_that_aborts_the_process_is_buried_too(tmp_path: Path) -> None:
    half_bundle(tmp_path / "left", "left")
    names = write_parts(tmp_path / "parts", *[GOOD] * 5)
    config = lane_table("top", "folder:./parts") + supervision(bury_after=2)
    with Daemon(tmp_path, config, "--until-done", **failing("infer=part2.png", "abort")) as daemon:
        code, _ = daemon.finish()
        assert code == 0, daemon.log.read_text()
    assert sorted(items(rows(tmp_path / "data"))) == [name for name in names if name != "part2.png"]
    assert len(tombstones(tmp_path / "data", "bad_item")) == 1


def test_the_buried_part_was_never_passed(tmp_path: Path) -> None:
    half_bundle(tmp_path / "left", "left")
    write_parts(tmp_path / "parts", GOOD, BAD, GOOD)
    with Plc() as plc:
        config = lane_table("top", "folder:./parts", WATCHED, WITH_GATE)
        config += gate_table(plc.port) + supervision(bury_after=2)
        with Daemon(tmp_path, config, **failing("infer=part1.png", "abort")) as daemon:
            daemon.wait_for(lambda p: verdicts(p, "top").get("pass") == 2, "the others")
            [buried] = tombstones(daemon.data, "bad_item")
            assert daemon.stop() == 0
        # Acted upon like a reject, or the line was held while it was tried.
        held = [w for w in plc.since(0, "coil", SAFE_COIL) if w.value]
        assert held or plc.pulses()
        assert buried.first.boottime_ns <= buried.last.boottime_ns


def test_a_file_name_that_is_not_utf_8_and_a_pipe_do_not_touch_the_lane(tmp_path: Path) -> None:
    half_bundle(tmp_path / "left", "left")
    parts = tmp_path / "parts"
    write_parts(parts, GOOD, GOOD, GOOD)
    strange = os.fsencode(parts) + b"/m\xfcll.png"
    with open(strange, "wb") as file:  # noqa: PTH123 - a name that Path would not print
        file.write((parts / "part0.png").read_bytes())
    os.mkfifo(parts / "pipe.png")
    config = lane_table("top", "folder:./parts", WATCHED)
    with Daemon(tmp_path, config) as daemon:
        daemon.wait_for(lambda p: verdicts(p, "top").get("pass", 0) >= 3, "the three")
        write_part(parts / "part9.png", GOOD)
        picture = daemon.wait_for(lambda p: "part9.png" in items(rows(daemon.data)), "one more")
        assert lane_of(picture, "top")["restarts"] == 0
        assert daemon.stop() == 0
    found = rows(tmp_path / "data")
    judged = set(items(found)) & {"part0.png", "part1.png", "part2.png", "part9.png"}
    assert len(judged) == 4
    about = len(found) - 4 + count_in(tombstones(tmp_path / "data", "bad_item"))
    assert 1 <= about <= 2, "the strange name is judged or buried; the pipe may be told of"


def test_an_inference_longer_than_the_stall_time_gives_results(tmp_path: Path) -> None:
    half_bundle(tmp_path / "left", "left")
    write_parts(tmp_path / "parts", GOOD, GOOD)
    config = lane_table("top", "folder:./parts") + supervision(stall_s=2.0)
    with Daemon(tmp_path, config, "--until-done", **failing("infer:1+", "wait:3")) as daemon:
        code, _ = daemon.finish()
        assert code == 0, daemon.log.read_text()
        assert "child_stuck" not in daemon.log.read_text()
    found = rows(tmp_path / "data")
    assert len(found) == 2
    assert not tombstones(tmp_path / "data")
    apart_s = (found[1].captured.wall_ns - found[0].captured.wall_ns) / NS_PER_S
    assert apart_s >= 0.0
