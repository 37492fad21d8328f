"""A collector that takes back what it acknowledged."""

from __future__ import annotations

from edge_runtime.clock import NS_PER_S
from edge_runtime.sync.rewinds import STEADY_AFTER_S, Rewinds


def test_a_restored_backup_costs_no_wait_and_is_no_fault() -> None:
    rewinds = Rewinds(1.0, 300.0)
    assert rewinds.note(0) == 0
    assert rewinds.is_steady(0)
    assert rewinds.reason(0) == ""


def test_one_after_the_other_is_waited_for_longer_and_longer_and_named() -> None:
    rewinds = Rewinds(1.0, 60.0)
    for instance in ("aaaaaaaaaa", "bbbbbbbbbb", "aaaaaaaaaa"):
        rewinds.met(instance)
    waits = [rewinds.note(second * NS_PER_S) for second in range(10)]
    assert waits == [0, 2, 4, 8, 16, 32, 60, 60, 60, 60]
    reason = rewinds.reason(10 * NS_PER_S)
    assert "10 times" in reason
    assert "aaaaaaaa, bbbbbbbb" in reason


def test_after_a_quiet_while_it_is_steady_again() -> None:
    rewinds = Rewinds(1.0, 60.0)
    for second in range(5):
        rewinds.note(second * NS_PER_S)
    later = int((STEADY_AFTER_S + 10) * NS_PER_S)
    assert rewinds.is_steady(later)
    assert rewinds.note(later) == 0
