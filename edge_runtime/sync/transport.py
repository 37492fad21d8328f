"""The seam between the uploader and the network: what a transport promises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from edge_runtime.wire.conversation import Greeting, Receipt, Welcome

SLOWEST_MEDIA_BYTES_PER_S = 16 << 10
"""A media file may take as long as this rate needs, on top of what any call may take."""


class Transport(Protocol):
    """Takes events and media to a collector.  Owned by one thread, but for `abort`.

    Every call blocks for at most the transport's own time-outs, and every call may raise
    `Offline`, `Throttled`, `AuthFailed` or `ProtocolError`.  Messages carry no secret.
    """

    def hello(self, greeting: Greeting) -> Welcome:
        """Compare notes on one epoch."""
        ...

    def send_events(self, batch: bytes) -> Receipt:
        """Send one gzipped JSON batch of one epoch.

        Raises `BatchTooLarge` (send less) and `BatchRefused` (something in it is not understood).
        """
        ...

    def has_media(self, sha256: str) -> bool:
        """Whether the collector has these media durably."""
        ...

    def put_media(self, path: Path, *, sha256: str, mime: str, size_bytes: int) -> None:
        """Send one file; returns once it is durable over there.

        Raises `ItemError` when the file is refused for good or cannot be read here.
        """
        ...

    def abort(self) -> None:
        """Break off the call in flight and any later one: they raise `Offline`.  Any thread."""
        ...

    def close(self) -> None:
        """Let go of the connection.  Idempotent."""
        ...
