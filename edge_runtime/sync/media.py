"""Sending media: after the results that refer to them, one file at a time.

Only the collector's own word makes a file stored (`proof`).  An answer that is not proved pauses
media, and media alone: results go on.  Owned by the uploader's thread.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.clock import NS_PER_S
from edge_runtime.errors import ItemError, Offline, ProtocolError
from edge_runtime.link.messages import MediaStored
from edge_runtime.sync.backoff import Backoff
from edge_runtime.sync.transport import SLOWEST_MEDIA_BYTES_PER_S, MediaRefused

if TYPE_CHECKING:
    from edge_runtime.clock import Clock
    from edge_runtime.ledger.queries import MediaRow
    from edge_runtime.sync.backlog import Backlog
    from edge_runtime.sync.media_check import MediaCheck
    from edge_runtime.sync.pending import Pending
    from edge_runtime.sync.progress import SyncProgress
    from edge_runtime.sync.transport import Transport

log = logging.getLogger(__name__)

MAX_SKIPPED = 256
"""Files that are left alone at a time; more than this is no accident."""
MAX_STRANGE = 3
"""Files in a row refused by something that is not the collector: then it is not the files."""
SKIPPED_S = 5.0
SKIPPED_MAX_S = 3600.0
"""A file that is refused is tried again after so long, doubled each time, to the longest."""


@dataclass(frozen=True, slots=True)
class _Skipped:
    attempts: int
    due_ns: int


class MediaSender:
    """Takes the media that the ledger wants sent to the collector."""

    def __init__(
        self,
        ledger: Backlog,
        transport: Transport,
        *,
        pending: Pending,
        progress: SyncProgress,
        clock: Clock,
        check: MediaCheck,
        backoff: Backoff | None = None,
        longest_call_s: float = 250.0,
        enabled: bool = True,
    ) -> None:
        """Without `enabled` there is never anything to send."""
        self._longest_call_s = longest_call_s
        self._ledger = ledger
        self._transport = transport
        self._pending = pending
        self._progress = progress
        self._clock = clock
        self._check = check
        self._backoff = backoff or Backoff(1.0, 300.0)
        self._enabled = enabled
        self._skipped: dict[str, _Skipped] = {}
        self._strange = 0
        self._attempt = 0
        self._quiet_until_ns = 0
        self.is_doubtful = False
        """The last answer was not proved to be the collector's: it is to be greeted anew."""

    def greeted(self, instance: str) -> None:
        """This life of the collector answers."""
        self.is_doubtful = False
        self._check.greeted(instance)

    def hurry(self) -> None:
        """Wait for nothing that was waited for."""
        self._quiet_until_ns = self._attempt = self._strange = 0
        self._skipped.clear()

    def paused_s(self) -> float:
        """For how long media wait; 0 when there are none, or they do not."""
        left_s = (self._quiet_until_ns - self._clock.boottime_ns()) / NS_PER_S
        return left_s if left_s > 0 and self.next() is not None else 0.0

    def next(self) -> MediaRow | None:
        """What is to be sent next."""
        if not self._enabled:
            return None
        now_ns = self._clock.boottime_ns()
        skipped = {sha for sha, one in self._skipped.items() if one.due_ns > now_ns}
        beside = self._pending.media() | skipped
        rows = self._ledger.unsent_media(len(beside) + 1)
        return next((row for row in rows if row.sha256 not in beside), None)

    def step(self, max_bytes: int) -> bool:
        """One unit of work: a question about media, or one file; False when there is none now.

        Raises `AuthFailed` and `Throttled`; what else goes wrong may concern media alone, and
        pauses them.
        """
        if not self._enabled or self._clock.boottime_ns() < self._quiet_until_ns:
            return False
        try:
            if self._check.step():
                return True
            row = self.next()
            if row is None:  # nothing waits any more: what paused media is over
                self._well()
                return False
            self._send(row, max_bytes)
        except (ProtocolError, Offline) as exc:
            # The hello that follows tells whether it is media alone, or the collector is away.
            self._pause(exc)
        return True

    def _send(self, row: MediaRow, max_bytes: int) -> None:
        """Send one file, unless the collector has it or it is left alone."""
        if row.size_bytes > max_bytes:
            self._skip(row, f"{row.size_bytes} bytes; the collector takes {max_bytes}")
            return
        self._progress.busy(2 * self._longest_call_s + row.size_bytes / SLOWEST_MEDIA_BYTES_PER_S)
        try:
            if not self._transport.has_media(row.sha256, size_bytes=row.size_bytes):
                self._transport.put_media(
                    row.path, sha256=row.sha256, mime=row.mime, size_bytes=row.size_bytes
                )
                self._progress.count("media_sent")
                self._progress.count("media_bytes", row.size_bytes)
        except MediaRefused as exc:
            self._refused(row, exc)
            return
        except ItemError as exc:
            self._skip(row, str(exc))
            return
        self._well()
        self._strange = 0
        self._skipped.pop(row.sha256, None)
        self._progress.contact()
        self._pending.say(MediaStored([row.sha256]), media=frozenset({row.sha256}))

    def _well(self) -> None:
        self._attempt = 0
        self._progress.media_paused("")

    def _refused(self, row: MediaRow, error: MediaRefused) -> None:
        self._strange = 0 if error.own else self._strange + 1
        if self._strange >= MAX_STRANGE:
            raise ProtocolError(f"{self._strange} in a row, and not by the collector: {error}")
        self._skip(row, str(error))

    def _skip(self, row: MediaRow, reason: str) -> None:
        """Leave a file alone for a while; it stays in the ledger, unsent and counted."""
        before = self._skipped.get(row.sha256)
        if before is None and len(self._skipped) >= MAX_SKIPPED:
            raise ProtocolError(f"{MAX_SKIPPED} media files were refused, the last: {reason}")
        attempts = 1 if before is None else before.attempts + 1
        wait_s = min(SKIPPED_MAX_S, SKIPPED_S * 2.0 ** min(attempts - 1, 30))
        due_ns = self._clock.boottime_ns() + int(wait_s * NS_PER_S)
        self._skipped[row.sha256] = _Skipped(attempts, due_ns)
        if before is None:
            log.warning("media_refused sha256=%s seq=%d reason=%s", row.sha256, row.seq, reason)
            self._progress.count("media_refused")

    def _pause(self, error: ProtocolError | Offline) -> None:
        """Send no media for a while, and say why."""
        self._attempt += 1
        self.is_doubtful = True
        wait_s = self._backoff.delay_s(error, attempt=self._attempt, chance=0.5)
        self._quiet_until_ns = self._clock.boottime_ns() + int(wait_s * NS_PER_S)
        if self._attempt == 1:
            log.warning("media_paused error=%s", error)
        self._progress.count("media_unproved")
        self._progress.media_paused(str(error))
