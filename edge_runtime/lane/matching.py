"""Which pictures belong to which trigger.  Pure; time comes in as stamps.

A trigger says that a part is there at `at`, and before the cameras `delay` later.  Of each view the
part gets the picture that was exposed nearest to that moment, never the first to arrive, and as
many behind it as a part has.  Pictures are kept, so that a trigger that is told
up to `match` late finds its own; one without a picture within `match` gets none, and says so.

Without triggers the first view's pictures are the triggers of the others.

Invariants: a picture answers one trigger at most; a place is filled (with a picture or with a
reason) exactly once; what a place is filled with lies within `match` of its moment.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edge_runtime.clock import NS_PER_MS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge_runtime.types import Frame

KEPT_AT_MOST = 256
"""Pictures of one view, whatever `match` says: memory has an end."""


@dataclass(frozen=True, slots=True)
class Placed:
    """One place of a part, filled."""

    part: int
    view: str
    frame: int
    """Which of the part's pictures of that view, from 0."""
    picture: Frame | None
    why: str = ""
    """Why there is no picture."""


@dataclass(slots=True)
class _Wait:
    """A part that waits for its pictures of one view."""

    part: int
    at_ns: int
    taken: int = 0
    last_ns: int = -1
    """Exposure of the picture that was placed last."""


@dataclass(slots=True)
class _Shelf:
    """One view's pictures, and who waits for some."""

    uncertainty_ns: int
    pictures: deque[Frame] = field(default_factory=lambda: deque(maxlen=KEPT_AT_MOST))
    waits: list[_Wait] = field(default_factory=list)
    newest_ns: int = -1

    def exposed_ns(self, picture: Frame) -> int:
        """The middle of when it can have been exposed."""
        own = 0 if picture.is_exposure else self.uncertainty_ns // 2
        return picture.captured.boottime_ns - own


class Matching:
    """Not locked: its owner is."""

    def __init__(
        self,
        delays_ms: Mapping[str, int],
        *,
        frames: int,
        match_ms: int,
    ) -> None:
        """`delays_ms`: view -> how much later than its exposure a picture may be handed over."""
        self._shelves = {view: _Shelf(delay_ms * NS_PER_MS) for view, delay_ms in delays_ms.items()}
        self._frames = frames
        self._match_ns = match_ms * NS_PER_MS

    def begin(self, part: int, at_ns: int, views: Sequence[str] | None = None) -> list[Placed]:
        """A part is before the cameras at `at_ns`; what it can be given at once."""
        placed: list[Placed] = []
        for view in self._shelves if views is None else views:
            shelf = self._shelves[view]
            shelf.waits.append(_Wait(part, at_ns))
            placed += self._fill(view, shelf)
        return placed

    def offer(self, view: str, picture: Frame) -> list[Placed]:
        """A picture came; what can be placed now."""
        shelf = self._shelves[view]
        exposed_ns = shelf.exposed_ns(picture)
        shelf.pictures.append(picture)
        shelf.newest_ns = max(shelf.newest_ns, exposed_ns)
        placed = self._fill(view, shelf)
        self._forget(shelf)
        return placed

    def due(self, now_ns: int) -> list[Placed]:
        """Places that have waited for their picture too long."""
        placed: list[Placed] = []
        for view, shelf in self._shelves.items():
            patience_ns = self._match_ns + shelf.uncertainty_ns
            for wait in list(shelf.waits):
                if now_ns > wait.at_ns + patience_ns * (1 + wait.taken):
                    placed += self._settle(view, shelf, wait, is_over=True)
            self._forget(shelf)
        return placed

    def _fill(self, view: str, shelf: _Shelf) -> list[Placed]:
        placed: list[Placed] = []
        for wait in list(shelf.waits):
            placed += self._settle(view, shelf, wait, is_over=False)
        return placed

    def _settle(self, view: str, shelf: _Shelf, wait: _Wait, *, is_over: bool) -> list[Placed]:
        """Fill what can be filled of one wait; all of it when its time is over."""
        placed: list[Placed] = []
        while wait.taken < self._frames:
            # The nearest is known only once a picture behind the moment has come.
            if not is_over and shelf.newest_ns < wait.at_ns:
                break
            picture = self._choose(shelf, wait)
            if picture is None:
                if not is_over:
                    break
                why = f"no picture within {self._match_ns // NS_PER_MS} ms of its trigger"
                placed.append(Placed(wait.part, view, wait.taken, None, why))
            else:
                wait.last_ns = shelf.exposed_ns(picture)
                shelf.pictures.remove(picture)
                placed.append(Placed(wait.part, view, wait.taken, picture))
            wait.taken += 1
        if wait.taken >= self._frames:
            shelf.waits.remove(wait)
        return placed

    def _choose(self, shelf: _Shelf, wait: _Wait) -> Frame | None:
        """The nearest to the moment; behind the first of a part, the next ones in order."""
        if wait.last_ns >= 0:
            later = [one for one in shelf.pictures if shelf.exposed_ns(one) > wait.last_ns]
            return min(later, key=shelf.exposed_ns, default=None)
        near = [
            one
            for one in shelf.pictures
            if abs(shelf.exposed_ns(one) - wait.at_ns) <= self._match_ns
        ]
        return min(near, key=lambda one: abs(shelf.exposed_ns(one) - wait.at_ns), default=None)

    def _forget(self, shelf: _Shelf) -> None:
        """Pictures that no trigger can ask for any more."""
        # Told `match` late, and with its picture `match` before its moment.
        oldest_ns = shelf.newest_ns - 2 * self._match_ns
        for wait in shelf.waits:
            oldest_ns = min(oldest_ns, wait.at_ns - self._match_ns)
        while shelf.pictures and shelf.exposed_ns(shelf.pictures[0]) < oldest_ns:
            shelf.pictures.popleft()
