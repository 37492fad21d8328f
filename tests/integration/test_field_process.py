"""The field process as a process: a supervisor, lanes and a PLC around it, each of which may fail."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from edge_runtime.clock import NS_PER_MS, NS_PER_S, SYSTEM_CLOCK
from edge_runtime.config import (
    Config,
    Device,
    Lane,
    ModbusOutput,
    ModbusTrigger,
    Output,
    Rules,
    Supervision,
)
from edge_runtime.field.ladder import GateTable
from edge_runtime.field.simulator import Mode, PlcSimulator, Write
from edge_runtime.link.messages import (
    Admit,
    Bye,
    Done,
    Free,
    Heartbeat,
    Hold,
    LaneIs,
    NewEvent,
    NewTombstone,
    OutputState,
    Triggered,
)
from edge_runtime.types import TombstoneReason, Verdict, VerdictKind
from tests.support.field_child import FieldChild, LaneEnd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

COIL, SAFE, BEAT, BYPASS = 10, 11, 100, 101
DEAD_MAN_S = 0.4
BEAT_S = 0.1
SLACK_S = 0.3
"""For a machine that is busy with other tests."""


@pytest.fixture
def plc() -> Iterator[PlcSimulator]:
    gate = GateTable(SAFE, BEAT, BEAT_S, reject_coil=COIL, bypass_register=BYPASS)
    with PlcSimulator("127.0.0.1", 0, clock=SYSTEM_CLOCK, gate=gate) as running:
        yield running


def gate_output(plc: PlcSimulator, **more: Any) -> ModbusOutput:
    table: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": plc.port,
        "coil": COIL,
        "safe_coil": SAFE,
        "heartbeat_register": BEAT,
        "bypass_register": BYPASS,
        "heartbeat_s": BEAT_S,
        "pulse_ms": 40,
    }
    return ModbusOutput(**(table | more))


def config(folder: Path, lanes: dict[str, Lane] | None = None, **outputs: Output) -> Config:
    return Config(
        device=Device(id="box", data_dir=str(folder / "data")),
        lanes=lanes or {"top": lane(*outputs)},
        outputs=outputs,
        supervisor=Supervision(dead_man_s=DEAD_MAN_S),
    )


def lane(*outputs: str, **more: Any) -> Lane:
    return Lane(source="v4l2:/dev/video0", model="m", outputs=list(outputs), **more)


def wait_for(what: Callable[[], bool], seconds: float = 10.0) -> int:
    """CLOCK_BOOTTIME when it was so."""
    never = threading.Event()
    until_ns = SYSTEM_CLOCK.boottime_ns() + int(seconds * NS_PER_S)
    while not what():
        assert SYSTEM_CLOCK.boottime_ns() < until_ns, f"not within {seconds} s"
        SYSTEM_CLOCK.wait(never, 0.002)
    return SYSTEM_CLOCK.boottime_ns()


def let_pass(seconds: float) -> None:
    SYSTEM_CLOCK.wait(threading.Event(), seconds)


def writes(plc: PlcSimulator, address: int) -> list[Write]:
    return [write for write in list(plc.writes) if write.address == address]


def serving(field: FieldChild, plc: PlcSimulator, name: str = "top") -> LaneEnd:
    served = field.lane(name)
    wait_for(lambda: [write.value for write in writes(plc, SAFE)] == [1, 0])
    return served


def test_outputs_are_safe_from_the_first_connection_until_the_lane_serves(
    tmp_path: Path, plc: PlcSimulator
) -> None:
    with FieldChild(config(tmp_path, gate=gate_output(plc))) as field:
        wait_for(lambda: plc.coil(SAFE))
        early = field.lane("top", serving=False)
        early.begin()  # it is alive, and the supervisor has not let it begin
        let_pass(2 * BEAT_S)
        assert plc.coil(SAFE)
        assert writes(plc, BEAT) == []
        assert field.wait_state("gate", lambda s: s.holds != []).holds == ["top: starting"]
        field.peer.send(LaneIs("top", "serving"))
        wait_for(lambda: not plc.coil(SAFE))
        wait_for(lambda: plc.register(BEAT) >= 3)
        assert field.wait_state("gate", lambda s: s.state == "connected").holds == []
        assert field.stop() == 0
    assert [write.value for write in writes(plc, SAFE)][:2] == [1, 0]


def test_a_lane_that_is_killed_is_held_safe_at_once_and_its_heartbeat_stands(
    tmp_path: Path, plc: PlcSimulator
) -> None:
    with FieldChild(config(tmp_path, gate=gate_output(plc))) as field:
        top = serving(field, plc)
        wait_for(lambda: plc.register(BEAT) >= 2)
        killed_ns = SYSTEM_CLOCK.boottime_ns()
        top.die()
        safe_ns = wait_for(lambda: plc.coil(SAFE))
        beats = plc.register(BEAT)
        let_pass(4 * BEAT_S)
        assert (safe_ns - killed_ns) / NS_PER_S < DEAD_MAN_S
        assert plc.register(BEAT) <= beats + 1
        assert field.wait_state("gate", lambda s: s.state == "held").holds == [
            "top: its link has closed"
        ]


def test_a_lane_whose_decide_loop_stands_is_held_safe_within_the_limit(
    tmp_path: Path, plc: PlcSimulator
) -> None:
    with FieldChild(config(tmp_path, gate=gate_output(plc))) as field:
        top = serving(field, plc)
        hung_ns = SYSTEM_CLOCK.boottime_ns()
        top.hang()
        safe_ns = wait_for(lambda: plc.coil(SAFE))
        assert (safe_ns - hung_ns) / NS_PER_S < DEAD_MAN_S + SLACK_S
        top.begin()
        wait_for(lambda: not plc.coil(SAFE))


def test_a_lane_that_says_that_it_does_not_see_is_held_and_the_heartbeat_stands(
    tmp_path: Path, plc: PlcSimulator
) -> None:
    with FieldChild(config(tmp_path, gate=gate_output(plc))) as field:
        top = serving(field, plc)
        wait_for(lambda: plc.register(BEAT) >= 1)
        top.sees = False
        wait_for(lambda: plc.coil(SAFE))
        beats = plc.register(BEAT)
        let_pass(4 * BEAT_S)
        assert plc.register(BEAT) <= beats + 1
        assert field.wait_state("gate", lambda s: s.state == "held").holds == [
            "top: the camera is away"
        ]
        wait_for(lambda: not plc.gate[-1].state.is_open)
        top.sees = True
        wait_for(lambda: plc.gate[-1].state.is_open)


def test_lanes_that_are_back_before_the_far_side_is_do_not_keep_it_from_seeing_the_safe_state(
    tmp_path: Path, plc: PlcSimulator
) -> None:
    plc.set_mode(Mode.AWAY)
    with FieldChild(config(tmp_path, gate=gate_output(plc))) as field:
        field.lane("top")
        field.wait_state("gate", lambda s: s.holds == ["its far side is away"])
        plc.set_mode(Mode.NORMAL)
        wait_for(lambda: [write.value for write in writes(plc, SAFE)] == [1, 0])
        on, off = writes(plc, SAFE)
        assert off.boottime_ns - on.boottime_ns >= 240 * NS_PER_MS  # a PLC's slow cycle sees it
        field.wait_state("gate", lambda s: s.state == "connected")


def test_a_fault_that_came_and_went_while_the_far_side_was_away_is_shown_to_it_afterwards(
    tmp_path: Path, plc: PlcSimulator
) -> None:
    with FieldChild(config(tmp_path, gate=gate_output(plc))) as field:
        top = serving(field, plc)
        plc.set_mode(Mode.AWAY)
        field.wait_state("gate", lambda s: s.state == "away")
        top.sees = False
        field.wait_state("gate", lambda s: s.holds == ["top: the camera is away"])
        let_pass(3 * BEAT_S)  # the far side's thread has seen it, too
        top.sees = True
        field.wait_state("gate", lambda s: s.holds == ["its far side is away"])
        plc.set_mode(Mode.NORMAL)
        wait_for(lambda: [write.value for write in writes(plc, SAFE)] == [1, 0, 1, 0])
        on, off = writes(plc, SAFE)[2:]
        assert off.boottime_ns - on.boottime_ns >= 240 * NS_PER_MS


def test_a_drive_is_a_pulse_and_is_answered(tmp_path: Path, plc: PlcSimulator) -> None:
    with FieldChild(config(tmp_path, gate=gate_output(plc))) as field:
        top = serving(field, plc)
        (acted,) = top.acted(top.drive("gate"))
        assert (acted.actuation.action, acted.actuation.acknowledged) == ("pulse", True)
        wait_for(lambda: [w.value for w in writes(plc, COIL)][-2:] == [1, 0])
        on, off = writes(plc, COIL)[-2:]
        assert off.boottime_ns - on.boottime_ns >= 40 * NS_PER_MS
        (nothing,) = top.acted(top.drive("gate", verdict=Verdict(VerdictKind.PASS)))
        assert nothing.actuation.detail == "is not for pass"
        (unknown,) = top.acted(top.drive("gat"))
        assert unknown.actuation.detail == "no output of this lane now"
        field.wait_state("gate", lambda s: s.acknowledged >= 1)


def test_a_delayed_pulse_is_made_although_the_lane_has_died(
    tmp_path: Path, plc: PlcSimulator
) -> None:
    output = gate_output(plc, delay_ms=500)
    with FieldChild(config(tmp_path, gate=output)) as field:
        top = serving(field, plc)
        at_ns = SYSTEM_CLOCK.boottime_ns()
        top.drive("gate", at_ns=at_ns)
        let_pass(0.05)
        top.die()
        wait_for(lambda: any(write.value for write in writes(plc, COIL)))
        on = next(write for write in writes(plc, COIL) if write.value)
        assert 0 <= on.boottime_ns - at_ns - 500 * NS_PER_MS < 100 * NS_PER_MS
        wait_for(lambda: not plc.coil(COIL))


def test_a_lane_killed_in_mid_pulse_leaves_a_pulse_of_its_length(
    tmp_path: Path, plc: PlcSimulator
) -> None:
    with FieldChild(config(tmp_path, gate=gate_output(plc, pulse_ms=300))) as field:
        top = serving(field, plc)
        top.drive("gate")
        wait_for(lambda: plc.coil(COIL))
        top.die()
        wait_for(lambda: not plc.coil(COIL))
        on, off = writes(plc, COIL)[-2:]
        assert 300 <= (off.boottime_ns - on.boottime_ns) / NS_PER_MS < 400
        assert plc.coil(SAFE)


def test_two_lanes_share_an_output_and_it_is_released_only_when_both_serve(
    tmp_path: Path, plc: PlcSimulator
) -> None:
    lanes = {"top": lane("gate"), "side": lane("gate")}
    with FieldChild(config(tmp_path, lanes, gate=gate_output(plc))) as field:
        top = field.lane("top")
        let_pass(0.2)
        assert plc.coil(SAFE)
        side = field.lane("side")
        wait_for(lambda: not plc.coil(SAFE))
        assert top.acted(top.drive("gate"))[0].actuation.acknowledged
        assert side.acted(side.drive("gate"))[0].actuation.acknowledged
        side.die()
        wait_for(lambda: plc.coil(SAFE))
        beats = plc.register(BEAT)
        let_pass(4 * BEAT_S)
        assert plc.register(BEAT) <= beats + 1


def test_a_lane_that_cannot_judge_holds_and_frees_its_outputs(
    tmp_path: Path, plc: PlcSimulator
) -> None:
    outputs: dict[str, Output] = {
        "gate": gate_output(plc),
        "lamp": gate_output(plc, coil=20, safe_coil=21, heartbeat_register=None),
    }
    with FieldChild(config(tmp_path, None, **outputs)) as field:
        top = serving(field, plc)
        held = top.acted(top.order(lambda token: Hold(token, "three no_read running")))
        assert [a.actuation.action for a in held] == ["safe", "safe"]
        assert [a.last for a in held] == [False, True]
        assert all(a.actuation.acknowledged for a in held)
        assert plc.coil(SAFE)
        assert plc.coil(21)
        state = field.wait_state("gate", lambda s: s.state == "held")
        assert state.holds == ["top: three no_read running"]
        freed = top.acted(top.order(Free))
        assert {a.actuation.action for a in freed} == {"release"}
        assert not plc.coil(SAFE)
        assert not plc.coil(21)


def test_the_supervisor_is_gone_and_the_line_is_made_safe_before_the_process_ends(
    tmp_path: Path, plc: PlcSimulator
) -> None:
    output = gate_output(plc, on_stop="release")
    with FieldChild(config(tmp_path, gate=output)) as field:
        serving(field, plc)
        began_ns = SYSTEM_CLOCK.boottime_ns()
        assert field.supervisor_dies() != 0
        assert (SYSTEM_CLOCK.boottime_ns() - began_ns) / NS_PER_S < 5.0 + SLACK_S
    assert plc.coil(SAFE)


@pytest.mark.parametrize(("on_stop", "left"), [("safe", True), ("release", False)])
def test_an_orderly_stop_leaves_the_output_as_configured(
    tmp_path: Path, plc: PlcSimulator, on_stop: str, left: bool
) -> None:
    output = gate_output(plc, on_stop=on_stop)
    with FieldChild(config(tmp_path, gate=output)) as field:
        top = serving(field, plc)
        top.send(Bye())
        top.die()
        let_pass(DEAD_MAN_S)
        # Drained in order is no fault; but nobody judges, and so it is as on a stop already.
        state = field.wait_state("gate", lambda s: s.state == ("held" if left else "connected"))
        assert state.holds == (["no lane is left that judges"] if left else [])
        assert plc.coil(SAFE) is left
        assert field.stop() == 0
        assert field.peer.of(Done)
    assert plc.coil(SAFE) is left


def test_a_replay_that_is_over_holds_nothing_of_what_another_lane_judges(
    tmp_path: Path, plc: PlcSimulator
) -> None:
    lanes = {"top": lane("gate"), "replay": lane("gate")}
    with FieldChild(config(tmp_path, lanes, gate=gate_output(plc))) as field:
        field.lane("top")
        replay = serving(field, plc, "replay")
        replay.send(Bye())
        replay.die()
        field.peer.send(LaneIs("replay", "over"))
        beats = plc.register(BEAT)
        wait_for(lambda: plc.register(BEAT) > beats + 2)
        assert [write.value for write in writes(plc, SAFE)] == [1, 0]


def test_signals_that_a_service_manager_sends_to_all_do_not_end_it(
    tmp_path: Path, plc: PlcSimulator
) -> None:
    with FieldChild(config(tmp_path, gate=gate_output(plc))) as field:
        serving(field, plc)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGABRT):
            os.kill(field.process.pid, number)
        let_pass(0.2)
        assert field.process.poll() is None
        assert field.stop() == 0


def test_a_field_process_that_is_killed_has_a_successor_that_starts_safe_and_takes_the_lane_on(
    tmp_path: Path, plc: PlcSimulator
) -> None:
    first = FieldChild(config(tmp_path, gate=gate_output(plc))).wait_ready()
    serving(first, plc)
    killed_ns = SYSTEM_CLOCK.boottime_ns()
    first.kill()
    with FieldChild(first.config, first.listener) as second:
        safe_ns = wait_for(lambda: plc.coil(SAFE))
        assert (safe_ns - killed_ns) / NS_PER_S < 2.0
        lane_end = LaneEnd(second.path, "top", "its-token")  # before the supervisor told of it
        lane_end.begin()
        second.lanes.append(lane_end)
        second.peer.send(Admit("top", "its-token"))
        second.peer.send(LaneIs("top", "serving"))
        wait_for(lambda: not plc.coil(SAFE))
        assert lane_end.acted(lane_end.drive("gate"))[0].actuation.acknowledged


def test_a_successor_waits_until_the_one_before_has_made_the_line_safe(
    tmp_path: Path, plc: PlcSimulator
) -> None:
    output = gate_output(plc, delay_ms=1500, on_stop="release")
    first = FieldChild(config(tmp_path, gate=output)).wait_ready()
    top = serving(first, plc)
    top.drive("gate")
    let_pass(0.05)
    first.peer.hang_up()  # it has a pulse to make before it ends
    with FieldChild(first.config, first.listener) as second:
        assert first.process.poll() is not None
        assert any(write.value for write in writes(plc, COIL))
        assert first.ended() != 0
        assert second.process.poll() is None


def test_a_stranger_without_the_lanes_token_is_turned_away(
    tmp_path: Path, plc: PlcSimulator
) -> None:
    with FieldChild(config(tmp_path, gate=gate_output(plc))) as field:
        field.peer.send(Admit("top", "secret"))
        stranger = LaneEnd(field.path, "top", "guessed")
        field.lanes.append(stranger)
        stranger.begin()
        field.peer.send(LaneIs("top", "serving"))
        assert stranger.closed.wait(10)
        assert plc.coil(SAFE)


def test_a_plc_that_is_away_is_told_and_is_made_safe_when_it_comes(
    tmp_path: Path, plc: PlcSimulator
) -> None:
    plc.set_mode(Mode.AWAY)
    with FieldChild(config(tmp_path, gate=gate_output(plc))) as field:
        top = field.lane("top")
        state = field.wait_state("gate", lambda s: s.state == "away")
        assert state.detail == f"modbus://127.0.0.1:{plc.port}: connection refused"
        (acted,) = top.acted(top.drive("gate"))
        assert not acted.actuation.acknowledged
        top.wait_for(lambda: any(s.unacknowledged_running for s in top.of(OutputState)))
        top.hang()
        let_pass(DEAD_MAN_S)
        plc.set_mode(Mode.NORMAL)
        wait_for(lambda: plc.coil(SAFE))
        assert not any(write.value for write in writes(plc, COIL))
        top.begin()
        wait_for(lambda: not plc.coil(SAFE))
        assert top.acted(top.drive("gate"))[0].actuation.acknowledged
        assert field.wait_state("gate", lambda s: s.acknowledged >= 1).unacknowledged_running == 0


def test_a_bypass_releases_whatever_the_lanes_say_and_ends_by_itself(
    tmp_path: Path, plc: PlcSimulator
) -> None:
    with FieldChild(config(tmp_path, gate=gate_output(plc))) as field:
        top = serving(field, plc)
        top.sees = False
        wait_for(lambda: plc.coil(SAFE))
        reply = field.ask("bypass", output="gate", seconds=1.0, why="changing the lens")
        assert reply.error == ""
        assert reply.value["state"] == "bypassed"
        wait_for(lambda: not plc.coil(SAFE))
        wait_for(lambda: plc.register(BYPASS) == 1)
        wait_for(lambda: plc.gate[-1].state.is_open)
        assert plc.gate[-1].state.is_bypassed
        (acted,) = top.acted(top.drive("gate"))
        assert (acted.actuation.action, acted.actuation.acknowledged) == ("bypass", False)
        assert acted.actuation.detail == "bypassed: changing the lens"
        wait_for(lambda: plc.coil(SAFE))
        wait_for(lambda: plc.register(BYPASS) == 0)
        field.peer.wait_for(lambda: len(field.peer.of(NewEvent)) == 2)
        texts = [message.event.text for message in field.peer.of(NewEvent)]
        assert texts == [
            "output gate bypassed for 0.0166667 min: changing the lens",
            "output gate in use again: the time of the bypass is over",
        ]
        assert field.wait_state("gate", lambda s: s.state == "held").unacknowledged == 0


def test_a_bypass_can_be_ended_and_a_wrong_one_is_refused(
    tmp_path: Path, plc: PlcSimulator
) -> None:
    with FieldChild(config(tmp_path, gate=gate_output(plc))) as field:
        wait_for(lambda: plc.coil(SAFE))
        assert field.ask("bypass", output="gate", seconds=60, why="test").error == ""
        wait_for(lambda: not plc.coil(SAFE))
        assert field.ask("unbypass", output="gate").value["state"] == "held"
        wait_for(lambda: plc.coil(SAFE))
        assert "say why" in field.ask("bypass", output="gate", seconds=60, why=" ").error
        assert "a day" in field.ask("bypass", output="gate", seconds=1e6, why="x").error
        assert "known: gate" in field.ask("bypass", output="gat", seconds=60, why="x").error
        assert [state["output"] for state in field.ask("outputs").value] == ["gate"]
        assert field.ask("nonsense").error != ""


def test_edges_of_a_coil_are_triggers_of_their_lane_with_their_time(
    tmp_path: Path, plc: PlcSimulator
) -> None:
    trigger = ModbusTrigger(host="127.0.0.1", port=plc.port, coil=30, poll_ms=5, part_register=200)
    lanes = {"top": lane("gate", trigger=trigger)}
    plc.set_coil(30, value=True)  # it stands before anybody looks: no trigger
    with FieldChild(config(tmp_path, lanes, gate=gate_output(plc))) as field:
        top = serving(field, plc)
        for number in (1, 2, 3):
            plc.set_coil(30, value=False)
            let_pass(0.05)
            plc.set_register(200, 700 + number)
            at_ns = SYSTEM_CLOCK.boottime_ns()
            plc.set_coil(30, value=True)
            top.wait_for(lambda: len(top.of(Triggered)) == number)  # noqa: B023 - waited for here
            told = top.of(Triggered)[-1].trigger
            assert (told.id, told.part_name) == (number, str(700 + number))
            assert told.origin == f"modbus://127.0.0.1:{plc.port} coil 30"
            assert abs(told.at.boottime_ns - at_ns) < 100 * NS_PER_MS
        field.peer.wait_for(lambda: field.counters().get("trigger.top.seen") == 3)


def test_a_trigger_that_no_lane_takes_is_counted(tmp_path: Path, plc: PlcSimulator) -> None:
    trigger = ModbusTrigger(host="127.0.0.1", port=plc.port, counter=40, poll_ms=5)
    with FieldChild(config(tmp_path, {"top": lane(trigger=trigger)})) as field:
        let_pass(0.3)
        plc.add(40, 2)
        field.peer.wait_for(lambda: field.counters().get("trigger.top.undelivered") == 2)
        top = field.lane("top")
        let_pass(0.1)
        plc.add(40, 3)
        top.wait_for(lambda: len(top.of(Triggered)) == 3)
        plc.set_mode(Mode.AWAY)
        plc.add(40, 5)
        let_pass(0.1)
        plc.set_mode(Mode.NORMAL)
        field.peer.wait_for(lambda: field.counters().get("trigger.top.missed") == 5)
        assert len(top.of(Triggered)) == 3


def test_triggers_that_a_lane_was_sent_and_never_took_are_told_when_it_is_gone(
    tmp_path: Path, plc: PlcSimulator
) -> None:
    trigger = ModbusTrigger(host="127.0.0.1", port=plc.port, counter=40, poll_ms=5)
    with FieldChild(config(tmp_path, {"top": lane(trigger=trigger)})) as field:
        top = field.lane("top")
        let_pass(0.1)
        plc.add(40, 2)
        top.wait_for(lambda: len(top.of(Triggered)) == 2)
        top.taken = 2
        let_pass(0.3)  # it says so with its next word
        top.hang()
        plc.add(40, 3)
        top.wait_for(lambda: len(top.of(Triggered)) == 5)
        top.die()
        field.peer.wait_for(lambda: bool(field.peer.of(NewTombstone)))
        (told,) = field.peer.of(NewTombstone)
        assert (told.tombstone.lane, told.tombstone.count) == ("top", 3)
        assert told.tombstone.reason is TombstoneReason.CAPTURE_GAP
        field.peer.wait_for(lambda: field.counters().get("trigger.top.undelivered") == 3)


def test_a_changed_output_is_made_anew_alone_and_safe_meanwhile(
    tmp_path: Path, plc: PlcSimulator
) -> None:
    with PlcSimulator("127.0.0.1", 0, clock=SYSTEM_CLOCK) as other:
        outputs: dict[str, Output] = {"gate": gate_output(plc), "lamp": gate_output(other)}
        with FieldChild(config(tmp_path, None, **outputs)) as field:
            top = serving(field, plc)
            wait_for(lambda: [write.value for write in writes(other, SAFE)] == [1, 0])
            before, beats = len(plc.writes), len(writes(plc, SAFE))
            changed = config(
                tmp_path, None, **(outputs | {"lamp": gate_output(other, pulse_ms=77)})
            )
            reply = field.ask("reconfigure", config=msgspec.to_builtins(changed))
            assert (reply.error, reply.value) == ("", {"restarted": ["lamp"]})
            wait_for(lambda: len(writes(other, SAFE)) > 3 and not other.coil(SAFE))
            assert [write.value for write in writes(other, SAFE)][:3] == [1, 0, 1]
            assert len(writes(plc, SAFE)) == beats
            wait_for(lambda: len(plc.writes) > before)  # its heartbeat goes on
            assert top.acted(top.drive("lamp"))[0].actuation.acknowledged


def test_a_lane_without_guard_holds_nothing_and_no_heartbeat_waits_for_it(
    tmp_path: Path, plc: PlcSimulator
) -> None:
    lanes = {"top": lane("gate", rules=Rules(on_fault="none"))}
    with FieldChild(config(tmp_path, lanes, gate=gate_output(plc))):
        wait_for(lambda: writes(plc, SAFE) != [] and not plc.coil(SAFE))
        wait_for(lambda: plc.register(BEAT) >= 2)


def test_heartbeats_tell_of_loops_that_turn(tmp_path: Path, plc: PlcSimulator) -> None:
    with FieldChild(config(tmp_path, gate=gate_output(plc))) as field:
        field.peer.wait_for(lambda: len(field.peer.of(Heartbeat)) >= 3)
        beat = field.peer.of(Heartbeat)[-1]
        assert set(beat.loops) == {"look", f"far-modbus://127.0.0.1:{plc.port}"}
        assert max(beat.loops.values()) < 1.0
