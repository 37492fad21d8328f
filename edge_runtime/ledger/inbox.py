"""Requests on their way to the ledger's thread, gathered into commits."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_runtime.ledger.ops import APPENDS, Op, PutResults

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """A request and who waits for it."""

    op: Op
    future: Future[Any]

    @property
    def appends(self) -> bool:
        """Whether it adds a row of its own; on a full disk these wait while the others go on."""
        return isinstance(self.op, APPENDS)

    @property
    def rows(self) -> int:
        """How many rows of its own it adds."""
        return len(self.op.results) if isinstance(self.op, PutResults) else int(self.appends)

    def start(self) -> bool:
        """From here on it cannot be cancelled; False when it was."""
        return self.future.running() or self.future.set_running_or_notify_cancel()


class Inbox:
    """First in, first out, in two lanes: rows to append, and all other requests.

    Bounded by its callers: a lane has at most `unstored_max` results on their way, sync one
    request. `submit`, `close`: any thread; the rest: the ledger's.
    """

    def __init__(self) -> None:
        """Empty and open."""
        self._rows: deque[Job] = deque()
        self._others: deque[Job] = deque()
        self._changed = threading.Condition()
        self._wanted = 1
        self._closed = False

    def submit(self, op: Op) -> Future[Any] | None:
        """The future of `op`; None once closed."""
        job = Job(op, Future())
        with self._changed:
            if self._closed:
                return None
            (self._rows if job.appends else self._others).append(job)
            if self._depth() >= self._wanted:  # not for every row: it gathers, and wakes in time
                self._changed.notify()
        return job.future

    def take(
        self, *, most: int, wait_s: float, gather_s: float = 0.0, rows: bool = True
    ) -> list[Job]:
        """Up to `most` requests: what there is `gather_s` after the first, or none after `wait_s`.

        With `rows` false only requests that append nothing.
        """
        with self._changed:
            self._await(1, wait_s, rows=rows)
            if self._others or (rows and self._rows):
                self._await(most, gather_s, rows=rows)
            jobs = _pop(self._others, most)
            return jobs + (_pop(self._rows, most - len(jobs)) if rows else [])

    def put_back(self, jobs: Iterable[Job]) -> None:
        """These were taken and could not be done; they are first again, in their order."""
        with self._changed:
            for job in reversed(list(jobs)):
                (self._rows if job.appends else self._others).appendleft(job)

    def close(self) -> None:
        """Take no more.  Idempotent."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        with self._changed:
            return self._closed

    def __len__(self) -> int:
        with self._changed:
            return self._depth()

    def _depth(self) -> int:
        return len(self._rows) + len(self._others)

    def _await(self, wanted: int, seconds: float, *, rows: bool) -> None:
        self._wanted = wanted if rows else 1
        counted = self._depth if rows else self._others.__len__
        self._changed.wait_for(lambda: self._closed or counted() >= wanted, seconds)
        self._wanted = 1


def _pop(queue: deque[Job], most: int) -> list[Job]:
    """The oldest, without those that nobody waits for any more."""
    jobs = [queue.popleft() for _ in range(min(most, len(queue)))]
    return [job for job in jobs if job.start()]
