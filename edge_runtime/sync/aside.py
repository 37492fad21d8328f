"""Entries that were not taken, set aside so that the others go on.  Pure: time comes in as numbers.

A refusal is a verdict on an entry only when it is the collector's own, and was given twice, and the
collector took other entries in between.  Anything else passes: it is tried again, for ever, at
growing intervals.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edge_runtime.clock import NS_PER_S
from edge_runtime.intervals import IntervalSet

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_ASIDE = 2000
"""More than this and it is not the entries."""
_END = 1 << 62


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an entry was not taken, as often as it was tried."""

    code: str
    detail: str
    own: bool
    """The answer was proved to be the collector's."""
    alone: bool
    """A whole request was refused because of it: it is tried by itself."""
    attempts: int
    due_ns: int
    neighbours: bool = False
    """Others were taken since."""


class Aside:
    """Owned by the uploader's thread; forgotten with the process, which costs one more try."""

    def __init__(self, min_s: float, max_s: float) -> None:
        """Waiting times grow from `min_s` to `max_s`."""
        self._min_s = min_s
        self._max_s = max_s
        self._items: dict[int, Refusal] = {}

    def __len__(self) -> int:
        return len(self._items)

    @property
    def reason(self) -> str:
        """Of the oldest."""
        return self._items[min(self._items)].detail if self._items else ""

    def seqs(self) -> IntervalSet:
        """What is not to be sent with the others."""
        return IntervalSet.of((seq, seq) for seq in sorted(self._items))

    def put(self, seq: int, code: str, detail: str, *, own: bool, alone: bool, now_ns: int) -> bool:
        """Not taken, once more; True when that is a verdict, and it is aside no longer."""
        before = self._items.get(seq)
        if before is not None and before.own and own and before.neighbours:
            del self._items[seq]
            return True
        attempts = 1 if before is None else before.attempts + 1
        wait_s = min(self._max_s, self._min_s * 2.0 ** min(attempts, 60))
        self._items[seq] = Refusal(
            code, detail, own, alone, attempts, now_ns + int(wait_s * NS_PER_S)
        )
        return False

    def taken(self, seqs: IntervalSet) -> None:
        """The collector has these: they are no longer aside, and the others have neighbours.

        Where one was taken that something else than the collector had refused, that something let
        go: all such are due.
        """
        back = [seq for seq in self._items if seq in seqs]
        let_go = any(not self._items[seq].own for seq in back)
        for seq in back:
            del self._items[seq]
        for seq, item in self._items.items():
            due_ns = 0 if let_go and not item.own else item.due_ns
            self._items[seq] = replace(item, neighbours=True, due_ns=due_ns)

    def drop(self, seqs: Iterable[int]) -> None:
        """A verdict was given, or there is nothing to be tried any more."""
        for seq in seqs:
            self._items.pop(seq, None)

    def clear(self) -> None:
        """All are sent with the others again."""
        self._items.clear()

    def due(self, now_ns: int, *, most: int, idle: bool = False) -> tuple[int, ...]:
        """What to try again now, together: one that goes alone, or several that were told apart.

        `idle`: there is nothing else to send, so a first second try waits for nothing.
        """
        due = [seq for seq in sorted(self._items) if _is_due(self._items[seq], now_ns, idle=idle)]
        if not due:
            return ()
        if self._items[due[0]].alone:
            return (due[0],)
        return tuple(seq for seq in due if not self._items[seq].alone)[:most]


def all_but(seqs: Iterable[int]) -> IntervalSet:
    """Every number but these: what to leave out so that a query finds these alone."""
    chosen = IntervalSet.of((seq, seq) for seq in sorted(seqs))
    return IntervalSet.of(chosen.missing(1, _END))


def _is_due(item: Refusal, now_ns: int, *, idle: bool) -> bool:
    confirms = item.own and item.neighbours
    return confirms or now_ns >= item.due_ns or (idle and item.attempts == 1)
