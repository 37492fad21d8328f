"""The seam between the uploader and the network: what a transport promises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from edge_runtime.errors import ItemError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edge_runtime.wire.conversation import Greeting, Receipt, Welcome

SLOWEST_MEDIA_BYTES_PER_S = 16 << 10
"""A media file may take as long as this rate needs, on top of what any call may take."""


class MediaRefused(ItemError):
    """One file is refused."""

    def __init__(self, message: str, *, own: bool = True) -> None:
        """`own`: the answer proves that it is the collector's."""
        super().__init__(message)
        self.own = own


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

        Raises `BatchTooLarge` (send less) and `BatchRefused` (something in it is not understood);
        both tell whether it is proved to be the collector that says so.
        """
        ...

    def has_media(self, sha256: str, *, size_bytes: int | None = None) -> bool:
        """Whether the collector proves that it has these media durably.

        Raises `ProtocolError` for a yes that is not its own.
        """
        ...

    def put_media(self, path: Path, *, sha256: str, mime: str, size_bytes: int) -> None:
        """Send one file; returns once the collector proves that it is durable over there.

        Raises `ItemError` when the file cannot be read here, `MediaRefused` when it is refused, and
        `ProtocolError` for a success that is not proved to be the collector's.
        """
        ...

    def wanted_media(self, sha256s: Sequence[str]) -> list[str]:
        """Those of at most `MAX_CHECKED` media that the collector says it has not.

        None of them, where it is too old to be asked.
        """
        ...

    def is_renewed(self) -> bool:
        """Whether the token or the CA file has changed since the last call."""
        ...

    def abort(self) -> None:
        """Break off the call in flight and any later one: they raise `Offline`.  Any thread."""
        ...

    def close(self) -> None:
        """Let go of the connection.  Idempotent."""
        ...
