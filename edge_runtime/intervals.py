"""Sets of whole numbers as closed ranges: which `seq` are acknowledged.  Pure and immutable."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True, slots=True)
class IntervalSet:
    """Ascending, disjoint, never adjacent closed ranges ``(first, last)``."""

    ranges: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, ranges: Iterable[tuple[int, int]]) -> IntervalSet:
        """From ranges in any order, overlapping or not.  Raises ValueError for first > last."""
        merged: list[tuple[int, int]] = []
        for first, last in sorted(ranges):
            if first > last:
                raise ValueError(f"a range from {first} to {last} is empty")
            if merged and first <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
            else:
                merged.append((first, last))
        return cls(tuple(merged))

    def union(self, other: IntervalSet) -> IntervalSet:
        """Everything in either."""
        return IntervalSet.of((*self.ranges, *other.ranges)) if other.ranges else self

    def add(self, first: int, last: int) -> IntervalSet:
        """This and ``first..last``."""
        return IntervalSet.of((*self.ranges, (first, last)))

    def without(self, first: int, last: int) -> IntervalSet:
        """This less ``first..last``; nothing less when that is empty."""
        if first > last:
            return self
        kept = []
        for a, b in self.ranges:
            kept += [(a, min(b, first - 1))] if a < first else []
            kept += [(max(a, last + 1), b)] if b > last else []
        return IntervalSet(tuple(kept))

    def missing(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Ranges of ``first..last`` that are not in this."""
        at = first
        for a, b in self.ranges[max(0, self._index(first)) :]:
            if a > last:
                break
            if a > at:
                yield (at, a - 1)
            at = max(at, b + 1)
        if at <= last:
            yield (at, last)

    def head(self, start: int = 1) -> int:
        """The end of the range that begins at or before `start`; ``start - 1`` without one."""
        index = self._index(start)
        return self.ranges[index][1] if start in self else start - 1

    def count(self) -> int:
        """How many numbers are in it."""
        return sum(last - first + 1 for first, last in self.ranges)

    def __contains__(self, number: int) -> bool:
        index = self._index(number)
        return index >= 0 and number <= self.ranges[index][1]

    def _index(self, number: int) -> int:
        """Of the last range that begins at or before `number`; -1 without one."""
        return bisect_right(self.ranges, number, key=lambda item: item[0]) - 1
