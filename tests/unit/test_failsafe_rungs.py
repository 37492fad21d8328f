"""The rungs of the proof's gate: a judge must not be softer than the line it stands for."""

from __future__ import annotations

from edge_runtime.clock import NS_PER_MS, NS_PER_S
from tools.proofs.failsafe_line import (
    BEAT_REGISTER,
    REJECT_COIL,
    SAFE_COIL,
    Line,
    Written,
    is_in,
    passed,
    united,
)

LINE = Line()
WAY = LINE.way_ns
S = NS_PER_S


def beating(until_s: float, since_s: float = 0.0) -> list[tuple[int, str, int, int]]:
    """A heartbeat every half second."""
    first, last = round(since_s * 2), round(until_s * 2)
    return [(at * S // 2, "register", BEAT_REGISTER, at + 1) for at in range(first, last)]


def through(writes: list[tuple[int, str, int, int]], at_s: float, **more: object) -> bool:
    """Whether a part triggered at `at_s` passes."""
    written = Written(writes=sorted(writes), parts={1: round(at_s * S)})
    for key, value in more.items():
        setattr(written, key, value)
    return passed(written, LINE, 0) == {1}


def test_a_part_passes_while_the_heart_beats_and_nothing_is_on() -> None:
    assert through(beating(60), 20)
    assert not through([], 20)


def test_a_heart_that_stands_for_three_beats_closes_the_gate_until_the_way_is_empty() -> None:
    writes = beating(20) + beating(60, since_s=23)
    last_s = 19.5
    assert through(writes, last_s + 1.4 - LINE.way_s)
    assert not through(writes, last_s + 1.6 - LINE.way_s)
    assert not through(writes, 22.9)
    assert through(writes, 23.1)
    assert through(beating(20) + beating(60, since_s=20.9), 20.5), "two beats are not three"


def test_the_safe_coil_closes_at_once_and_opens_when_the_way_is_empty() -> None:
    writes = [*beating(60), (20 * S, "coil", SAFE_COIL, 1), (22 * S, "coil", SAFE_COIL, 0)]
    assert through(writes, 20 - LINE.way_s - 0.1)
    assert not through(writes, 20 - LINE.way_s + 0.1)
    assert not through(writes, 21.9)
    assert through(writes, 22.1)


def test_a_pulse_in_time_rejects_its_own_part_and_no_neighbour() -> None:
    on = 20 * S + LINE.field_delay_ms * NS_PER_MS
    pulse = [(on, "coil", REJECT_COIL, 1), (on + LINE.pulse_ms * NS_PER_MS, "coil", REJECT_COIL, 0)]
    writes = beating(60) + pulse
    assert not through(writes, 20)
    assert through(writes, 20 - LINE.every_ms / 1000)
    assert through(writes, 20 + LINE.every_ms / 1000)


def test_a_plc_that_does_not_run_is_a_closed_gate_and_has_forgotten_its_coils() -> None:
    writes = [*beating(60), (10 * S, "coil", SAFE_COIL, 1)]
    assert not through(writes, 30)
    assert through(writes, 30, dead=[(15 * S, 20 * S)], lost_memory=[15 * S])
    assert not through(writes, 19, dead=[(15 * S, 20 * S)], lost_memory=[15 * S])


def test_spans_are_united_and_looked_up() -> None:
    spans = united([(5, 7), (1, 3), (2, 4)])
    assert spans == [(1, 4), (5, 7)]
    assert [at for at in range(9) if is_in(spans, at)] == [1, 2, 3, 5, 6]
