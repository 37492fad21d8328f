"""When processes are aborted at once their stacks stay whole: each line is of one process."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

from tests.support.daemon import Daemon, lane_of
from tests.support.station import GOOD, WATCHED, half_bundle, kill_lane, lane_table, write_parts

LINE = re.compile(
    r"Fatal Python error: \w+|(Current thread|Thread) 0x[0-9a-f]+( \[.*\])? \(most recent call first\):"
    r'|  File ".*", line \d+ in \S+|  \.\.\.|  <no Python frame>|Extension modules: .*|'
    r"|(debug|info|warning|error|critical) [\w-]+: .*"
)


def torn(text: str) -> list[str]:
    return [line for line in text.splitlines() if not LINE.fullmatch(line)]


def station(folder: Path) -> str:
    half_bundle(folder / "left", "left")
    lanes = []
    for name in ("one", "two", "three"):
        write_parts(folder / name, GOOD)
        lanes.append(lane_table(name, f"folder:./{name}", WATCHED))
    return "".join(lanes)


def test_the_stacks_of_an_aborted_lane_are_told_by_its_name_and_whole(tmp_path: Path) -> None:
    with Daemon(tmp_path, station(tmp_path)) as daemon:
        daemon.wait_for(lambda p: all(lane["state"] == "running" for lane in p["lanes"]), "lanes")
        kill_lane(daemon, "two", signal.SIGABRT)
        daemon.wait_for(lambda p: lane_of(p, "two")["restarts"] == 1, "a restart")
        assert daemon.stop() == 0
    text = daemon.log.read_text()
    stacks = text.partition("error supervisor: child_stacks name=two\n")[2]
    assert stacks.startswith("Fatal Python error: Aborted\n")
    assert "edge_runtime/lane/deciding.py" in stacks
    assert torn(text) == []


def test_when_the_whole_group_is_aborted_as_by_a_watchdog_no_line_is_torn(tmp_path: Path) -> None:
    with Daemon(tmp_path, station(tmp_path)) as daemon:
        daemon.wait_for(lambda p: all(lane["state"] == "running" for lane in p["lanes"]), "lanes")
        os.killpg(daemon.process.pid, signal.SIGABRT)
        assert daemon.process.wait(20) == -signal.SIGABRT
    text = daemon.log.read_text()
    assert text.count("Fatal Python error: Aborted") == 1  # the supervisor's, which hung
    assert torn(text) == []
