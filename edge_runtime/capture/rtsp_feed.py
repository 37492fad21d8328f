"""An RTSP camera's pictures: whole ones, each with its own time, and none that is old at first.

From a lost packet, or from what the decoder reports, to the next key frame each picture is one that
cannot be judged.  What the camera had in store when it was asked is thrown away.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from edge_runtime.capture.decoders import Decoder, open_decoder
from edge_runtime.capture.feed import Picture
from edge_runtime.capture.rtsp.ages import Pace
from edge_runtime.capture.rtsp.keyframes import KeyFrames
from edge_runtime.capture.rtsp.session import Session
from edge_runtime.capture.rtsp.units import START, SYNTAX
from edge_runtime.clock import NS_PER_MS, NS_PER_S
from edge_runtime.errors import ItemError, SourceUnavailable
from edge_runtime.types import Stamp

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edge_runtime.capture.address import StreamAddress
    from edge_runtime.capture.rtsp.units import Unit
    from edge_runtime.clock import Clock
    from edge_runtime.config import Capture

HOLD_NS: Final = 100 * NS_PER_MS
"""At first: when nothing newer comes for so long, the camera had nothing more in store."""
REORDER_MOST: Final = 16 + 1
"""Neither codec shows a picture later than 16 others."""
SETTLE_NS: Final = 2 * NS_PER_S
"""No longer than this are the first pictures held for newer ones."""
WAIT_AT_MOST_NS: Final = NS_PER_S // 2
"""A slow camera must not look like a loop that hangs, nor hold up a stop."""
OLDEST_NS: Final = 10 * NS_PER_S
"""A stream that is so far behind does not come back by itself."""


@dataclass(slots=True)
class _Given:
    """A picture in the decoder."""

    at_ns: int
    """In the stream's time."""
    arrived_ns: int
    counts: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Shown:
    pixels: NDArray[np.uint8]
    at_ns: int
    arrived_ns: int


class RtspFeed:
    """Satisfies `feed.Feed`."""

    def __init__(
        self, url: str, address: StreamAddress, settings: Capture, *, clock: Clock
    ) -> None:
        """`url` with user and password; `address`: where it leads."""
        self._url = url
        self._address = address
        self._settings = settings
        self._clock = clock
        self._session: Session | None = None
        self._decoder: Decoder | None = None
        self._candidate: _Shown | None = None
        self._replaced: list[Stamp] = []
        self._deadline_ns: int | None = None
        self._reset()

    def open(self) -> None:
        """As `feed.Feed`; also raises `session.NotReadHere`."""
        self.close()
        self._reset()
        limit_s = self._settings.open_timeout_s
        deadline_ns = self._clock.boottime_ns() + int(limit_s * NS_PER_S)
        try:
            self._session = Session(
                self._url,
                self._address,
                transport=self._settings.transport,
                clock=self._clock,
                deadline_ns=deadline_ns,
            )
            self._decoder = open_decoder(self._session.track.codec)
            while not self._ready:
                self._step(deadline_ns)
        except TimeoutError as exc:
            raise SourceUnavailable(self._no_picture(limit_s)) from exc

    def read(self) -> Picture | None:
        """As `feed.Feed`."""
        now_ns = self._clock.boottime_ns()
        if self._deadline_ns is None:
            self._deadline_ns = now_ns + int(self._settings.read_timeout_s * NS_PER_S)
        try:
            shown = self._settled(min(self._deadline_ns, now_ns + WAIT_AT_MOST_NS))
        except ItemError:
            self._deadline_ns = None
            raise
        if shown is None:
            if not self._has_timed_out():
                return None
            raise SourceUnavailable(
                f"no frame within {self._settings.read_timeout_s:g} s; the camera hangs or the "
                "line is cut. Where it is triggered, or slow, raise capture.read_timeout_s"
            )
        self._deadline_ns = None
        handed = self._clock.stamp()
        assert self._session is not None
        captured_ns = self._session.time.taken_ns(shown.at_ns, shown.arrived_ns)
        age_ns = handed.boottime_ns - captured_ns
        if age_ns > OLDEST_NS:
            raise SourceUnavailable(
                f"its pictures are {age_ns / NS_PER_S:.0f} s old when they come, or their times "
                "jump; opened anew"
            )
        captured = Stamp(handed.wall_ns - age_ns, captured_ns, handed.boot_id)
        return Picture(shown.pixels, captured, handed)

    def close(self) -> None:
        """As `feed.Feed`."""
        session, self._session = self._session, None
        self._replace(None)
        decoder, self._decoder = self._decoder, None
        if session is not None:
            session.close()
        if decoder is not None:
            decoder.close()

    @property
    def lost_packets(self) -> int:
        """Since the opening.  Any thread."""
        session = self._session
        return 0 if session is None else session.lost

    @property
    def note(self) -> str:
        """What is wrong with the camera's clock; empty when nothing is.  Any thread."""
        session = self._session
        return "" if session is None else session.time.note

    def left_out(self) -> tuple[Stamp, ...]:
        """Pictures that a newer one took the place of, since the last call."""
        told, self._replaced = tuple(self._replaced), []
        return told

    def _reset(self) -> None:
        self._keyframes = KeyFrames()
        self._known: dict[int, _Given] = {}
        self._ready: deque[_Shown | ItemError] = deque()
        self._next: Unit | None = None
        self._parameters: tuple[bytes, ...] = ()
        self._candidate = None
        self._settle_until_ns: int | None = None
        self._deadline_ns = None
        self._pace = Pace()
        self._units = 0

    def _has_timed_out(self) -> bool:
        return self._deadline_ns is not None and self._clock.boottime_ns() >= self._deadline_ns

    def _settled(self, until_ns: int) -> _Shown | None:
        """The next picture; while the camera catches up its newest.  None: not in that time."""
        while True:
            if self._pace.is_steady:
                self._settle_until_ns = None
                found = self._taken(until_ns)
                if found is None or self._pace.is_steady:
                    return found
                self._replace(found)  # it shows that those before it were old
            now_ns = self._clock.boottime_ns()
            self._settle_until_ns = self._settle_until_ns or now_ns + SETTLE_NS
            shown = self._taken(until_ns if self._candidate is None else now_ns + HOLD_NS)
            if shown is None and self._candidate is None:
                return None
            if shown is not None:
                self._replace(shown)
                self._deadline_ns = None  # it gives pictures, though none that is new
            is_over = now_ns >= self._settle_until_ns
            if shown is None or is_over:
                self._pace.settle(is_forced=shown is not None)
            if self._pace.is_steady:
                newest, self._candidate = self._candidate, None
                return newest
            if now_ns >= until_ns:
                return None

    def _replace(self, newer: _Shown | None) -> None:
        """The candidate is nobody's picture: counted."""
        if self._candidate is not None:
            now = self._clock.stamp()
            age_ns = now.boottime_ns - self._candidate.arrived_ns
            told = Stamp(now.wall_ns - age_ns, self._candidate.arrived_ns, now.boot_id)
            self._replaced.append(told)
        self._candidate = newer

    def _taken(self, until_ns: int) -> _Shown | None:
        """None when none came in that time.  Raises as `read`."""
        try:
            while not self._ready:
                self._step(until_ns)
        except TimeoutError:
            return None
        found = self._ready.popleft()
        if isinstance(found, ItemError):
            self._replace(None)  # an older one behind a newer that is damaged is none
            raise found
        return found

    def _step(self, deadline_ns: int) -> None:
        """One picture of the stream, into `_ready` if it can be shown or is damaged."""
        assert self._decoder is not None
        unit, self._next = self._next or self._unit(deadline_ns), None
        given = self._judged(unit)
        if given is None:
            return
        data, key, is_anew = given
        if is_anew:
            for each in self._known:
                if each != key:
                    self._left_out(self._known[each])
            self._known = {key: self._known[key]}
            self._decoder.begin()
        for decoded in self._decoder.decode(data, key, self._more):
            self._came(decoded.key, decoded.pixels, decoded.damage)

    def _unit(self, deadline_ns: int) -> Unit:
        assert self._session is not None
        unit = self._session.next(deadline_ns)
        self._units += 1
        return unit

    def _more(self) -> tuple[bytes, int] | None:
        """For a decoder that shows pictures later than it gets them (B-frames)."""
        limit_ns = int(self._settings.read_timeout_s * NS_PER_S)
        deadline_ns = self._clock.boottime_ns() + limit_ns
        while True:
            unit = self._unit(deadline_ns)
            if unit.has_gap or not unit.is_whole or self._is_new_size(unit):
                self._next = unit
                return None
            given = self._judged(unit)
            if given is not None:
                return given[0], given[1]

    def _judged(self, unit: Unit) -> tuple[bytes, int, bool] | None:
        """(data, key, whether the decoder begins anew) of one that is to be decoded."""
        assert self._session is not None
        at_ns = self._session.time.arrived(unit.timestamp, unit.arrived_ns)
        self._pace.came(self._session.time)
        worth = self._keyframes.take(unit)
        if worth.damage:
            self._ready.append(ItemError(worth.damage))
        if not worth.decoded:
            return None
        is_anew = worth.anew or self._is_new_size(unit)
        nals = unit.nals
        if own := self._own_parameters(unit):
            self._parameters = own
        elif unit.recovery is not None:
            self._parameters = self._parameters or self._session.track.parameters
            nals = (*self._parameters, *nals)
        # The stream's own time is the key: pictures are shown in its order.
        self._known[at_ns] = _Given(at_ns, unit.arrived_ns, worth.counts)
        if len(self._known) > REORDER_MOST:  # its oldest never comes
            self._left_out(self._known.pop(next(iter(self._known))))
        return b"".join(START + nal for nal in nals), at_ns, is_anew

    def _own_parameters(self, unit: Unit) -> tuple[bytes, ...]:
        assert self._session is not None
        syntax = SYNTAX[self._session.track.codec]
        return tuple(nal for nal in unit.nals if syntax.kind(nal) in syntax.parameters)

    def _is_new_size(self, unit: Unit) -> bool:
        own = self._own_parameters(unit)
        return bool(own and self._parameters and unit.recovery == 0 and own != self._parameters)

    def _came(self, key: int, pixels: NDArray[np.uint8] | None, damage: str) -> None:
        given = self._known.pop(key, None)
        if given is None or not given.counts:
            if given is not None and given.reason:
                self._damaged(given)
            return
        if damage:
            given.reason = self._keyframes.breaks(damage)
            for each in self._known.values():
                each.counts, each.reason = False, given.reason
        if given.reason or pixels is None:
            self._damaged(given)
        else:
            self._keyframes.shown()
            self._ready.append(_Shown(pixels, given.at_ns, given.arrived_ns))

    def _left_out(self, given: _Given) -> None:
        """The decoder shows no picture for it: of H.265, one that leans on what was before a key.

        Before the first picture that is shown that is nobody's fault.
        """
        if given.counts and self._keyframes.has_begun:
            self._ready.append(ItemError(given.reason or "the decoder shows no picture for it"))

    def _damaged(self, given: _Given) -> None:
        reason = given.reason or self._keyframes.breaks("the decoder lost the picture")
        if reason:
            self._ready.append(ItemError(reason))

    def _no_picture(self, limit_s: float) -> str:
        if self._session is not None and self._units:
            return (
                f"it sends, but no key frame within {limit_s:g} s; set the camera to one a second "
                '(its "I-frame interval"), or raise capture.open_timeout_s'
            )
        if self._session is not None:
            udp = " by UDP; does a firewall keep it away?" if self._session.is_udp else "."
            return (
                f"it plays, but gives no picture within {limit_s:g} s{udp} Where it is triggered, "
                "or slow, raise capture.open_timeout_s and capture.read_timeout_s"
            )
        return f"it answers, but gives no picture within {limit_s:g} s; is it an RTSP camera?"
