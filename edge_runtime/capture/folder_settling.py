"""When a file in a watched folder is ready to be judged, and judged once.  Pure.

Owned by the ``capture`` thread.  A file is tried once two looks at it agree, or at once where
another file has taken its name (somebody renames: that one is whole), or when it has gone on
changing for so long that it will never rest.  One that was seen changing under its name is not:
half of it may be the new picture and half the old, with the old one's end.  It is tried once the
kernel tells that its writer has closed it, else once it has rested for the settling time; and
nothing is tried while the kernel tells that a writer has it open.

Such a try counts only where the picture is all there, or is damaged though it rests and has its
end.  Another is held until it has rested for the settling time; then it is told as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from edge_runtime.capture.folder_entries import Entry


@dataclass(frozen=True, slots=True)
class Ripe:
    """One to be read now."""

    entry: Entry
    is_final: bool
    """Whether it is told even if it is not whole; else it is held."""
    is_at_rest: bool = True
    """Whether two looks agreed: damage is told of one that has its end."""
    is_swapped: bool = False
    """Whether another file has taken its name: nobody writes over the one before."""


@dataclass(slots=True)
class _State:
    item: str
    inode: int
    since_ns: int
    """Since when it is as it is."""
    restless_ns: int
    """Since when it has been neither judged nor at rest."""
    is_hurried: bool = False
    """It was tried though it did not rest, and has not rested since."""
    is_swapped: bool = False
    """Another file took its name, and it has not rested since."""
    is_changing: bool = False
    """It was written under its name since it was first seen, or judged."""
    changed_ns: int = 0
    is_tried: bool = False
    is_judged: bool = False


class Settling:
    """What is known of each name."""

    def __init__(self, settle_ns: int) -> None:
        """`settle_ns`: how long one that is not whole must rest before that is told."""
        self._settle_ns = settle_ns
        self._states: dict[str, _State] = {}
        self._waiting: set[str] = set()

    def look(
        self,
        entries: Iterable[Entry],
        now_ns: int,
        is_written: Callable[[Entry], bool | None] = lambda _: None,
    ) -> list[Ripe]:
        """What is ready of `entries`, which were looked at just now; in their order.

        `is_written`: whether a writer has it open; None where nobody knows.
        """
        found = (self._seen(entry, now_ns, is_written=is_written(entry)) for entry in entries)
        return [ripe for ripe in found if ripe is not None]

    def keep_only(self, names: Collection[str]) -> None:
        """Forget those that are not among `names`: what was removed may come back."""
        for name in [name for name in self._states if name not in names]:
            self.forget(name)

    def forget(self, name: str) -> None:
        """This one was removed."""
        self._states.pop(name, None)
        self._waiting.discard(name)

    def waiting(self) -> Collection[str]:
        """Names that must be looked at again, though nothing may happen to them."""
        return self._waiting

    def judged(self, name: str, item: str) -> None:
        """This content of that name needs no more looks."""
        state = self._states.get(name)
        if state is not None:
            state.is_judged, state.item = True, item
            self._waiting.discard(name)

    def _seen(self, entry: Entry, now_ns: int, *, is_written: bool | None) -> Ripe | None:
        state = self._states.get(entry.name)
        if state is None:
            self._states[entry.name] = _State(
                entry.item, entry.inode, now_ns, now_ns, changed_ns=entry.changed_ns
            )
            self._waiting.add(entry.name)
            return None
        if state.item != entry.item:
            return self._changed(state, entry, now_ns, is_written=is_written)
        if state.changed_ns != entry.changed_ns and not state.is_judged:
            # Written, and its time put back; or less than that, and it costs a wait.
            state.since_ns, state.is_changing, state.is_tried = now_ns, True, False
        state.changed_ns = entry.changed_ns
        state.is_hurried, state.is_swapped, state.restless_ns = False, False, now_ns
        if state.is_judged:
            return None
        is_final = now_ns - state.since_ns >= self._settle_ns
        is_early = is_written or (state.is_changing and is_written is None)
        if (state.is_tried or is_early) and not is_final:
            return None
        state.is_tried = True
        return Ripe(entry, is_final)

    def _changed(
        self, state: _State, entry: Entry, now_ns: int, *, is_written: bool | None
    ) -> Ripe | None:
        is_replaced = state.inode != entry.inode
        if state.is_judged or is_replaced:
            state.restless_ns = now_ns
        is_restless = now_ns - state.restless_ns >= max(1, self._settle_ns)
        state.item, state.inode, state.since_ns = entry.item, entry.inode, now_ns
        state.changed_ns = entry.changed_ns
        state.is_judged = False
        state.is_changing = not is_replaced
        self._waiting.add(entry.name)
        # Once hurried, always, until it rests: an inode's number is used again, and then the next
        # file looks as if it were the one before.
        state.is_swapped = is_replaced or state.is_swapped
        state.is_hurried = is_replaced or is_restless or state.is_hurried
        state.is_tried = False
        if not state.is_hurried or (is_written and not is_replaced):
            return None
        return Ripe(entry, is_final=False, is_at_rest=False, is_swapped=state.is_swapped)
