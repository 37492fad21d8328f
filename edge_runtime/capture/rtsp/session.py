"""One opening of an RTSP camera: asked for its pictures, and then given them one by one.

The transport is ``tcp`` (packets on the connection itself: none is lost while it stands), ``udp``,
or ``auto``: TCP, and UDP where the camera refuses it.  Owned by the ``capture`` thread.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Final

from edge_runtime.capture.rtsp.ages import StreamTime
from edge_runtime.capture.rtsp.description import Track, picture_track
from edge_runtime.capture.rtsp.dialogue import Answer, Dialogue, Interleaved, Refused
from edge_runtime.capture.rtsp.packets import Order, parsed, sender_report
from edge_runtime.capture.rtsp.udp import Ports
from edge_runtime.capture.rtsp.units import Unit, Units
from edge_runtime.clock import NS_PER_S
from edge_runtime.errors import SourceUnavailable
from edge_runtime.redaction import hidden

if TYPE_CHECKING:
    from edge_runtime.capture.address import StreamAddress
    from edge_runtime.clock import Clock

_REORDER: Final = 32
"""UDP: for so many packets a late one is waited for."""
_SESSION_S: Final = 60.0
"""RTSP's own time-out for a session that nothing is heard of."""
_UNSUPPORTED: Final = 461


class NotReadHere(Exception):
    """The camera's pictures are of a kind that FFmpeg has to read: its name."""


class Session:
    """From PLAY to the end of the connection."""

    def __init__(
        self,
        url: str,
        address: StreamAddress,
        *,
        transport: str,
        clock: Clock,
        deadline_ns: int,
    ) -> None:
        """Open and play.  Raises `SourceUnavailable`, `TimeoutError` and `NotReadHere`."""
        self._clock = clock
        self._ports: Ports | None = None
        self._may_repeat = False
        left_s = max(0.1, (deadline_ns - clock.boottime_ns()) / NS_PER_S)
        self._dialogue = Dialogue(url, address, clock, left_s)
        try:
            self.track = self._described(deadline_ns)
            self._set_up(transport, deadline_ns)
            self._units = Units(self.track.codec)
            self._order = Order(_REORDER if self.is_udp else 0)
            self.time = StreamTime(self.track.clock_hz)
            self._found: list[Unit] = []
            self._play(deadline_ns)
        except BaseException:
            self.close()
            raise

    @property
    def is_udp(self) -> bool:
        """Whether packets may be lost."""
        return self._ports is not None

    @property
    def lost(self) -> int:
        """Packets that never came, since the opening."""
        return self._order.lost

    def next(self, deadline_ns: int) -> Unit:
        """The next picture.  Raises `SourceUnavailable` at the stream's end, `TimeoutError`."""
        while not self._found:
            self._keep_alive()
            self._receive(min(deadline_ns, self._alive_ns))
            if not self._found and self._clock.boottime_ns() >= deadline_ns:
                raise TimeoutError
        return self._found.pop(0)

    def close(self) -> None:
        """Tell the camera, and hang up."""
        if self._dialogue.session:
            with contextlib.suppress(SourceUnavailable):
                self._dialogue.tell("TEARDOWN", self._base)
        self._dialogue.close()
        if self._ports is not None:
            self._ports.close()

    def _described(self, deadline_ns: int) -> Track:
        url = self._dialogue.url
        offers = self._dialogue.ask("OPTIONS", url, deadline_ns).header("public")
        self._alive = "GET_PARAMETER" if "GET_PARAMETER" in offers else "OPTIONS"
        answer = self._dialogue.ask("DESCRIBE", url, deadline_ns, {"Accept": "application/sdp"})
        self._base = answer.header("content-base") or answer.header("content-location") or url
        if "://" not in self._base:
            self._base = url
        track = picture_track(answer.body, self._base)
        if not track.codec:
            raise NotReadHere(
                hidden(track.name, self._dialogue.secrets) or f"payload {track.payload}"
            )
        return track

    def _set_up(self, transport: str, deadline_ns: int) -> None:
        if transport in ("tcp", "auto"):
            try:
                self._asked_for("RTP/AVP/TCP;unicast;interleaved=0-1", deadline_ns)
            except Refused as exc:
                if exc.status != _UNSUPPORTED:
                    raise
                if transport == "tcp":
                    raise SourceUnavailable(
                        "the camera wants UDP and refuses TCP (461); set capture.transport to "
                        '"udp" or "auto" in the lane'
                    ) from exc
            else:
                return
        self._ports = Ports(*self._dialogue.hosts)
        first = self._ports.number
        try:
            wanted = f"RTP/AVP;unicast;client_port={first}-{first + 1}"
            self._ports.punch(self._asked_for(wanted, deadline_ns))
        except Refused as exc:
            if transport == "udp" and exc.status == _UNSUPPORTED:
                raise SourceUnavailable(
                    'the camera wants TCP and refuses UDP (461); set capture.transport to "tcp" '
                    "in the lane"
                ) from exc
            raise

    def _asked_for(self, transport: str, deadline_ns: int) -> str:
        """Returns the transport as the camera has it."""
        answer = self._dialogue.ask(
            "SETUP", self.track.control, deadline_ns, {"Transport": transport}
        )
        session, _, rest = answer.header("session").partition(";")
        self._dialogue.session = session.strip()
        told = re.search(r"timeout\s*=\s*([0-9]{1,9})", rest)
        told_s = int(told[1]) if told else 0  # a camera that says 0 means that it does not say
        # Thrice in its time-out: two of three may be lost.
        self._alive_every_ns = int((told_s or _SESSION_S) * NS_PER_S / 3)
        given = answer.header("transport")
        channels = re.search(r"interleaved=([0-9]{1,3})-([0-9]{1,3})", given)
        self._rtp, self._rtcp = (int(channels[1]), int(channels[2])) if channels else (0, 1)
        return given

    def _play(self, deadline_ns: int) -> None:
        self._dialogue.ask("PLAY", self._base, deadline_ns, {"Range": "npt=0.000-"})
        self._alive_ns = self._clock.boottime_ns() + self._alive_every_ns

    def _keep_alive(self) -> None:
        now_ns = self._clock.boottime_ns()
        if now_ns >= self._alive_ns:
            self._alive_ns = now_ns + self._alive_every_ns
            self._may_repeat = True
            self._dialogue.tell(self._alive, self._base)

    def _receive(self, until_ns: int) -> None:
        """Take what comes first, for at most that long; and give up what is late."""
        due_ns = self._order.due_ns
        self._receive_until(until_ns if due_ns is None else min(until_ns, due_ns))
        for each in self._order.late(self._clock.boottime_ns()):
            self._found += self._units.put(each)

    def _receive_until(self, until_ns: int) -> None:
        try:
            if self._ports is None:
                found = self._dialogue.receive(until_ns)
            else:
                if (taken := self._ports.take(self._clock)) is not None:
                    self._take(*taken)
                    return
                found = self._dialogue.receive(until_ns, self._ports.rtp, self._ports.rtcp)
        except TimeoutError:
            return
        if isinstance(found, Interleaved) and found.channel in (self._rtp, self._rtcp):
            self._take(int(found.channel == self._rtcp), found.data, found.arrived_ns)
        elif isinstance(found, Answer):
            self._answered(found)

    def _answered(self, found: Answer) -> None:
        """What the camera says to a sign of life."""
        if found.status == 454:
            raise SourceUnavailable("the camera has ended the session (454)")
        # Its nonce is over; once a period, for a camera that refuses each would be asked for ever.
        if self._may_repeat and self._dialogue.is_challenged(found):
            self._may_repeat = False
            self._dialogue.tell(self._alive, self._base)

    def _take(self, channel: int, data: bytes, arrived_ns: int) -> None:
        if channel == 1:
            if (told := sender_report(data)) is not None:
                self.time.reported(told, arrived_ns)
            return
        packet = parsed(data, arrived_ns)
        if packet is None or packet.payload != self.track.payload:
            return
        for each in self._order.put(packet):
            self._found += self._units.put(each)
