"""Sending media: after the results that refer to them, one file at a time.

Owned by the uploader's thread.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from edge_runtime.errors import ItemError, ProtocolError
from edge_runtime.link.messages import MediaStored
from edge_runtime.sync.transport import SLOWEST_MEDIA_BYTES_PER_S

if TYPE_CHECKING:
    from edge_runtime.ledger.queries import MediaRow
    from edge_runtime.sync.backlog import Backlog
    from edge_runtime.sync.pending import Pending
    from edge_runtime.sync.progress import SyncProgress
    from edge_runtime.sync.transport import Transport

log = logging.getLogger(__name__)

MAX_SKIPPED = 256
"""Quarantine media, remembered until the next start; more than this is no accident."""


class MediaSender:
    """Takes the media that the ledger wants sent to the collector."""

    def __init__(
        self,
        ledger: Backlog,
        transport: Transport,
        *,
        pending: Pending,
        progress: SyncProgress,
        longest_call_s: float = 250.0,
        enabled: bool = True,
    ) -> None:
        """Without `enabled` there is never anything to send."""
        self._longest_call_s = longest_call_s
        self._ledger = ledger
        self._transport = transport
        self._pending = pending
        self._progress = progress
        self._enabled = enabled
        self._skipped: set[str] = set()

    def next(self) -> MediaRow | None:
        """What is to be sent next."""
        if not self._enabled:
            return None
        beside = self._pending.media() | self._skipped
        rows = self._ledger.unsent_media(len(beside) + 1)
        return next((row for row in rows if row.sha256 not in beside), None)

    def send(self, row: MediaRow, *, max_bytes: int) -> bool:
        """Send one file, unless the collector has it; False when it is left alone.

        Raises what the transport raises.
        """
        if row.size_bytes > max_bytes:
            self._skip(row, f"{row.size_bytes} bytes; the collector takes {max_bytes}")
            return False
        self._progress.busy(2 * self._longest_call_s + row.size_bytes / SLOWEST_MEDIA_BYTES_PER_S)
        try:
            if not self._transport.has_media(row.sha256):
                self._transport.put_media(
                    row.path, sha256=row.sha256, mime=row.mime, size_bytes=row.size_bytes
                )
                self._progress.count("media_sent")
                self._progress.count("media_bytes", row.size_bytes)
        except ItemError as exc:
            self._skip(row, str(exc))
            return False
        self._pending.say(MediaStored([row.sha256]), media=frozenset({row.sha256}))
        return True

    def _skip(self, row: MediaRow, reason: str) -> None:
        """Leave a file alone until the next start; it stays in the ledger, unsent and counted."""
        if len(self._skipped) >= MAX_SKIPPED:
            raise ProtocolError(f"{MAX_SKIPPED} media files were refused, the last: {reason}")
        log.warning("media_refused sha256=%s seq=%d reason=%s", row.sha256, row.seq, reason)
        self._progress.count("media_refused")
        self._skipped.add(row.sha256)
