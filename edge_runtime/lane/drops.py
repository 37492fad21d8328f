"""What the first queue dropped, told as bursts: first, last, how many.  Pure; one lock's owner.

A burst is over when nothing was dropped for `QUIET_S`; an endless one is told every `LONGEST_S`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.clock import NS_PER_S

if TYPE_CHECKING:
    from edge_runtime.types import Stamp

QUIET_S = 1.0
LONGEST_S = 60.0


@dataclass(frozen=True, slots=True)
class Burst:
    """Things that were dropped one after another."""

    first: Stamp
    last: Stamp
    count: int


class Drops:
    """Not locked: its owner is."""

    def __init__(self) -> None:
        """Nothing was dropped."""
        self._burst: Burst | None = None

    def add(self, stamp: Stamp, count: int = 1) -> None:
        """So many were dropped; the stamp is theirs."""
        there = self._burst
        if there is None:
            self._burst = Burst(stamp, stamp, count)
        else:
            self._burst = Burst(there.first, stamp, there.count + count)

    def take(self, now_ns: int, *, at_once: bool = False) -> Burst | None:
        """A burst that is over."""
        there = self._burst
        if there is None:
            return None
        quiet_ns = now_ns - there.last.boottime_ns
        long_ns = now_ns - there.first.boottime_ns
        if not at_once and quiet_ns < QUIET_S * NS_PER_S and long_ns < LONGEST_S * NS_PER_S:
            return None
        self._burst = None
        return there
