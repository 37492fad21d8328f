"""How fast a camera's clock runs, by when its pictures arrive.  Pure.

A picture that waited says nothing of it, so that of each half second the one that took the shortest
way is kept.  The rate is a median over pairs of those: a pause changes few of them, a clock that is
wrong changes all.
"""

from __future__ import annotations

from statistics import median
from typing import Final, NamedTuple

from edge_runtime.clock import NS_PER_S

_BIN_NS: Final = NS_PER_S // 2
_KEPT: Final = 24
_APART: Final = 6
"""Fine: pairs that are so far apart."""
_RECENT: Final = 6
"""A slow clock: so many pairs of neighbours, where all say the same, are believed at once."""
_RECENT_FAST: Final = 20
"""The same for a fast one, which does no harm before: a camera may catch up for some seconds."""
_LEAP: Final = 0.02
_AGREE: Final = 3.0
_FINE: Final = 0.005
_SPREAD: Final = 0.01
_SLOWEST: Final = 10.0
_FASTEST: Final = 0.1
"""A clock that is wrong by more is none."""


class Tie(NamedTuple):
    """A time of the stream and when it arrived, both ns."""

    at_ns: int
    arrived_ns: int


class Rate:
    """Of one opening.  Owned by `ages.StreamTime`."""

    def __init__(self) -> None:
        """Nothing is known."""
        self.scale: float | None = 1.0
        """So much of our time passes in one of the stream's; None: its times do not go on."""
        self.is_leap = False
        """Whether `scale` is another altogether, and not a better value of the same."""
        self.is_known = False
        self.ties: list[Tie] = []
        """Of the last seconds, those with the shortest way; the last one is still open."""

    def forget(self) -> None:
        """What was before goes with no other time."""
        self.ties, self.is_known = [], False

    def add(self, tie: Tie, scale: float) -> bool:
        """`scale`: that is used now.  True when `scale`, `is_leap` here are to be used instead."""
        ties = self.ties
        if ties and tie.arrived_ns // _BIN_NS == ties[-1].arrived_ns // _BIN_NS:
            if _is_shorter(tie, ties[-1], scale):
                ties[-1] = tie
            return False
        is_new = self._weigh(scale)
        self.ties = [*self.ties, tie][-_KEPT - 1 :]
        return is_new

    def _weigh(self, scale: float) -> bool:
        """All that are kept are closed."""
        closed = self.ties
        for pairs in (_RECENT, _RECENT_FAST):
            recent = _off(closed[-pairs - 1 :], 1, scale)
            is_fast = pairs == _RECENT_FAST
            if len(recent) == pairs and _all_say(recent, is_fast=is_fast):
                self._leap(scale * (1 + median(recent)), closed[-pairs - 1 :])
                return True
        if len(closed) < _KEPT:
            return False
        off = sorted(_off(closed, _APART, scale))
        off_by = median(off)
        self.is_known = off[-len(off) // 4] - off[len(off) // 4] < _SPREAD
        if not self.is_known or self.scale is None:
            return False
        if abs(off_by) > _FINE:
            self._leap(scale * (1 + off_by), closed)
        else:
            self.scale, self.is_leap = scale * (1 + off_by), False
        return True

    def _leap(self, scale: float, ties: list[Tie]) -> None:
        self.scale = scale if _FASTEST < scale < _SLOWEST else None
        self.is_leap, self.ties, self.is_known = True, ties, False


def _is_shorter(one: Tie, other: Tie, scale: float) -> bool:
    return one.arrived_ns - other.arrived_ns < (one.at_ns - other.at_ns) * scale


def _off(ties: list[Tie], apart: int, scale: float) -> list[float]:
    """By how much the scale is wrong, by each pair: 0.01: our clock passes 1 % more."""
    pairs = zip(ties, ties[apart:], strict=False)
    return [
        (late.arrived_ns - early.arrived_ns) / max(1.0, (late.at_ns - early.at_ns) * scale) - 1
        for early, late in pairs
    ]


def _all_say(off: list[float], *, is_fast: bool) -> bool:
    """That it is wrong to that side by about as much."""
    least, most = min(off), max(off)
    if is_fast:
        return most < -_LEAP and least > _AGREE * most
    return least > _LEAP and (most < _AGREE * least or least > _SLOWEST)
