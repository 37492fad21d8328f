"""The lanes' links: accepted, greeted, read and written.

A lane connects by itself, again and again, and proves itself with the token that the supervisor
gave it.  Two threads a link: one reads, one writes from a bounded channel, so that a lane that does
not read keeps nobody; when the channel is full the link is closed, which is a fault of the lane.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from typing import TYPE_CHECKING

import msgspec

from edge_runtime.channel import Channel, Closed, OnFull
from edge_runtime.link.messages import (
    Alive,
    AnyMessage,
    Bye,
    Drive,
    Free,
    Greet,
    Hold,
    encode,
    receive,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.clock import Clock
    from edge_runtime.field.station import Station

log = logging.getLogger(__name__)

GREETING_S = 5.0
"""A link that has not said who it is by then is closed; also how long a lane waits that the
supervisor has not announced yet."""
ACCEPT_S = 0.5
OUT_MAX = 1024


class LaneServer:
    """Accepts links on the socket that the supervisor listens on."""

    def __init__(self, listener: socket.socket, station: Station, *, clock: Clock) -> None:
        """Takes over `listener`; it is not closed for others who have it."""
        self._listener = listener
        self._station = station
        self._clock = clock
        self._stop = threading.Event()
        self._links: set[LaneLink] = set()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._accept, name="accept", daemon=True)

    def start(self) -> None:
        """Start to accept."""
        self._listener.settimeout(ACCEPT_S)
        self._thread.start()

    def close(self) -> None:
        """Accept no more, close all links.  Idempotent."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._listener.close()
        with self._lock:
            links = list(self._links)
        for link in links:
            link.close()

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError as exc:
                log.error("field_cannot_accept error=%s", exc)  # noqa: TRY400
                self._clock.wait(self._stop, ACCEPT_S)
                continue
            connection.setblocking(True)
            link = LaneLink(connection, self._station, clock=self._clock, on_end=self._forget)
            with self._lock:
                self._links.add(link)
            link.start()

    def _forget(self, link: LaneLink) -> None:
        with self._lock:
            self._links.discard(link)


class LaneLink:
    """One connection of one lane.  Satisfies `station.LinkOut`."""

    def __init__(
        self,
        connection: socket.socket,
        station: Station,
        *,
        clock: Clock,
        on_end: Callable[[LaneLink], None],
    ) -> None:
        """`on_end` is called when the link has closed, whoever closed it."""
        self._connection = connection
        self._station = station
        self._clock = clock
        self._on_end = on_end
        self._out: Channel[AnyMessage] = Channel(OUT_MAX, OnFull.BLOCK)
        self._reader = threading.Thread(target=self._read, name="lane-in", daemon=True)
        self._writer = threading.Thread(target=self._write, name="lane-out", daemon=True)

    def start(self) -> None:
        """Wait for the greeting, then serve."""
        self._reader.start()

    def put(self, message: AnyMessage) -> bool:
        """Send it as soon as the lane reads.  Never blocks.  False: the link is gone."""
        try:
            if self._out.put(message, timeout_s=0):
                return True
        except Closed:
            return False
        log.error("lane_does_not_read waiting=%d", OUT_MAX)
        self.close()
        return False

    def close(self) -> None:
        """Close the link; its threads end.  Any thread, never blocks."""
        self._out.close()
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def _read(self) -> None:
        try:
            greeted = self._greeted()
            if greeted is not None:
                lane, number = greeted
                self._writer.start()
                try:
                    self._serve(lane, number)
                finally:
                    self._station.closed(lane, number)
        except (OSError, ValueError, msgspec.DecodeError) as exc:
            log.warning("lane_link_broken reason=%s", exc)
        finally:
            self.close()
            if self._writer.ident is not None:
                self._writer.join()
            self._connection.close()
            self._on_end(self)

    def _greeted(self) -> tuple[str, int] | None:
        """The lane and its link's number.  A field process that is new may not know it yet."""
        self._connection.settimeout(GREETING_S)
        greeting = receive(self._connection)
        self._connection.settimeout(None)
        if not isinstance(greeting, Greet):
            return None
        lane, token = greeting.lane, greeting.token
        number: list[int] = []

        def is_known() -> bool:
            found = self._station.greet(lane, token, self)
            number.extend([] if found is None else [found])
            return found is not None

        with self._station.admitted:
            known = self._station.admitted.wait_for(is_known, GREETING_S)
        if not known:
            log.warning("lane_not_known lane=%s: its token is not the one it was given", lane)
            return None
        return lane, number[-1]

    def _serve(self, lane: str, number: int) -> None:
        """Until end-of-file."""
        station = self._station
        while (message := receive(self._connection)) is not None:
            match message:
                case Alive():
                    station.alive(lane, number, message)
                case Drive():
                    station.drive(lane, message, self)
                case Hold():
                    station.ask(lane, number, message.token, message.reason, self)
                case Free():
                    station.ask(lane, number, message.token, None, self)
                case Bye():
                    station.bye(lane, number)
                case _:
                    log.error("lane_says_nonsense lane=%s message=%s", lane, type(message).__name__)

    def _write(self) -> None:
        for message in self._out:
            try:
                self._connection.sendall(encode(message))
            except OSError:
                self.close()
                return
