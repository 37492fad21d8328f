"""What to let go of when room is short.  Pure: items, usage and budget in, a choice out.

Order: media that the collector has, the oldest first; then, only when that is not enough, media
that it has not, the least valuable first, the oldest first among equals.  Results are not in the
list: one that is not synced is never evicted, and one that is goes by age.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


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


@dataclass(frozen=True, slots=True)
class Usage:
    """What is used, and what may be."""

    media_bytes: int
    media_budget_bytes: int
    free_bytes: int
    min_free_bytes: int

    @property
    def excess_bytes(self) -> int:
        """How much has to go."""
        over_budget = self.media_bytes - self.media_budget_bytes
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
