"""A station that cannot judge holds the line safe, whatever it is that fails."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from edge_runtime.clock import NS_PER_S
from tests.support.daemon import Daemon, lane_of, run, until
from tests.support.ledger import small_disk
from tests.support.mjpeg_server import MjpegServer
from tests.support.station import (
    BAD,
    BEAT,
    COIL,
    GOOD,
    HEARTBEAT_S,
    KEEP_NONE,
    SAFE_COIL,
    WATCHED,
    WITH_GATE,
    Orders,
    Plc,
    after,
    codes_of,
    count_in,
    entries,
    full_disk,
    gate_table,
    half_bundle,
    kill_lane,
    lane_table,
    let_pass,
    now_ns,
    rows,
    status_code,
    supervision,
    tombstones,
    verdicts,
    write_part,
)

WITHIN_S = HEARTBEAT_S + 0.5
"""One heartbeat, and what a busy box of two cores adds."""
ALL_BAD = "rules = { reject = { bad = 0.01 } }"
THREE_A_SECOND = "gate = { interval_s = 0.3 }"


def seeing(daemon: Daemon, plc: Plc, lane: str = "top") -> None:
    """The lane serves, and the line has been let go."""
    daemon.wait_for(
        lambda p: lane_of(p, lane)["state"] == "running" and sum(verdicts(p, lane).values()) >= 3,
        "the lane to judge",
    )
    plc.wait_coil(SAFE_COIL, value=False)


def held_since(plc: Plc, at_ns: int) -> float:
    """Seconds from `at_ns` until the safe coil is on; it was off before."""
    assert not plc.was_on(SAFE_COIL, at_ns)

    def is_held() -> int:
        found = [w.boottime_ns for w in plc.since(at_ns, "coil", SAFE_COIL) if w.value]
        return found[0] if found else 0

    held_ns: int = plc.wait(is_held, "the safe coil")
    return (held_ns - at_ns) / NS_PER_S


def was_let_go(plc: Plc, since_ns: int) -> bool:
    return any(not write.value for write in plc.since(since_ns, "coil", SAFE_COIL))


def test_a_region_of_interest_outside_the_picture_holds_the_line_safe_and_says_so(
    tmp_path: Path,
) -> None:
    half_bundle(tmp_path / "left", "left")
    with Plc() as plc, MjpegServer() as camera:  # its pictures are 320 x 240
        lane = lane_table("top", camera.url, "gate = { roi = [1000, 0, 1200, 200] }", WITH_GATE)
        with Daemon(tmp_path, lane + gate_table(plc.port)) as daemon:
            picture = daemon.wait_for(
                lambda p: (
                    verdicts(p, "top").get("no_read", 0) >= 3
                    and lane_of(p, "top")["state"] == "degraded"
                ),
                "a degraded lane",
            )
            assert "EDGE-L110" in codes_of(picture)
            plc.wait_coil(SAFE_COIL, value=True)
            let_pass(1.0)
            assert plc.is_on(SAFE_COIL)
            assert status_code(daemon.data) == 1
            assert daemon.stop() == 0
    assert {row.verdict.kind for row in rows(tmp_path / "data")} == {"no_read"}


def test_a_picture_that_cannot_be_decoded_acts_once_like_a_reject(tmp_path: Path) -> None:
    half_bundle(tmp_path / "left", "left")
    parts = tmp_path / "parts"
    write_part(parts / "a.png", GOOD)
    with Plc() as plc:
        config = lane_table("top", "folder:./parts", WATCHED, WITH_GATE) + gate_table(plc.port)
        with Daemon(tmp_path, config) as daemon:
            daemon.wait_for(lambda p: verdicts(p, "top") == {"pass": 1}, "a good part")
            plc.wait_coil(SAFE_COIL, value=False)
            (parts / "b.jpg").write_bytes(b"\xff\xd8\xff\xe0 not a picture")
            plc.wait(lambda: plc.pulses() and plc.pulses()[-1].off_ns, "a pulse")
            write_part(parts / "c.png", GOOD)
            daemon.wait_for(lambda p: verdicts(p, "top").get("pass") == 2, "another good part")
            assert daemon.stop() == 0
        assert len(plc.pulses()) == 1
    about = [e.body for e in entries(tmp_path / "data") if (e.body.item or "").startswith("b.jpg")]
    assert len(about) == 1


def test_a_lane_that_aborts_again_and_again_is_held_safe_through_all_its_restarts(
    tmp_path: Path,
) -> None:
    half_bundle(tmp_path / "left", "left")
    orders = Orders(tmp_path)
    with Plc() as plc, MjpegServer() as camera:
        config = lane_table("top", camera.url, WITH_GATE) + gate_table(plc.port) + supervision()
        with Daemon(tmp_path, config, **orders.environment) as daemon:
            seeing(daemon, plc)
            restarts = lane_of(daemon.status() or {}, "top")["restarts"]
            begin_ns = now_ns()
            with orders.again_and_again("infer abort"):
                assert held_since(plc, begin_ns) <= WITHIN_S
                held_ns = now_ns()
                picture = daemon.wait_for(
                    lambda p: lane_of(p, "top")["restarts"] >= restarts + 3, "three crashes"
                )
                assert not was_let_go(plc, held_ns), plc.tail()
                assert codes_of(picture) & {"EDGE-L105", "EDGE-L106"}
                assert status_code(daemon.data) == 1
            plc.wait_coil(SAFE_COIL, value=False)  # it judges again, and lets go by itself
            assert daemon.stop() == 0


def test_a_lane_killed_in_mid_pulse_neither_lengthens_nor_cuts_the_pulse(tmp_path: Path) -> None:
    half_bundle(tmp_path / "left", "left")
    with Plc() as plc, MjpegServer() as camera:
        config = lane_table("top", camera.url, "gate = { interval_s = 2.0 }", ALL_BAD, WITH_GATE)
        config += gate_table(plc.port, pulse_ms=400)
        with Daemon(tmp_path, config) as daemon:
            plc.wait(lambda: plc.pulses() and plc.pulses()[-1].off_ns, "a first pulse")
            before = len(plc.pulses())
            plc.wait(lambda: len(plc.pulses()) > before, "another")
            kill_lane(daemon, "top", signal.SIGKILL)
            plc.wait(lambda: plc.pulses()[before].off_ns, "its end")
            assert 0.38 <= plc.pulses()[before].length_s <= 0.6
            assert daemon.stop() == 0


def test_a_delayed_pulse_is_carried_out_although_its_lane_is_gone(tmp_path: Path) -> None:
    half_bundle(tmp_path / "left", "left")
    parts = tmp_path / "parts"
    write_part(parts / "a.png", GOOD)
    with Plc() as plc:
        config = lane_table("top", "folder:./parts", WATCHED, WITH_GATE)
        config += gate_table(plc.port, delay_ms=1500)
        with Daemon(tmp_path, config) as daemon:
            daemon.wait_for(lambda p: verdicts(p, "top") == {"pass": 1}, "a good part")
            write_part(parts / "b.png", BAD)
            daemon.wait_for(lambda p: verdicts(p, "top").get("reject") == 1, "the bad one")
            assert not plc.pulses()
            kill_lane(daemon, "top", signal.SIGKILL)
            plc.wait(lambda: plc.pulses() and plc.pulses()[0].off_ns, "the pulse", 5)
            [row] = [row for row in rows(daemon.data) if row.verdict.kind == "reject"]
            late_s = (plc.pulses()[0].on_ns - row.captured.boottime_ns) / NS_PER_S
            assert 1.4 <= late_s <= 2.0
            daemon.stop()


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL], ids=["stopped", "killed"])
def test_a_lane_that_does_not_decide_is_held_safe_from_outside_within_one_heartbeat(
    tmp_path: Path, number: signal.Signals
) -> None:
    half_bundle(tmp_path / "left", "left")
    with Plc() as plc, MjpegServer() as camera:
        config = lane_table("top", camera.url, WITH_GATE) + gate_table(plc.port)
        config += supervision(stall_s=3.0)
        with Daemon(tmp_path, config) as daemon:
            seeing(daemon, plc)
            at_ns = now_ns()
            kill_lane(daemon, "top", number)
            assert held_since(plc, at_ns) <= WITHIN_S
            if number is signal.SIGSTOP:
                beats = [w.boottime_ns for w in plc.since(at_ns, "register", BEAT)]
                assert all(beat - at_ns <= WITHIN_S * NS_PER_S for beat in beats), (
                    "the register counts only while the lane can decide"
                )
                assert status_code(daemon.data) == 1
            plc.wait_coil(SAFE_COIL, value=False)
            assert daemon.stop() == 0


def test_a_model_that_hangs_is_held_safe_within_one_heartbeat(tmp_path: Path) -> None:
    half_bundle(tmp_path / "left", "left")
    orders = Orders(tmp_path)
    with Plc() as plc, MjpegServer() as camera:
        config = lane_table("top", camera.url, WITH_GATE) + gate_table(plc.port)
        config += supervision(stall_s=2.0)
        with Daemon(tmp_path, config, **orders.environment) as daemon:
            seeing(daemon, plc)
            at_ns = now_ns()
            orders.give("infer hang")
            assert held_since(plc, at_ns) <= WITHIN_S
            plc.wait_coil(SAFE_COIL, value=False)  # the lane was replaced
            assert daemon.stop() == 0


def test_a_killed_field_process_has_a_successor_within_two_seconds_that_starts_safe(
    tmp_path: Path,
) -> None:
    half_bundle(tmp_path / "left", "left")
    with Plc() as plc, MjpegServer() as camera:
        config = lane_table("top", camera.url, WITH_GATE) + gate_table(plc.port)
        with Daemon(tmp_path, config) as daemon:
            seeing(daemon, plc)
            field = children_of(daemon.process.pid, "edge_runtime.field")
            assert len(field) == 1
            at_ns = now_ns()
            os.kill(field[0], signal.SIGKILL)
            assert held_since(plc, at_ns) <= 2.5
            plc.wait_coil(SAFE_COIL, value=False)
            assert children_of(daemon.process.pid, "edge_runtime.field") != field
            assert daemon.stop() == 0


def children_of(pid: int, module: str) -> list[int]:
    """Process ids of the children that run this module."""
    found = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split():
        words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        if module.encode() in words:
            found.append(int(child))
    return found


def test_the_line_is_safe_after_an_orderly_stop_and_let_go_where_the_output_says_release(
    tmp_path: Path,
) -> None:
    half_bundle(tmp_path / "left", "left")
    for on_stop, expected in (("safe", True), ("release", False)):
        with Plc() as plc, MjpegServer() as camera:
            config = lane_table("top", camera.url, WITH_GATE)
            config += gate_table(plc.port, on_stop=on_stop)
            with Daemon(tmp_path, config) as daemon:
                seeing(daemon, plc)
                assert daemon.stop() == 0
            assert plc.is_on(SAFE_COIL) is expected
            assert not plc.is_on(COIL)


def test_the_line_is_safe_when_the_whole_daemon_is_terminated_or_its_supervisor_killed(
    tmp_path: Path,
) -> None:
    half_bundle(tmp_path / "left", "left")
    with Plc() as plc, MjpegServer() as camera:
        config = lane_table("top", camera.url, WITH_GATE) + gate_table(plc.port)
        with Daemon(tmp_path, config) as daemon:
            seeing(daemon, plc)
            at_ns = now_ns()
            daemon.process.kill()
            assert held_since(plc, at_ns) <= WITHIN_S
        with Daemon(tmp_path, config) as daemon:
            seeing(daemon, plc)
            os.killpg(daemon.process.pid, signal.SIGTERM)  # as systemd does
            assert daemon.process.wait(20) == 0
            assert plc.is_on(SAFE_COIL)


def test_a_stopped_supervisor_leaves_the_line_judged_or_safe(tmp_path: Path) -> None:
    half_bundle(tmp_path / "left", "left")
    with Plc() as plc, MjpegServer() as camera:
        config = lane_table("top", camera.url, THREE_A_SECOND, ALL_BAD, WITH_GATE)
        config += gate_table(plc.port, pulse_ms=40)
        with Daemon(tmp_path, config) as daemon:
            seeing(daemon, plc)
            begin_ns = now_ns()
            os.kill(daemon.process.pid, signal.SIGSTOP)
            try:
                let_pass(4.0)
            finally:
                os.kill(daemon.process.pid, signal.SIGCONT)
            end_ns = now_ns()
            # Every picture is of a bad part: in no second may the gate be left to itself.
            for second in range(1, 4):
                first = begin_ns + second * NS_PER_S
                is_driven = any(first <= pulse.on_ns < first + NS_PER_S for pulse in plc.pulses())
                assert is_driven or plc.was_on(SAFE_COIL, first), plc.tail()
            assert end_ns > begin_ns
            plc.wait_coil(SAFE_COIL, value=False)
            daemon.wait_for(lambda p: lane_of(p, "top")["state"] == "running", "the lane again")
            assert daemon.stop() == 0


FEW_WAIT = "unstored_max = 4"
LEDGER = "[ledger]\nballast_mib = 1\nmin_free_mib = 0\n"


def full(daemon: Daemon) -> None:
    picture = daemon.wait_for(lambda p: p["ledger"]["state"] == "full", "a full ledger")
    assert "EDGE-D301" in codes_of(picture)


def test_live_lanes_decide_and_act_on_with_a_full_disk_and_the_tombstone_is_exact(
    tmp_path: Path,
) -> None:
    half_bundle(tmp_path / "left", "left")
    with small_disk("16m") as disk, Plc() as plc, MjpegServer() as camera:
        config = lane_table(
            "top", camera.url, THREE_A_SECOND, ALL_BAD, KEEP_NONE, FEW_WAIT, WITH_GATE
        )
        config += gate_table(plc.port, pulse_ms=40) + LEDGER + supervision()
        with Daemon(tmp_path, config, data=disk / "data") as daemon:
            seeing(daemon, plc)
            with full_disk(disk):
                full(daemon)
                before, beats = len(plc.pulses()), len(plc.since(0, "register", BEAT))
                plc.wait(lambda: len(plc.pulses()) >= before + 10, "parts acted upon", 15)
                assert len(plc.since(0, "register", BEAT)) > beats
                assert status_code(daemon.data) == 1
                kill_lane(daemon, "top", signal.SIGKILL)  # what it could not store is counted
                after_kill = now_ns()
                plc.wait(
                    lambda: sum(p.on_ns > after_kill for p in plc.pulses()) >= 3,
                    "parts of the next",
                )
            daemon.wait_for(
                lambda p: (
                    p["ledger"]["state"] == "ok"
                    and lane_of(p, "top")["tombstones"].get("store_full")
                ),
                "the tombstone",
            )
            assert daemon.stop() == 0
        acted = len(plc.pulses())
        left = count_in(tombstones(disk / "data"))
        assert count_in(tombstones(disk / "data", "store_full")) >= 2
        assert len(rows(disk / "data")) + left == acted


def test_a_daemon_that_is_killed_with_a_full_disk_accounts_for_every_part_afterwards(
    tmp_path: Path,
) -> None:
    half_bundle(tmp_path / "left", "left")
    with small_disk("16m") as disk, Plc() as plc, MjpegServer() as camera:
        config = lane_table("top", camera.url, THREE_A_SECOND, ALL_BAD, KEEP_NONE, WITH_GATE)
        config += gate_table(plc.port, pulse_ms=40) + LEDGER + supervision()
        with Daemon(tmp_path, config, data=disk / "data") as daemon:
            seeing(daemon, plc)
            with full_disk(disk):
                full(daemon)
                before = len(plc.pulses())
                plc.wait(lambda: len(plc.pulses()) >= before + 6, "parts acted upon", 10)
                daemon.process.kill()  # rows that wait for room are in its memory
                daemon.process.wait(10)
                plc.wait_coil(SAFE_COIL, value=True)
        with Daemon(tmp_path, config, data=disk / "data") as daemon:
            seeing(daemon, plc)
            assert daemon.stop() == 0
        acted = len(plc.pulses())
        left = count_in(tombstones(disk / "data"))
        assert len(rows(disk / "data")) + left == acted


def test_a_full_disk_holds_the_line_safe_where_the_ledger_says_stop(tmp_path: Path) -> None:
    half_bundle(tmp_path / "left", "left")
    with small_disk("16m") as disk, Plc() as plc, MjpegServer() as camera:
        config = lane_table("top", camera.url, THREE_A_SECOND, ALL_BAD, KEEP_NONE, WITH_GATE)
        config += gate_table(plc.port, pulse_ms=40)
        config += LEDGER + 'when_full = "stop"\n' + supervision()
        with Daemon(tmp_path, config, data=disk / "data") as daemon:
            seeing(daemon, plc)
            with full_disk(disk):
                full(daemon)
                plc.wait_coil(SAFE_COIL, value=True)
                at_ns = after(1.0)
                let_pass(3.0)
                assert not was_let_go(plc, at_ns)
                late = [pulse for pulse in plc.pulses() if pulse.on_ns > at_ns]
                assert not late, "it takes no parts"
            plc.wait_coil(SAFE_COIL, value=False)
            assert daemon.stop() == 0


def test_a_folder_waits_while_the_disk_is_full_and_nothing_acts_twice(tmp_path: Path) -> None:
    half_bundle(tmp_path / "left", "left")
    parts = tmp_path / "parts"
    write_part(parts / "part0.png", BAD)
    with small_disk("16m") as disk, Plc() as plc:
        lane = lane_table("top", f"folder:{parts}", WATCHED, KEEP_NONE, WITH_GATE)
        config = lane + gate_table(plc.port, pulse_ms=40) + LEDGER
        with Daemon(tmp_path, config, data=disk / "data") as daemon:
            daemon.wait_for(lambda p: verdicts(p, "top").get("reject") == 1, "the first")
            with full_disk(disk):
                for number in range(1, 90):  # more than a lane may have in hand
                    write_part(parts / f"part{number}.png", BAD)
                full(daemon)
            daemon.wait_for(lambda p: verdicts(p, "top").get("reject") == 90, "all of them")
            assert daemon.stop() == 0
        found = rows(disk / "data")
        assert len({row.item for row in found}) == len(found) == 90
        assert not tombstones(disk / "data", "store_full")


def test_a_daemon_with_rows_that_wait_for_room_ends_within_its_stop_timeout(
    tmp_path: Path,
) -> None:
    half_bundle(tmp_path / "left", "left")
    with small_disk("16m") as disk, Plc() as plc, MjpegServer() as camera:
        config = lane_table(
            "top", camera.url, "gate = { interval_s = 0.1 }", ALL_BAD, KEEP_NONE, WITH_GATE
        )
        config += gate_table(plc.port, pulse_ms=40) + LEDGER + supervision(stop_timeout_s=3.0)
        with Daemon(tmp_path, config, data=disk / "data") as daemon:
            seeing(daemon, plc)
            with full_disk(disk):
                full(daemon)
                begin_ns = now_ns()
                daemon.stop()
                assert (now_ns() - begin_ns) / NS_PER_S <= 3.0 + 3.0
                assert plc.is_on(SAFE_COIL)


WRONG_KINDS = {
    "a model of sounds on a camera": 'source = "v4l2:/dev/video9"\nmodel = "keywords"',
    "a model of pictures on a microphone": 'source = "microphone:x"\nmodel = "surface-defect"',
}


@pytest.mark.parametrize("lane", WRONG_KINDS.values(), ids=WRONG_KINDS.keys())
def test_a_model_of_the_wrong_kind_is_refused_before_it_runs(tmp_path: Path, lane: str) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'[device]\nid = "t"\ndata_dir = "./data"\n[lanes.top]\n{lane}\n')
    checked = run("config", "check", config)
    assert checked.returncode == 78
    assert "lanes.top" in checked.stderr + checked.stdout
    assert run("doctor", "--config", config).returncode != 0
    assert run("run", config).returncode == 78


def test_a_camera_that_is_gone_holds_the_line_safe_and_lets_go_when_it_is_back(
    tmp_path: Path,
) -> None:
    half_bundle(tmp_path / "left", "left")
    with Plc() as plc, MjpegServer() as camera:
        config = lane_table(
            "top", camera.url, "capture = { read_timeout_s = 0.7 }", WITH_GATE
        ) + gate_table(plc.port)
        with Daemon(tmp_path, config) as daemon:
            seeing(daemon, plc)
            at_ns = now_ns()
            camera.kill()
            assert held_since(plc, at_ns) <= WITHIN_S
            picture = daemon.wait_for(
                lambda p: lane_of(p, "top")["state"] == "degraded", "a degraded lane"
            )
            assert "EDGE-L101" in codes_of(picture)
            camera.start()
            plc.wait_coil(SAFE_COIL, value=False)
            until(lambda: status_code(daemon.data) == 0, "exit code 0 again")
            assert daemon.stop() == 0


def test_a_field_process_that_hangs_when_the_station_stops_leaves_the_line_safe_all_the_same(
    tmp_path: Path,
) -> None:
    half_bundle(tmp_path / "left", "left")
    with Plc() as plc, MjpegServer() as camera:
        config = lane_table("top", camera.url, WITH_GATE) + gate_table(plc.port)
        with Daemon(tmp_path, config + supervision()) as daemon:
            seeing(daemon, plc)
            picture = daemon.status()
            assert picture is not None
            assert not plc.was_on(SAFE_COIL, now_ns())
            os.kill(picture["field"]["pid"], signal.SIGSTOP)
            daemon.stop()
            plc.wait_coil(SAFE_COIL, value=True)
