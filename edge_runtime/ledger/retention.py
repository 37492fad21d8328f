"""What to let go of when room is short.  Pure: items, usage and budget in, a choice out.

Order: media that the collector has, the oldest first; then, only when that is not enough, media
that it has not, the least valuable first, the oldest first among equals.  Results are not in the
list: one that is not synced is never evicted, and one that is goes by age.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.intervals import IntervalSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SLACK = 0.05
"""Once something has to go, this share of the budget goes with it, so that not every new file
evicts an old one and leaves a tombstone."""


@dataclass(frozen=True, slots=True)
class MediaItem:
    """One media file that is on the disk."""

    sha256: str
    mime: str
    size_bytes: int
    stored: bool
    """The collector has it."""
    value: int
    seq: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What is used, and what may be."""

    media_bytes: int
    media_budget_bytes: int
    free_bytes: int
    min_free_bytes: int

    @property
    def excess_bytes(self) -> int:
        """How much has to go; 0 while all is well."""
        over_budget = self.media_bytes - self.media_budget_bytes
        if over_budget > 0:
            over_budget += int(self.media_budget_bytes * SLACK)
        return max(0, over_budget, self.min_free_bytes - self.free_bytes)


def choose_media(items: Iterable[MediaItem], usage: Usage) -> list[MediaItem]:
    """The fewest items, in the order above, that make up for the excess."""
    left = usage.excess_bytes
    chosen = []
    for item in sorted(items, key=lambda i: (not i.stored, 0 if i.stored else i.value, i.seq)):
        if left <= 0:
            break
        chosen.append(item)
        left -= item.size_bytes
    return chosen


def expired_marks(
    marks: Sequence[tuple[int, int]], age_s: int, keep_s: float
) -> list[tuple[int, int]]:
    """Of `marks`, those that are older than `keep_s`: what they name is past its age.

    `marks`: (age of the ledger in seconds, last seq at that age), ascending.  Of those returned,
    only the last one says anything that the others do not.
    """
    return [mark for mark in marks if age_s - mark[0] >= keep_s]


def deletable(acked: IntervalSet, through: int, from_seq: int) -> IntervalSet:
    """Of ``from_seq..through``, what the collector has."""
    within = [(max(a, from_seq), min(b, through)) for a, b in acked.ranges]
    return IntervalSet.of((a, b) for a, b in within if a <= b)
