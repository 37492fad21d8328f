"""A lane without its source is two entries, however long: one when it begins, one when it ends."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from edge_runtime.clock import NS_PER_S
from edge_runtime.types import VerdictKind
from tests.support.daemon import Daemon, lane_of
from tests.support.mjpeg_server import MjpegServer
from tests.support.station import (
    both_bundles,
    half_bundle,
    kill_lane,
    lane_table,
    let_pass,
    rows,
    tombstones,
    verdicts,
)

QUICK = "capture = { read_timeout_s = 0.3 }"
LONGER_THAN_ONE_LOOK_S = 6.0
"""It was told again each 5 s, once."""


def test_a_camera_that_is_away_is_told_when_it_begins_and_when_it_ends_and_never_between(
    tmp_path: Path,
) -> None:
    both_bundles(tmp_path)
    models = 'models = ["./left", "./right"]'
    with (
        MjpegServer(fps=10) as camera,
        Daemon(tmp_path, lane_table("top", camera.url, QUICK, models=models)) as daemon,
    ):
        daemon.wait_for(lambda p: verdicts(p, "top").get("pass", 0) >= 2, "pictures")
        camera.kill()
        daemon.wait_for(lambda p: verdicts(p, "top").get("no_read"), "a no_read")
        let_pass(LONGER_THAN_ONE_LOOK_S)
        assert not tombstones(daemon.data, "source_gap")
        camera.start()
        seen = daemon.wait_for(lambda p: lane_of(p, "top")["state"] == "running", "it again")
        count = verdicts(seen, "top")["pass"]
        daemon.wait_for(lambda p: verdicts(p, "top")["pass"] > count, "another picture")
        assert daemon.stop() == 0
    (began,) = [r for r in rows(tmp_path / "data") if r.verdict.kind is VerdictKind.NO_READ]
    (gap,) = tombstones(tmp_path / "data", "source_gap")
    assert gap.first == began.captured
    assert gap.last.boottime_ns - gap.first.boottime_ns > LONGER_THAN_ONE_LOOK_S * NS_PER_S
    assert gap.count is None
    assert str(gap.detail).startswith(str(began.verdict.reason))
    assert str(gap.detail).endswith("it is back")


def test_parts_that_are_triggered_meanwhile_are_rows_of_their_own(tmp_path: Path) -> None:
    half_bundle(tmp_path / "left", "left")
    trigger = 'trigger = { kind = "command" }'
    with MjpegServer(fps=10) as camera:
        lane = lane_table("top", camera.url, QUICK, trigger)
        with Daemon(tmp_path, lane) as daemon:
            daemon.wait_for(lambda p: lane_of(p, "top")["state"] == "running", "a lane")
            camera.kill()
            daemon.wait_for(lambda p: verdicts(p, "top").get("no_read") == 1, "its begin")
            for number in range(3):
                triggered(daemon, f"A-{number}")
                told = number + 2
                daemon.wait_for(lambda p: verdicts(p, "top").get("no_read") == told, "a part")  # noqa: B023 - waited for at once
            assert daemon.stop() == 0
    named = [row.part for row in rows(tmp_path / "data")]
    assert named == [None, "A-0", "A-1", "A-2"]
    (gap,) = tombstones(tmp_path / "data", "source_gap")
    assert str(gap.detail).endswith("the lane was stopped")


def test_after_a_crash_the_next_start_ends_it_once_and_what_goes_on_begins_anew(
    tmp_path: Path,
) -> None:
    half_bundle(tmp_path / "left", "left")
    with MjpegServer(fps=10) as camera:
        lane = lane_table("top", camera.url, QUICK)
        with Daemon(tmp_path, lane) as daemon:
            daemon.wait_for(lambda p: verdicts(p, "top").get("pass", 0) >= 1, "pictures")
            camera.kill()
            daemon.wait_for(lambda p: verdicts(p, "top").get("no_read") == 1, "its begin")
            kill_lane(daemon, "top", signal.SIGKILL)
            daemon.wait_for(lambda p: verdicts(p, "top").get("no_read") == 2, "its begin anew")
            os.killpg(daemon.process.pid, signal.SIGKILL)  # the daemon and all that is its own
            daemon.process.wait(10)
        camera.start()
        with Daemon(tmp_path, lane) as daemon:
            daemon.wait_for(lambda p: verdicts(p, "top").get("pass", 0) >= 1, "pictures again")
            assert daemon.stop() == 0
        with Daemon(tmp_path, lane) as daemon:
            daemon.wait_for(lambda p: verdicts(p, "top").get("pass", 0) >= 1, "and again")
            assert daemon.stop() == 0
    began = [r for r in rows(tmp_path / "data") if r.verdict.kind is VerdictKind.NO_READ]
    gaps = tombstones(tmp_path / "data", "source_gap")
    assert [gap.first for gap in gaps] == [row.captured for row in began]
    assert len(gaps) == 2
    for gap in gaps:
        assert str(gap.detail).endswith("the lane's process ended meanwhile and is started now")


def triggered(daemon: Daemon, part: str) -> None:
    from edge_runtime.supervisor.control import ControlClient

    with ControlClient(daemon.data) as client:
        assert "error" not in client.ask("trigger", lane="top", part=part)
