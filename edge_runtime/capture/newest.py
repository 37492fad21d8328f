"""The newest picture that a camera sent, between the thread that reads and the one that decodes."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.clock import NS_PER_MS, NS_PER_S

if TYPE_CHECKING:
    from edge_runtime.clock import Clock
    from edge_runtime.errors import SourceUnavailable
    from edge_runtime.types import Stamp

CUT_AT_MOST = 16
_INTERVALS = 9
_GAP_NS = 250 * NS_PER_MS
"""Shorter pauses are not looked at: a scheduler's or a network's own."""
_GRACE_NS = (20 * NS_PER_MS, 100 * NS_PER_MS)


@dataclass(frozen=True, slots=True)
class Compressed:
    """One picture as it came."""

    data: bytes
    arrived: Stamp
    """Of its last byte."""
    settle_ns: int = 0
    """So long a newer one may be right behind it: it was queued somewhere."""
    is_cut: bool = False
    """Its end is missing, which shows only as the next one begins: no newer one replaces it, for
    it has to be told."""


class Cadence:
    """Sees that pictures come late and in a burst: they were queued, and are older than they look.

    Behind a pause (this process stood still, or the network did) the first pictures are old.  Which
    of them is the last of the queue shows a moment later.  Pure.
    """

    def __init__(self) -> None:
        """Nothing has come."""
        self._spacings: deque[int] = deque(maxlen=_INTERVALS)
        self._last_ns: int | None = None
        self._is_burst = False

    def settle_ns(self, now_ns: int) -> int:
        """A picture has come; how long to wait for a newer one right behind it, 0: not at all."""
        last_ns, self._last_ns = self._last_ns, now_ns
        if last_ns is None:
            return 0
        spacing, usual = now_ns - last_ns, self._usual_ns()
        is_late = usual is not None and spacing > max(2 * usual, _GAP_NS)
        self._is_burst = is_late or (self._is_burst and usual is not None and spacing < usual // 2)
        if not self._is_burst:
            self._spacings.append(spacing)
            return 0
        if is_late and len(self._spacings) == 1:
            self._spacings.append(spacing)  # one spacing is no rhythm yet
        least, most = _GRACE_NS
        return min(max((usual or 0) // 2, least), most)

    def _usual_ns(self) -> int | None:
        if not self._spacings:
            return None
        return sorted(self._spacings)[len(self._spacings) // 2]


class Newest:
    """`put`, `fail`: the thread that reads; `take`: the one that decodes."""

    def __init__(self, clock: Clock) -> None:
        """Empty."""
        self._clock = clock
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._picture: Compressed | None = None
        self._cut: deque[Compressed] = deque()
        self._failure: SourceUnavailable | None = None
        self._replaced: list[Stamp] = []

    def put(self, picture: Compressed) -> None:
        """The newest one."""
        with self._lock:
            if picture.is_cut and len(self._cut) < CUT_AT_MOST:
                self._cut.append(picture)
            else:
                if self._picture is not None:
                    self._replaced.append(self._picture.arrived)
                self._picture = picture
            self._changed.set()

    def fail(self, why: SourceUnavailable) -> None:
        """No more comes."""
        with self._lock:
            self._failure = self._failure or why
            self._changed.set()

    def wait(self, seconds: float) -> bool:
        """Until there is one, left where it is.  Raises what `fail` was told where there is none.

        False when nothing came in that time.
        """
        self._clock.wait(self._changed, seconds)
        with self._lock:
            is_there = self._picture is not None or bool(self._cut)
            if not is_there and self._failure is not None:
                raise self._failure
            return is_there

    def take(self, seconds: float) -> Compressed | None:
        """The newest one; None when nothing came in that time.  Raises as `wait`."""
        if not self.wait(seconds):
            return None
        self._settle()
        with self._lock:
            if self._cut:
                return self._cut.popleft()  # the event stays set: there may be more
            picture, self._picture = self._picture, None
            if self._failure is None:
                self._changed.clear()
            return picture

    def replaced(self) -> tuple[Stamp, ...]:
        """Pictures that a newer one took the place of before they were taken, since last time."""
        with self._lock:
            told, self._replaced = tuple(self._replaced), []
            return told

    def _settle(self) -> None:
        """While newer ones come right behind it."""
        while True:
            with self._lock:
                picture = self._picture
                if picture is None or self._cut or self._failure is not None:
                    return
                since_ns = self._clock.boottime_ns() - picture.arrived.boottime_ns
                left_ns = picture.settle_ns - since_ns
                if left_ns <= 0:
                    return
                self._changed.clear()
            self._clock.wait(self._changed, left_ns / NS_PER_S)
