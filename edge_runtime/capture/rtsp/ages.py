"""When a picture of a stream was taken, by the stream's own clock.  Pure.

RTP times say how far pictures are apart, not when they were taken.  The packet that took the
shortest way ties them to our clock: what arrives later than its time tells was on its way, or
waited, for longer.  So a picture that waited is stamped with its own time and not with "now".
How fast the camera's clock runs is learned (`rate`); one that cannot be followed is not believed.
"""

from __future__ import annotations

from statistics import median
from typing import Final

from edge_runtime.capture.rtsp.rate import Rate, Tie
from edge_runtime.clock import NS_PER_MS, NS_PER_S

_WRAP: Final = 1 << 32
_UNKNOWN_DRIFT: Final = 0.02
"""A camera's clock may be wrong by so much; the shortest way is forgotten as fast."""
_KNOWN_DRIFT: Final = 0.001
"""The same once its rate is learned."""
_ODD: Final = 0.02
"""A clock that is wrong by more is told of, and its reports are not used."""
_JUMP_NS: Final = 10 * NS_PER_S
_BACK_NS: Final = NS_PER_S
_SHOWN_LATER: Final = 17
"""Pictures are sent before those that are shown earlier, but by no more than so many."""
_INTERVALS: Final = 9
_STEADY: Final = 5
"""So many pictures tell whether the camera catches up."""
_FORCED: Final = 2
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
        self._arrived_ns = 0
        self._rate = Rate()
        self._scale = 1.0
        """So much of our time passes in one of the stream's."""
        self._from = (0, 0.0)
        """A time of the stream, and the same in a scale that is right since then."""
        self.is_believed = True
        """False: its times are of no use, and pictures are as old as they arrived."""
        self.note = ""
        """What is wrong with the camera's clock, in plain words; empty when nothing is."""

    def arrived(self, timestamp: int, arrived_ns: int) -> int:
        """A picture's RTP time and when it arrived; returns its time in the stream, ns."""
        at_ns = self._unwrapped_ns(timestamp)
        if self._picture_ns is None:
            self._from = (at_ns, float(at_ns))
        else:
            step_ns = at_ns - self._picture_ns
            if self._jumps(step_ns, arrived_ns - self._arrived_ns):
                self._begin_anew(at_ns, arrived_ns)
            elif 0 < step_ns < 60 * NS_PER_S:
                self._intervals_ns = [*self._intervals_ns, step_ns][-_INTERVALS:]
        self._picture_ns, self._arrived_ns = at_ns, arrived_ns
        self._tie(at_ns, arrived_ns)
        self._learn(at_ns, arrived_ns)
        return at_ns

    def reported(self, timestamp: int, arrived_ns: int) -> None:
        """The camera says which RTP time it is now (RTCP): the shortest way of all."""
        if self._last is None or abs(self._scale - 1) > _ODD:
            return
        last = self._last
        at_ns = self._unwrapped_ns(timestamp)
        way_ns = arrived_ns - self._scaled_ns(at_ns)
        # A report that is far from the pictures is of another clock: there are such cameras.
        if self._offset_ns is not None and abs(way_ns - self._offset_ns) < 10 * NS_PER_S:
            self._tie(at_ns, arrived_ns)
        else:
            self._last = last

    def captured_ns(self, at_ns: int) -> int:
        """CLOCK_BOOTTIME of the picture at that time of the stream; never later than it came."""
        assert self._offset_ns is not None
        return round(self._scaled_ns(at_ns) + self._offset_ns)

    def taken_ns(self, at_ns: int, arrived_ns: int) -> int:
        """As `captured_ns`; when it arrived where the times are not believed."""
        if not self.is_believed:
            return arrived_ns
        return min(self.captured_ns(at_ns), arrived_ns)

    @property
    def offset_ns(self) -> float | None:
        """Our clock minus the stream's, by the shortest way so far; None before a picture."""
        return self._offset_ns

    @property
    def interval_ns(self) -> int | None:
        """Between two pictures, by our clock; None before there were two."""
        return round(median(self._intervals_ns) * self._scale) if self._intervals_ns else None

    @property
    def stale_ns(self) -> int:
        """A picture older than this is not new."""
        return round(STALE_INTERVALS * (self.interval_ns or 0)) + STALE_NS

    def _scaled_ns(self, at_ns: int) -> float:
        since_ns, scaled_ns = self._from
        return scaled_ns + (at_ns - since_ns) * self._scale

    def _tie(self, at_ns: int, arrived_ns: int) -> None:
        way_ns = arrived_ns - self._scaled_ns(at_ns)
        if self._offset_ns is not None:
            drift = _KNOWN_DRIFT if self._rate.is_known else _UNKNOWN_DRIFT
            self._offset_ns += max(0, arrived_ns - self._offset_at_ns) * drift
        self._offset_at_ns = max(self._offset_at_ns, arrived_ns)
        if self._offset_ns is None or way_ns < self._offset_ns:
            self._offset_ns = way_ns

    def _learn(self, at_ns: int, arrived_ns: int) -> None:
        if not self._rate.add(Tie(at_ns, arrived_ns), self._scale):
            return
        self.is_believed = self._rate.scale is not None
        if self._rate.scale is None:
            self.note = "its pictures' times do not go with the clock: stamped as they arrive"
            return
        scaled_ns, is_leap = self._scaled_ns(at_ns), self._rate.is_leap
        self._from, self._scale = (at_ns, scaled_ns), self._rate.scale
        if is_leap:  # what was tied with the wrong rate is far away by now
            ways = [tie.arrived_ns - self._scaled_ns(tie.at_ns) for tie in self._rate.ties]
            self._offset_ns = min(ways)
        told = (
            f"its clock runs at {1 / self._scale:.2f} times the right speed, as its pictures "
            "come: their times are corrected by that"
        )
        self.note = told if abs(self._scale - 1) > _ODD else ""

    def _jumps(self, step_ns: int, passed_ns: int) -> bool:
        reorder_ns = _SHOWN_LATER * median(self._intervals_ns) if self._intervals_ns else _JUMP_NS
        return step_ns < -max(_BACK_NS, reorder_ns) or step_ns > passed_ns + _JUMP_NS

    def _begin_anew(self, at_ns: int, arrived_ns: int) -> None:
        """The camera set its clock: nothing that was known of its times is of use."""
        self.note = "its pictures' times jump: those behind a jump are stamped as they arrive"
        assert self._offset_ns is not None
        self._from = (at_ns, arrived_ns - self._offset_ns)
        self._rate.forget()

    def _unwrapped_ns(self, timestamp: int) -> int:
        if self._last is None:
            self._last = timestamp
        ahead = (timestamp - self._last + _WRAP // 2) % _WRAP - _WRAP // 2
        self._last += ahead
        return self._last * NS_PER_S // self._hz


class Pace:
    """Whether pictures come when their times say, or the camera catches up.

    Pictures that come faster than they were taken say that those before them were kept somewhere:
    each shortens the shortest way that is known.  One that does so for ever has a fast clock.
    """

    def __init__(self) -> None:
        """Nothing has come."""
        self._offsets_ns: list[float] = []
        self._forced = 0
        self.is_steady = False

    def came(self, time: StreamTime) -> None:
        """A picture came, and `time` knows of it."""
        assert time.offset_ns is not None
        self._offsets_ns = [*self._offsets_ns, time.offset_ns][-_STEADY:]
        fell_ns = self._offsets_ns[0] - self._offsets_ns[-1]
        if time.is_believed and fell_ns > (time.interval_ns or 0) / 2 + _JITTER_NS:
            self.is_steady = self._forced >= _FORCED
        elif len(self._offsets_ns) == _STEADY:
            self.is_steady, self._forced = True, 0

    def settle(self, *, is_forced: bool = False) -> None:
        """Nothing newer comes: what is there is new.

        `is_forced`: newer ones come all the time.  Where that is so again and again, the times are
        of no use, and what comes is new.
        """
        self.is_steady = True
        self._forced = self._forced + 1 if is_forced else 0
        self._offsets_ns = self._offsets_ns[-1:]
