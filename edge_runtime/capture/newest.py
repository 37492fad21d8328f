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
_RHYTHM_OF = 3
_STEADY_NS = 200 * NS_PER_MS
"""So long at its rhythm a camera has no queue: that would come as fast as the network can."""
_LATE_AT_MOST_NS = 2 * NS_PER_S
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

    Behind a pause (this process stood still, or the network did) the camera is behind its own
    rhythm by the length of the pause, and catches up with each picture that comes sooner than it
    should.  Until it has, or goes on at its rhythm without catching up (it left out what it could
    not send), its pictures are old.  Of a camera without a rhythm, such as one that is triggered,
    nobody can know: a newer picture right behind is waited for by a moment.  Pure.
    """

    def __init__(self) -> None:
        """Nothing has come."""
        self._spacings: deque[int] = deque(maxlen=_INTERVALS)
        self._last_ns: int | None = None
        self._behind_ns = 0
        self._late_since_ns = 0
        self._steady_ns = 0

    def settle_ns(self, now_ns: int) -> int | None:
        """A picture has come: how long to wait for a newer one, 0: not at all; None: it is old."""
        last_ns, self._last_ns = self._last_ns, now_ns
        if last_ns is None:
            return 0
        spacing, usual = now_ns - last_ns, self._usual_ns()
        if usual is None or not self._is_behind(spacing, usual, now_ns):
            self._spacings.append(spacing)
            return 0
        if self._has_rhythm(usual):
            return None
        least, most = _GRACE_NS
        return min(max(usual // 2, least), most)

    def _is_behind(self, spacing: int, usual: int, now_ns: int) -> bool:
        if self._behind_ns == 0:
            if spacing <= max(2 * usual, _GAP_NS):
                return False
            self._behind_ns, self._late_since_ns, self._steady_ns = spacing - usual, now_ns, 0
            return True
        self._behind_ns += spacing - usual
        is_steady = 3 * usual // 4 <= spacing <= 3 * usual // 2
        self._steady_ns = self._steady_ns + spacing if is_steady else 0
        has_caught_up = self._behind_ns <= usual // 2
        if has_caught_up or self._steady_ns >= _STEADY_NS:
            self._behind_ns = 0
        elif now_ns - self._late_since_ns > _LATE_AT_MOST_NS:
            self._behind_ns = 0
            self._spacings.clear()  # it has another rhythm now
        return self._behind_ns > 0

    def _usual_ns(self) -> int | None:
        if not self._spacings:
            return None
        return sorted(self._spacings)[len(self._spacings) // 2]

    def _has_rhythm(self, usual: int) -> bool:
        inner = sorted(self._spacings)[1:-1]
        return len(inner) >= _RHYTHM_OF and inner[-1] - inner[0] <= usual // 2


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

    def pass_over(self, arrived: Stamp) -> None:
        """One that is too old."""
        with self._lock:
            self._replaced.append(arrived)

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
        """Pictures that were too old, or had a newer one behind them, since last time."""
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
