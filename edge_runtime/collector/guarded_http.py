"""uvicorn's HTTP/1.1, with patience that ends: the one importer of its protocol class.

What uvicorn has no limit for: a connection that never finishes its first head, and many of those.
The time for a body is the application's (`app.BODY_TIMEOUT_S`).  Runs on the event loop.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from edge_runtime.collector.patience import HEAD_TIMEOUT_S, Unfinished

if TYPE_CHECKING:
    import asyncio

log = logging.getLogger(__name__)

TELL_EVERY_S = 60.0


class Waiting:
    """What the connections of one server share."""

    def __init__(self) -> None:
        """Nobody waits."""
        self.unfinished: Unfinished[GuardedProtocol] = Unfinished()
        self._told_at_s = float("-inf")
        self._closed = 0

    def closed(self, address: str, now_s: float) -> None:
        """One was closed; told once a minute at most."""
        self._closed += 1
        if now_s - self._told_at_s >= TELL_EVERY_S:
            log.warning(
                "unfinished_requests_closed count=%d last=%s waiting=%d",
                self._closed, address, len(self.unfinished),
            )  # fmt: skip
            self._told_at_s, self._closed = now_s, 0


class GuardedProtocol(H11Protocol):
    """One connection."""

    waiting: Waiting
    """Set by `guarded`."""

    def __init__(self, *args: Any, **named: Any) -> None:  # noqa: ANN401 - as uvicorn calls it
        """Nothing has come yet."""
        super().__init__(*args, **named)
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a head, but not for ever."""
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self._give_up)
        self._take_place()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop_timer()
        self.waiting.unfinished.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Whether the request is whole by now."""
        super().data_received(data)
        self._note()

    def on_response_complete(self) -> None:
        """The next request is waited for; uvicorn's own time for that is `timeout_keep_alive`."""
        super().on_response_complete()
        self._note()

    def _note(self) -> None:
        if self.transport.is_closing():
            return
        state = self.conn.their_state
        if state is h11.IDLE:
            begun = bool(self.conn.trailing_data[0])
            if begun and self._head_timer is None:
                self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self._give_up)
        else:
            self._stop_timer()
        if state in (h11.IDLE, h11.SEND_BODY):
            if not self.waiting.unfinished.holds(self):
                self._take_place()
        else:
            self.waiting.unfinished.leave(self)

    def _take_place(self) -> None:
        for one in self.waiting.unfinished.enter(self, self._address):
            one.close_unfinished()

    def _give_up(self) -> None:
        self._head_timer = None
        self.waiting.unfinished.leave(self)
        self.close_unfinished()

    def close_unfinished(self) -> None:
        """Hang up without a word: who dawdles would not read it either."""
        if not self.transport.is_closing():
            self.waiting.closed(self._address, self.loop.time())
            self._stop_timer()
            self.transport.abort()

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    @property
    def _address(self) -> str:
        return self.client[0] if self.client else "?"


def guarded() -> type[GuardedProtocol]:
    """A protocol class for one server."""
    return type("Guarded", (GuardedProtocol,), {"waiting": Waiting()})
