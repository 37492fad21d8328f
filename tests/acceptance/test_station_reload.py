"""SIGHUP reads the config anew: only the lanes concerned are started again."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.support.daemon import Daemon, lane_of, run, until
from tests.support.media_files import write_video
from tests.support.mjpeg_server import MjpegServer
from tests.support.station import (
    GOOD,
    WATCHED,
    codes_of,
    half_bundle,
    is_serving,
    lane_table,
    rows,
    tombstones,
    verdicts,
    write_part,
    write_parts,
)

FRAMES, RELOADS = 1000, 20


def rules(threshold: float) -> str:
    return f"rules = {{ reject = {{ bad = {threshold} }} }}"


@pytest.mark.timeout(90)
def test_a_lane_that_a_reload_does_not_concern_loses_nothing_and_keeps_its_process(
    tmp_path: Path,
) -> None:
    half_bundle(tmp_path / "left", "left")
    write_parts(tmp_path / "parts", GOOD)
    write_video(tmp_path / "numbered.avi", FRAMES, fps=100.0)
    numbered = lane_table("numbered", "file:numbered.avi", "capture = { realtime = true }")

    def config(number: int) -> str:
        changing = lane_table("other", "folder:./parts", WATCHED, rules(0.5 + number / 100))
        return numbered + changing

    with Daemon(tmp_path, config(0)) as daemon:
        before = daemon.wait_for(lambda p: verdicts(p, "numbered").get("pass", 0) > 5, "frames")
        pid = lane_of(before, "numbered")["pid"]
        for number in range(1, RELOADS + 1):
            daemon.reload(config(number))
            until(
                lambda n=number: daemon.log.read_text().count("EDGE-C602") >= n,  # type: ignore[misc]
                "the reload to be told",
            )
            assert lane_of(daemon.status() or {}, "numbered")["pid"] in (pid, None)
        picture = daemon.wait_for(
            lambda p: sum(verdicts(p, "numbered").values()) == FRAMES, "every frame"
        )
        assert lane_of(picture, "numbered")["restarts"] == 0
        assert daemon.stop() == 0
    found = rows(tmp_path / "data", "numbered")
    assert [row.item for row in found] == [f"frame:{number}" for number in range(FRAMES)]
    assert not tombstones(tmp_path / "data", lane="numbered")


def test_a_live_lane_that_a_reload_starts_anew_tells_its_gap_and_judges_by_the_new_rules(
    tmp_path: Path,
) -> None:
    half_bundle(tmp_path / "left", "left")
    with (
        MjpegServer() as camera,
        Daemon(tmp_path, lane_table("top", camera.url, rules(0.99))) as daemon,
    ):
        before = daemon.wait_for(lambda p: verdicts(p, "top").get("pass", 0) > 5, "passes")
        daemon.reload(lane_table("top", camera.url, rules(0.01)))
        daemon.wait_for(lambda p: verdicts(p, "top").get("reject", 0) > 5, "rejects")
        after = daemon.status() or {}
        assert after["uptime_s"] >= before["uptime_s"], "the daemon is the same"
        assert daemon.stop() == 0
    [gap] = tombstones(tmp_path / "data", "restart_gap")
    assert gap.first.boottime_ns < gap.last.boottime_ns
    assert not tombstones(tmp_path / "data", "lane_crash")


def test_a_config_that_is_refused_leaves_the_last_good_one_running_and_is_told(
    tmp_path: Path,
) -> None:
    half_bundle(tmp_path / "left", "left")
    write_parts(tmp_path / "parts", GOOD)
    good = lane_table("top", "folder:./parts", WATCHED)
    with Daemon(tmp_path, good) as daemon:
        before = daemon.wait_for(lambda p: verdicts(p, "top").get("pass") == 1, "a part")
        daemon.reload(good + "[lanes.bad]\nsorce = 1\n")
        daemon.wait_for(lambda p: "EDGE-C601" in codes_of(p), "the refusal")
        write_part(tmp_path / "parts" / "another.png", GOOD)
        after = daemon.wait_for(lambda p: verdicts(p, "top").get("pass") == 2, "another part")
        assert lane_of(after, "top")["pid"] == lane_of(before, "top")["pid"]
        assert run("reload", "--config", daemon.config).returncode == 78
        daemon.reload(good)
        daemon.wait_for(lambda p: "EDGE-C601" not in codes_of(p), "all well again")
        assert daemon.stop() == 0


def test_a_lane_that_is_added_starts_and_one_that_is_taken_away_ends(tmp_path: Path) -> None:
    half_bundle(tmp_path / "left", "left")
    write_parts(tmp_path / "parts", GOOD)
    write_parts(tmp_path / "more", GOOD)
    first = lane_table("first", "folder:./parts", WATCHED)
    second = lane_table("second", "folder:./more", WATCHED)
    with Daemon(tmp_path, first) as daemon:
        daemon.wait_for(lambda p: is_serving(p, "first"), "the lane")
        daemon.reload(first + second)
        daemon.wait_for(
            lambda p: {lane["name"] for lane in p["lanes"]} == {"first", "second"}, "two lanes"
        )
        daemon.wait_for(lambda p: verdicts(p, "second").get("pass") == 1, "its part")
        daemon.reload(second)
        daemon.wait_for(lambda p: [lane["name"] for lane in p["lanes"]] == ["second"], "one lane")
        assert daemon.stop(signal.SIGTERM) == 0


def test_what_needs_a_restart_says_so_and_config_diff_tells_beforehand(tmp_path: Path) -> None:
    half_bundle(tmp_path / "left", "left")
    write_parts(tmp_path / "parts", GOOD)
    good = lane_table("top", "folder:./parts", WATCHED)
    with Daemon(tmp_path, good) as daemon:
        daemon.wait_for(
            lambda p: verdicts(p, "top").get("pass") == 1 and is_serving(p, "top"), "a part"
        )
        daemon.rewrite(lane_table("top", "folder:./parts", WATCHED, rules(0.7)))
        told = run("config", "diff", daemon.config)
        assert told.returncode in (0, 1)
        assert "top" in told.stdout
        daemon.reload(good + "[ledger]\ngroup_ms = 7\n")
        picture = daemon.wait_for(lambda p: "EDGE-C603" in codes_of(p), "the word of a restart")
        assert is_serving(picture, "top")
        assert daemon.stop() == 0


def test_a_hangup_while_the_daemon_starts_does_not_end_it(tmp_path: Path) -> None:
    half_bundle(tmp_path / "left", "left")
    write_parts(tmp_path / "parts", GOOD)
    with Daemon(tmp_path, lane_table("top", "folder:./parts", WATCHED)) as daemon:
        until(lambda: ignores_hangup(daemon.process.pid), "the command to begin")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_for(lambda p: verdicts(p, "top").get("pass") == 1, "the part")
        assert daemon.stop() == 0


def ignores_hangup(pid: int) -> bool:
    text = Path(f"/proc/{pid}/status").read_text()
    masks = dict(line.split(":\t") for line in text.splitlines() if line.startswith("Sig"))
    return bool((int(masks["SigIgn"], 16) | int(masks["SigCgt"], 16)) & 1)
