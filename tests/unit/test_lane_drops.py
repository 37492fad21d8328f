from __future__ import annotations

from edge_runtime.clock import NS_PER_S
from edge_runtime.lane.drops import LONGEST_S, QUIET_S, Burst, Drops
from edge_runtime.types import Stamp


def at(seconds: float) -> Stamp:
    ns = int(seconds * NS_PER_S)
    return Stamp(ns, ns, "boot")


def test_a_burst_is_told_once_it_is_over_with_first_last_and_count() -> None:
    drops = Drops()
    for seconds in (1.0, 1.1, 1.5):
        drops.add(at(seconds))
    assert drops.take(at(1.6).boottime_ns) is None
    assert drops.take(at(1.5 + QUIET_S).boottime_ns) == Burst(at(1.0), at(1.5), 3)
    assert drops.take(at(9.0).boottime_ns) is None


def test_a_burst_that_never_ends_is_told_all_the_same() -> None:
    drops = Drops()
    told = []
    for tick in range(int(LONGEST_S * 2 * 10)):
        drops.add(at(tick / 10))
        if burst := drops.take(at(tick / 10).boottime_ns):
            told.append(burst)
    if last := drops.take(0, at_once=True):
        told.append(last)
    assert sum(burst.count for burst in told) == LONGEST_S * 2 * 10
    assert 2 <= len(told) <= 3
