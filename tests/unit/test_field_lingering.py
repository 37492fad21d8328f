from __future__ import annotations

from edge_runtime.clock import NS_PER_MS
from edge_runtime.config import ModbusOutput
from edge_runtime.field.lingering import AWAY, ON_THE_WAY, SHOWN_NS, Lingering, is_shown

GATE = ModbusOutput(host="plc", coil=1, delay_ms=900, pulse_ms=100)


def ms(value: int) -> int:
    return value * NS_PER_MS


def test_the_safe_state_outlasts_its_reason_by_the_way_to_the_gate() -> None:
    lingers = Lingering()
    assert lingers.after("gate", GATE, ms(0), is_away=False) == []
    lingers.held("gate", ms(10))
    assert lingers.after("gate", GATE, ms(1009), is_away=False) == [ON_THE_WAY]
    assert lingers.after("gate", GATE, ms(1010), is_away=False) == []


def test_pulses_that_were_lost_while_the_far_side_was_away_are_made_good_by_holding() -> None:
    lingers = Lingering()
    assert lingers.after("gate", GATE, ms(500), is_away=True) == [AWAY]
    assert lingers.after("gate", GATE, ms(1499), is_away=False) == [ON_THE_WAY]
    assert lingers.after("gate", GATE, ms(1500), is_away=False) == []


def test_an_output_that_does_not_know_the_way_lets_go_at_once() -> None:
    lingers = Lingering()
    lingers.held("gate", ms(10))
    assert lingers.after("gate", ModbusOutput(host="plc", coil=1), ms(11), is_away=True) == []


def test_a_safe_state_is_shown_once_it_has_stood_for_a_slow_cycle_of_the_far_side() -> None:
    assert not is_shown(None, ms(10_000))
    assert not is_shown(ms(100), ms(100) + SHOWN_NS - 1)
    assert is_shown(ms(100), ms(100) + SHOWN_NS)
    assert is_shown(0, ms(10_000))  # an output that owes none
