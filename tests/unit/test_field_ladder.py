from __future__ import annotations

from edge_runtime.field.ladder import GateState, GateTable, Ladder

S = 1_000_000_000
TABLE = GateTable(safe_coil=1, register=2, heartbeat_s=1.0, reject_coil=0, bypass_register=3)


class Plc:
    def __init__(self) -> None:
        self.coils = [False] * 4
        self.registers = [0] * 4
        self.ladder = Ladder(TABLE)

    def scan(self, now_s: float) -> GateState:
        return self.ladder.scan(self.coils, self.registers, int(now_s * S))


def beating(plc: Plc) -> Plc:
    plc.scan(0.0)
    plc.registers[2] = 1
    assert plc.scan(1.0).is_open
    return plc


def test_a_plc_that_was_just_switched_on_keeps_the_gate_closed_until_the_register_counts() -> None:
    plc = Plc()
    plc.registers[2] = 77
    assert plc.scan(0.0) == GateState(is_open=False, ejects=True, why="the heartbeat stands")
    assert not plc.scan(2.9).is_open
    plc.registers[2] = 78
    assert plc.scan(3.5) == GateState(is_open=True, ejects=False, why="")


def test_a_register_that_stands_for_three_heartbeats_closes_the_gate() -> None:
    plc = beating(Plc())
    assert plc.scan(3.99).is_open
    closed = plc.scan(4.0)
    assert (closed.is_open, closed.ejects, closed.why) == (False, True, "the heartbeat stands")
    plc.registers[2] = 2
    assert plc.scan(9.0).is_open


def test_the_safe_coil_closes_the_gate_at_once() -> None:
    plc = beating(Plc())
    plc.coils[1] = True
    assert plc.scan(1.1).why == "the safe coil is on"
    plc.coils[1] = False
    assert plc.scan(1.2).is_open


def test_the_reject_coil_ejects_and_leaves_the_gate_open() -> None:
    plc = beating(Plc())
    plc.coils[0] = True
    assert plc.scan(1.1) == GateState(is_open=True, ejects=True, why="")


def test_a_bypass_lights_the_lamp() -> None:
    plc = beating(Plc())
    plc.registers[3] = 1
    assert plc.scan(1.1).is_bypassed
