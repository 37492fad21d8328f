from __future__ import annotations

from edge_runtime.field.pulses import Coils

MS = 1_000_000


def coils(*, safe_coil: int = 12, pulse_ms: int = 80) -> Coils:
    return Coils(coil=12, safe_coil=safe_coil, pulse_ns=pulse_ms * MS)


def test_a_pulse_is_wanted_on_for_its_time_and_then_off() -> None:
    plan = coils()
    plan.pulse(1000 * MS)
    assert plan.wanted(1000 * MS) == {12: True}
    assert plan.wanted(1080 * MS - 1) == {12: True}
    assert plan.wanted(1080 * MS) == {12: False}


def test_overlapping_pulses_are_one_until_the_last_ones_end() -> None:
    plan = coils()
    assert not plan.pulse(1000 * MS)
    assert plan.pulse(1050 * MS)  # told as merged
    assert plan.pulse_left_ns(1100 * MS) == 30 * MS
    assert plan.wanted(1130 * MS) == {12: False}


def test_a_fault_holds_the_coil_through_and_behind_a_pulse() -> None:
    plan = coils()
    plan.pulse(0)
    plan.faulted = True
    assert plan.wanted(500 * MS) == {12: True}
    plan.faulted = False
    assert plan.wanted(500 * MS) == {12: False}


def test_a_safe_coil_of_its_own_leaves_the_pulsed_one_alone() -> None:
    plan = coils(safe_coil=13)
    plan.faulted = True
    assert plan.wanted(0) == {12: False, 13: True}


def test_everything_is_due_until_it_is_confirmed_and_again_after_the_connection_went() -> None:
    plan = coils(safe_coil=13)
    assert plan.due(0) == [(12, False), (13, False)]
    plan.confirm(12, value=False)
    assert plan.due(0) == [(13, False)]
    plan.confirm(13, value=False)
    assert plan.due(0) == []
    plan.forget()
    assert plan.due(0) == [(12, False), (13, False)]


def test_what_goes_on_is_written_before_what_goes_off() -> None:
    plan = coils(safe_coil=13)
    plan.faulted = True
    assert plan.due(0) == [(13, True), (12, False)]


def test_ended_pulses_are_off_at_once() -> None:
    plan = coils()
    plan.pulse(0)
    plan.end_pulses()
    assert plan.pulse_left_ns(1) == 0


def test_a_coil_that_is_being_written_is_not_known_until_it_is_confirmed() -> None:
    plan = coils()
    plan.confirm(12, value=False)
    plan.writing(12)
    assert plan.due(0) == [(12, False)]
    plan.confirm(12, value=False)
    assert plan.due(0) == []
