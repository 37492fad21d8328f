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
_IDLE_NS = 20 * NS_PER_MS
"""Waited for so long, a picture stood in no queue: that comes as fast as the network can."""
_STEADY_NS = 200 * NS_PER_MS
"""So long at its rhythm a camera has no queue."""
_LATE_AT_MOST_NS = 2 * NS_PER_S
_GRACE_AT_MOST_NS = 30 * NS_PER_MS
_HOLD_NS = (100 * NS_PER_MS, 500 * NS_PER_MS)


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
    """Sees that pictures come behind a pause and in a burst: they are older than they look.

    A pause alone says nothing: a line stops, a camera changes its rate, and what comes next is new.
    Only where others come right behind it, sooner than the camera's rhythm and without being waited
    for, did they queue behind a network or a reader that stood still.  Then the camera is behind
    its rhythm by the length of the pause, and until it has caught up, or goes on at its rhythm
    without catching up (it left out what it could not send), only the newest counts: each is kept
    back for a moment, and the next takes its place.  The last one is never lost.  Pure.
    """

    def __init__(self) -> None:
        """Nothing has come."""
        self._spacings: deque[int] = deque(maxlen=_INTERVALS)
        self._last_ns: int | None = None
        self._behind_ns = 0
        self._late_since_ns = 0
        self._steady_ns = 0
        self._is_burst = False

    def settle_ns(self, now_ns: int, waited_ns: int) -> int:
        """A picture has come: how long to wait for a newer one, 0: not at all.

        `waited_ns`: the longest wait for bytes since the picture before it.
        """
        last_ns, self._last_ns = self._last_ns, now_ns
        if last_ns is None:
            return 0
        spacing, usual = now_ns - last_ns, self._usual_ns()
        if usual is not None and spacing > max(2 * usual, _GAP_NS):
            self._behind_ns, self._late_since_ns = spacing - usual, now_ns
            self._steady_ns, self._is_burst = 0, False
            self._spacings.append(spacing)
            return min(usual // 2, _GRACE_AT_MOST_NS)
        if usual is not None and self._is_queued(spacing, usual, waited_ns, now_ns):
            least, most = _HOLD_NS
            return min(max(4 * usual, least), most)
        self._spacings.append(spacing)
        return 0

    def _is_queued(self, spacing: int, usual: int, waited_ns: int, now_ns: int) -> bool:
        if self._behind_ns == 0:
            return False
        self._behind_ns += spacing - usual
        self._is_burst |= spacing <= usual // 2 and waited_ns <= _IDLE_NS
        is_own = 3 * usual // 4 <= spacing <= 3 * usual // 2
        is_awaited = waited_ns > max(_IDLE_NS, spacing // 2)
        self._steady_ns = self._steady_ns + spacing if is_own or is_awaited else 0
        has_caught_up = self._behind_ns <= usual // 2
        is_over = now_ns - self._late_since_ns > _LATE_AT_MOST_NS
        if has_caught_up or is_over or self._steady_ns >= _STEADY_NS:
            self._behind_ns, self._is_burst = 0, False
        return self._is_burst

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
        self._last_ns: int | None = None

    def put(self, picture: Compressed) -> None:
        """The newest one."""
        with self._lock:
            self._last_ns = picture.arrived.boottime_ns
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
            self._last_ns = arrived.boottime_ns
            self._replaced.append(arrived)

    @property
    def last_ns(self) -> int | None:
        """When the last one came, taken or not, in CLOCK_BOOTTIME: the camera lives."""
        with self._lock:
            return self._last_ns

    def fail(self, why: SourceUnavailable) -> None:
        """No more comes."""
        with self._lock:
            self._failure = self._failure or why
            self._changed.set()

    def wait(self, seconds: float) -> bool:
        """Until there is one, left where it is.  Raises what `fail` was told where there is none.

        False when nothing came in that time.
        """
        if not self._is_there():
            self._clock.wait(self._changed, seconds)
        return self._is_there()

    def take(self, seconds: float) -> Compressed | None:
        """The newest one, once none came right behind it; None when there was none in that time.

        Raises as `wait`.  One that settles is left where it is when the time is over.
        """
        until_ns = self._clock.boottime_ns() + int(seconds * NS_PER_S)
        while True:
            is_there = self._is_there()
            now_ns = self._clock.boottime_ns()
            with self._lock:
                if self._cut:
                    return self._cut.popleft()
                wake_ns, picture = until_ns, self._picture
                if is_there and picture is not None:
                    ripe_ns = picture.arrived.boottime_ns + picture.settle_ns
                    if ripe_ns <= now_ns or self._failure is not None:
                        self._picture = None
                        return picture
                    wake_ns = min(until_ns, ripe_ns)
            if now_ns >= until_ns:
                return None
            self._clock.wait(self._changed, (wake_ns - now_ns) / NS_PER_S)

    def replaced(self) -> tuple[Stamp, ...]:
        """Pictures that were too old, or had a newer one behind them, since last time."""
        with self._lock:
            told, self._replaced = tuple(self._replaced), []
            return told

    def _is_there(self) -> bool:
        """Look, so that only what changes from here on ends a wait.  Raises as `wait`."""
        with self._lock:
            self._changed.clear()
            is_there = self._picture is not None or bool(self._cut)
            if not is_there and self._failure is not None:
                raise self._failure
            return is_there
