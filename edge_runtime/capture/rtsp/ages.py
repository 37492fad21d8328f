"""When a picture of a stream was taken, by the stream's own clock.  Pure.

RTP times say how far pictures are apart, not when they were taken.  The packet that took the
shortest way ties them to our clock: what arrives later than its time tells was on its way, or
waited, for longer.  So a picture that waited is stamped with its own time and not with "now".
"""

from __future__ import annotations

from statistics import median
from typing import Final

from edge_runtime.clock import NS_PER_MS, NS_PER_S

_WRAP: Final = 1 << 32
_DRIFT: Final = 200e-6
"""Two quartz clocks drift apart by at most so much; the shortest way is forgotten as fast."""
_INTERVALS: Final = 9
_STEADY: Final = 5
"""So many pictures tell whether the camera catches up."""
_JITTER_NS: Final = 2 * NS_PER_MS
STALE_INTERVALS: Final = 1.5
STALE_NS: Final = 100 * NS_PER_MS
"""A picture older than so many frame intervals and this is not new."""


class StreamTime:
    """The time of one stream, for one opening."""

    def __init__(self, clock_hz: int) -> None:
        """`clock_hz`: of the RTP times."""
        self._hz = clock_hz
        self._last: int | None = None
        self._offset_ns: float | None = None
        self._offset_at_ns = 0
        self._intervals_ns: list[int] = []
        self._picture_ns: int | None = None

    def arrived(self, timestamp: int, arrived_ns: int) -> int:
        """A picture's RTP time and when it arrived; returns its time in the stream, ns."""
        at_ns = self._unwrapped_ns(timestamp)
        if self._picture_ns is not None and 0 < at_ns - self._picture_ns < 60 * NS_PER_S:
            self._intervals_ns = [*self._intervals_ns, at_ns - self._picture_ns][-_INTERVALS:]
        self._picture_ns = at_ns
        self._tie(at_ns, arrived_ns)
        return at_ns

    def reported(self, timestamp: int, arrived_ns: int) -> None:
        """The camera says which RTP time it is now (RTCP): the shortest way of all."""
        if self._last is None:
            return
        at_ns = self._unwrapped_ns(timestamp)
        way_ns = arrived_ns - at_ns
        # A report that is far from the pictures is of another clock: there are such cameras.
        if self._offset_ns is not None and abs(way_ns - self._offset_ns) < 10 * NS_PER_S:
            self._tie(at_ns, arrived_ns)

    def captured_ns(self, at_ns: int) -> int:
        """CLOCK_BOOTTIME of the picture at that time of the stream; never later than it came."""
        assert self._offset_ns is not None
        return round(at_ns + self._offset_ns)

    @property
    def offset_ns(self) -> float | None:
        """Our clock minus the stream's, by the shortest way so far; None before a picture."""
        return self._offset_ns

    @property
    def interval_ns(self) -> int | None:
        """Between two pictures; None before there were two."""
        return round(median(self._intervals_ns)) if self._intervals_ns else None

    @property
    def stale_ns(self) -> int:
        """A picture older than this is not new."""
        return round(STALE_INTERVALS * (self.interval_ns or 0)) + STALE_NS

    def _tie(self, at_ns: int, arrived_ns: int) -> None:
        way_ns = arrived_ns - at_ns
        if self._offset_ns is not None:
            self._offset_ns += max(0, arrived_ns - self._offset_at_ns) * _DRIFT
        self._offset_at_ns = max(self._offset_at_ns, arrived_ns)
        if self._offset_ns is None or way_ns < self._offset_ns:
            self._offset_ns = way_ns

    def _unwrapped_ns(self, timestamp: int) -> int:
        if self._last is None:
            self._last = timestamp
        ahead = (timestamp - self._last + _WRAP // 2) % _WRAP - _WRAP // 2
        self._last += ahead
        return self._last * NS_PER_S // self._hz


class Pace:
    """Whether pictures come when their times say, or the camera catches up.

    Pictures that come faster than they were taken say that those before them were kept somewhere:
    each shortens the shortest way that is known.
    """

    def __init__(self) -> None:
        """Nothing has come."""
        self._offsets_ns: list[float] = []
        self.is_steady = False

    def came(self, time: StreamTime) -> None:
        """A picture came, and `time` knows of it."""
        assert time.offset_ns is not None
        self._offsets_ns = [*self._offsets_ns, time.offset_ns][-_STEADY:]
        fell_ns = self._offsets_ns[0] - self._offsets_ns[-1]
        if fell_ns > (time.interval_ns or 0) / 2 + _JITTER_NS:
            self.is_steady = False
        elif len(self._offsets_ns) == _STEADY:
            self.is_steady = True

    def settle(self) -> None:
        """Nothing newer comes: what is there is new."""
        self.is_steady = True
        self._offsets_ns = self._offsets_ns[-1:]
