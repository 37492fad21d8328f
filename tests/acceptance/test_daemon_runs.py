"""The daemon, as systemd or a person would run it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import urllib3

from edge_runtime.demo.station import PULSE_MS
from edge_runtime.ledger.queries import LedgerReader
from edge_runtime.types import Result, Tombstone
from tests.acceptance.conftest import PARTS
from tests.support.daemon import (
    TOKEN,
    Daemon,
    collector,
    count_of,
    free_port,
    lane_of,
    run,
    sync_table,
    until,
)
from tests.support.models import loudness_bundle


def belt_lane(source: Path | str, extra: str = "") -> str:
    return f'[lanes.belt]\nsource = "{source}"\nmodel = "surface-defect"\n{extra}\n'


def endless(belt: Path) -> str:
    """A belt slow enough to be disturbed: 24 parts at 2 a second."""
    return belt_lane(f"file:{belt}", "capture = { realtime = true, fps = 2.0 }")


def get(url: str, path: str, **fields: str) -> dict[str, object]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    found: dict[str, object] = urllib3.request(
        "GET", url + path, fields=fields, headers=headers, timeout=10, retries=False
    ).json()
    return found


def test_both_stories_end_by_themselves_with_equal_counts_at_the_collector(
    tmp_path: Path, belt: Path, voice: Path
) -> None:
    lanes = (
        belt_lane(f"file:{belt}") + f'[lanes.voice]\nsource = "file:{voice}"\nmodel = "keywords"\n'
    )
    with (
        collector(tmp_path / "server") as url,
        Daemon(tmp_path, lanes + sync_table(url), "--until-done", "--json") as daemon,
    ):
        code, out = daemon.finish()
        summary = json.loads(out)
        assert (code, summary["exit_code"]) == (0, 0)
        assert sum(summary["verdicts"]["belt"].values()) == PARTS
        assert summary["verdicts"]["belt"]["reject"] == PARTS // 4
        assert summary["verdicts"]["voice"]["heard"] >= 8
        told = get(url, "/completeness", device="tested")
        assert told["complete"]
        assert told["epochs"][0]["max_seq"] == summary["max_seq"]  # type: ignore[index]
    device = {p.stem for p in (tmp_path / "data" / "media").rglob("*.*") if p.is_file()}
    server = {p.name for p in (tmp_path / "server" / "media").rglob("*") if p.is_file()}
    assert device
    assert device == server


def test_a_bundle_can_be_the_microphones_speech_detector(tmp_path: Path, voice: Path) -> None:
    loudness_bundle(tmp_path / "loudness")
    lane = f'[lanes.voice]\nsource = "file:{voice}"\nmodel = "keywords"\n'
    gate = f'gate = {{ vad = "{tmp_path / "loudness"}" }}\n'
    with Daemon(tmp_path, lane + gate, "--until-done", "--json") as daemon:
        code, out = daemon.finish()
        summary = json.loads(out)
    assert (code, summary["exit_code"]) == (0, 0)
    assert summary["verdicts"]["voice"]["heard"] >= 8


def test_a_gates_speech_model_that_is_none_ends_the_daemon_with_78(
    tmp_path: Path, voice: Path
) -> None:
    lane = f'[lanes.voice]\nsource = "file:{voice}"\nmodel = "keywords"\n'
    with Daemon(tmp_path, lane + 'gate = { vad = "keywords" }\n', "--until-done") as daemon:
        code, _ = daemon.finish()
    assert code == 78


def test_sigterm_drains_what_is_in_hand_and_exits_0(tmp_path: Path, belt: Path) -> None:
    with Daemon(tmp_path, endless(belt)) as daemon:
        daemon.wait_for(lambda p: count_of(p, "belt") >= 2, "two results")
        assert daemon.stop() == 0
    with LedgerReader(tmp_path / "data") as ledger:
        items = [e.body.item for e in ledger.results(limit=100, newest_first=False)]  # type: ignore[union-attr]
        assert items == [f"frame:{n}" for n in range(len(items))]


def test_a_second_signal_means_now(tmp_path: Path, belt: Path) -> None:
    with Daemon(tmp_path, endless(belt)) as daemon:
        picture = daemon.wait_for(
            lambda p: count_of(p, "belt") >= 1 and lane_of(p, "belt")["state"] == "running",
            "a result, and a heartbeat: a lane without one is shown as starting",
        )
        pid = picture["lanes"][0]["pid"]
        os.kill(pid, signal.SIGSTOP)  # a lane that cannot drain
        daemon.process.send_signal(signal.SIGTERM)
        until(lambda: "stopping signals=1" in daemon.log.read_text(), "the first signal to be seen")
        assert daemon.stop() == 130
        assert not Path(f"/proc/{pid}").exists()


def test_a_killed_lane_goes_on_behind_its_last_result_and_others_are_not_touched(
    tmp_path: Path, belt: Path, voice: Path
) -> None:
    voice_lane = (
        f'[lanes.voice]\nsource = "file:{voice}"\nmodel = "keywords"\n'
        "capture = { realtime = true }\n"
    )
    lanes = belt_lane(f"file:{belt}", "capture = { realtime = true, fps = 4.0 }") + voice_lane
    with Daemon(tmp_path, lanes) as daemon:
        before = daemon.wait_for(lambda p: count_of(p, "belt") >= 3, "some results")
        os.kill(lane_of(before, "belt")["pid"], signal.SIGKILL)
        after = daemon.wait_for(lambda p: count_of(p, "belt") == PARTS, "every part")
        assert lane_of(after, "belt")["restarts"] == 1
        assert lane_of(after, "voice")["pid"] == lane_of(before, "voice")["pid"]
        assert lane_of(after, "voice")["restarts"] == 0
    with LedgerReader(tmp_path / "data") as ledger:
        entries = ledger.results(lane="belt", limit=100, newest_first=False)
        items = [e.body.item for e in entries if isinstance(e.body, Result)]
        reasons = [e.body.reason for e in entries if isinstance(e.body, Tombstone)]
    assert items == [f"frame:{n}" for n in range(PARTS)]
    assert reasons == ["lane_crash"]


def test_a_lane_that_hangs_is_killed_and_replaced(tmp_path: Path, belt: Path) -> None:
    config = endless(belt) + "[supervisor]\nstall_s = 1.5\n"
    with Daemon(tmp_path, config) as daemon:
        before = daemon.wait_for(lambda p: count_of(p, "belt") >= 1, "a result")
        pid = lane_of(before, "belt")["pid"]
        os.kill(pid, signal.SIGSTOP)
        daemon.wait_for(
            lambda p: (
                lane_of(p, "belt")["pid"] not in (None, pid)
                and lane_of(p, "belt")["state"] == "running"
            ),
            "another lane process",
        )
        assert "child_stuck" in daemon.log.read_text()


def test_systemd_is_told_ready_status_watchdog_and_stopping(tmp_path: Path, belt: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        address = str(tmp_path / "notify")
        manager.bind(address)
        manager.settimeout(40)
        with Daemon(
            tmp_path, endless(belt), NOTIFY_SOCKET=address, WATCHDOG_USEC="2000000"
        ) as daemon:
            told: list[str] = []
            while (
                not {"READY=1", "WATCHDOG=1"} <= set(told)
                or "STATUS=1 of 1 lanes serve; belt: running" not in told
            ):
                told.append(manager.recv(4096).decode())
            assert daemon.stop() == 0
            while told[-1] != "STOPPING=1":
                told.append(manager.recv(4096).decode())


def test_a_camera_whose_server_dies_says_no_read_and_is_back_within_seconds(tmp_path: Path) -> None:
    port = free_port()

    def serve() -> subprocess.Popen[bytes]:
        server = subprocess.Popen(
            [sys.executable, "tests/support/picture_server.py", str(port)], stdout=subprocess.PIPE
        )
        assert server.stdout is not None
        server.stdout.readline()
        return server

    server = serve()
    lane = belt_lane(f"http://127.0.0.1:{port}/", "gate = { interval_s = 0.2 }")
    try:
        with Daemon(tmp_path, lane) as daemon:
            daemon.wait_for(lambda p: count_of(p, "belt") >= 3, "pictures")
            server.kill()
            away = daemon.wait_for(
                lambda p: (
                    lane_of(p, "belt")["verdicts"].get("no_read")
                    and lane_of(p, "belt")["state"] == "degraded"
                ),
                "no_read",
            )
            seen = count_of(away, "belt")
            first = lane_of(away, "belt")["pid"]
            server.wait(5)
            assert server.stdout is not None
            server.stdout.close()
            server = serve()
            back = daemon.wait_for(
                lambda p: (
                    lane_of(p, "belt")["state"] == "running" and count_of(p, "belt") > seen + 3
                ),
                "running again",
            )
            assert lane_of(back, "belt")["pid"] == first, "the lane's process need not be replaced"
            assert daemon.stop() == 0
    finally:
        server.kill()
        server.wait(5)
        assert server.stdout is not None
        server.stdout.close()


def test_a_watched_folder_is_inspected_once_also_after_a_restart(
    tmp_path: Path, belt: Path
) -> None:
    import cv2

    pictures = tmp_path / "pictures"
    pictures.mkdir()
    capture = cv2.VideoCapture(str(belt))
    for number in range(4):
        cv2.imwrite(str(pictures / f"part{number}.jpg"), capture.read()[1])
    (pictures / "broken.jpg").write_bytes(b"\xff\xd8\xff not a picture")
    config = belt_lane("folder:pictures", "capture = { watch = true, poll_s = 0.1 }")
    with Daemon(tmp_path, config) as daemon:
        daemon.wait_for(lambda p: count_of(p, "belt") == 5, "four pictures and the broken one")
        told = lane_of(daemon.status() or {}, "belt")
        assert told["verdicts"]["no_read"] == 1
        assert told["tombstones"] == {}
        assert daemon.stop() == 0
    with Daemon(tmp_path, config) as daemon:
        cv2.imwrite(str(pictures / "new.jpg"), capture.read()[1])
        daemon.wait_for(lambda p: count_of(p, "belt") == 1, "the new one, and it alone")
        assert daemon.stop() == 0
    capture.release()


def test_status_and_results_can_be_read_while_it_runs_and_afterwards(
    tmp_path: Path, belt: Path
) -> None:
    with Daemon(tmp_path, endless(belt)) as daemon:
        daemon.wait_for(lambda p: count_of(p, "belt") >= 2, "two results")
        live = run("status", "--data", tmp_path / "data", "--json")
        assert live.returncode == 0
        assert json.loads(live.stdout)["lanes"][0]["state"] == "running"
        assert "belt" in run("status", "--data", tmp_path / "data").stdout
        assert daemon.stop() == 0
    rest = run("status", "--data", tmp_path / "data", "--json")
    assert rest.returncode == 69
    assert json.loads(rest.stdout)["running"] is False
    listed = run("results", "list", "--data", tmp_path / "data", "--json").stdout.splitlines()
    assert json.loads(listed[-1])["seq"] == 1


@pytest.mark.timeout(150)
def test_the_demo_ends_by_itself_with_nothing_lost_nothing_twice_and_no_bad_part_passed(
    tmp_path: Path,
) -> None:
    done = run("demo", "--json", "--dir", tmp_path / "demo")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["lost"], told["twice"], told["wrong"], told["bad_passed"]) == (0, 0, 0, 0)
    assert told["complete"]
    assert told["restarts"] == 1
    assert told["passed"] > 0
    assert told["killed"]["pulse_ms"] == pytest.approx(PULSE_MS, abs=100)
    assert told["killed"]["safe_after_ms"] < 1000
    assert told["killed"]["held_ms"] is not None
    assert len(told["faults"]) == 3
