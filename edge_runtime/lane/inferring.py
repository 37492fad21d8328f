"""The ``infer-N`` threads of a camera lane: intake -> models -> findings."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

from edge_runtime import failpoint
from edge_runtime.channel import Closed
from edge_runtime.lane.events import Looked, Unseen
from edge_runtime.lane.intake import Unreadable
from edge_runtime.lane.looking import failure, look
from edge_runtime.types import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edge_runtime.clock import Clock
    from edge_runtime.lane.events import AnyEvent
    from edge_runtime.lane.intake import Intake, Job
    from edge_runtime.lane.looking import Looker
    from edge_runtime.link.in_hand import Page
    from edge_runtime.progress import Progress

TAKE_POLL_S = 0.25
CAREFUL_ITEMS = 32
"""After a death with an item in hand: so many are inferred one at a time, to know which it is."""


class Room(Protocol):
    """Sources that can wait do, while the ledger or the evidence is behind."""

    def wait(self, tick: Callable[[], None]) -> None:
        """Before the next item is taken."""
        ...

    def taken(self) -> None:
        """It was."""
        ...


class Hands:
    """Which items the workers have in hand, written down outside of this process."""

    def __init__(self, page: Page, *, careful: bool) -> None:
        """`careful`: this lane died with an item in hand before."""
        self._page = page
        self._lock = threading.Lock()
        self._held: dict[str, str] = {}
        self._one_at_a_time = threading.Lock()
        self._owner: str | None = None
        """The worker that infers alone."""
        self._careful = CAREFUL_ITEMS if careful else 0

    def take(self, worker: str, item: str, tick: Callable[[], None] = lambda: None) -> None:
        """This worker is about to infer on `item`; `tick` is called while it waits its turn."""
        while self._careful > 0:
            if self._one_at_a_time.acquire(timeout=TAKE_POLL_S):
                self._owner = worker
                break
            tick()
        with self._lock:
            self._held[worker] = item
            self._page.put("infer", next(iter(self._held.values())))

    def put_down(self, worker: str) -> None:
        """It is done."""
        with self._lock:
            self._held.pop(worker, None)
            self._page.put("infer", next(iter(self._held.values()), None))
        if self._owner == worker:
            self._careful -= 1
            self._owner = None
            self._one_at_a_time.release()


class FrameWork:
    """Pictures into findings, by any number of threads."""

    def __init__(
        self,
        intake: Intake,
        tell: Callable[[AnyEvent], None],
        *,
        hands: Hands,
        progress: Progress,
        room: Room,
        clock: Clock,
    ) -> None:
        """`room`: of a source that can wait."""
        self._clock = clock
        self._intake = intake
        self._tell = tell
        self._hands = hands
        self._progress = progress
        self._room = room

    def run(self, loop: str, lookers: Mapping[str, Sequence[Looker]]) -> None:
        """One worker, until the intake is closed and empty.  `lookers`: by view."""

        def tick() -> None:
            self._progress.tick(loop)

        while True:
            tick()
            self._room.wait(tick)
            try:
                job = self._intake.take(TAKE_POLL_S)
            except Closed:
                break
            if job is not None:
                self._room.taken()
                self._look(loop, job, lookers[job.view])
        self._progress.end(loop)

    def _look(self, loop: str, job: Job, lookers: Sequence[Looker]) -> None:
        number, picture = job.part.number, job.picture
        begins = job.part if job.begins else None
        due_ns = job.part.due_ns
        if due_ns is not None and self._clock.boottime_ns() >= due_ns:
            # Closed as late by now: looking at it would make the next ones late, too.
            self._progress.count("late_pictures")
            if begins is not None:
                self._tell(Unseen(number, picture.source, picture.item, begins))
            return
        if isinstance(picture, Unreadable):
            self._progress.count("bad_items")
            self._tell(Unseen(number, picture.source, picture.item, begins))
            for looker in lookers:
                key = (job.view, job.frame, looker.model)
                self._tell(failure(number, key, looker.role, picture.why))
            return
        self._tell(Looked(number, job.view, picture, begins))
        item = picture.item or ""  # what is live has no name, and does not come again
        self._hands.take(loop, item, lambda: self._progress.tick(loop))
        try:
            # Shadows last: the part does not wait for them.
            for looker in sorted(lookers, key=lambda one: one.role is Role.SHADOW):
                self._progress.busy(loop, looker.patience_s)
                failpoint.reached("infer", item)
                self._tell(look(looker, picture, number=number, view=job.view, frame=job.frame))
        finally:
            self._hands.put_down(loop)
            self._progress.tick(loop)
