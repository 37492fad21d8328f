"""Asking the collector whether it still has what it once proved to have.

All of it once in each life of the collector, a few files in turn at each hello; where one of those
is missing, all of it again.  Owned by the uploader's thread.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from edge_runtime.link.messages import MediaWanted
from edge_runtime.wire.conversation import MAX_CHECKED

if TYPE_CHECKING:
    from edge_runtime.sync.backlog import Backlog
    from edge_runtime.sync.pending import Pending
    from edge_runtime.sync.progress import SyncProgress
    from edge_runtime.sync.transport import Transport

log = logging.getLogger(__name__)

SAMPLE = 64
"""Files that are asked about at a hello of a life that was asked about all."""


class MediaCheck:
    """Puts back what the collector has lost."""

    def __init__(
        self,
        ledger: Backlog,
        transport: Transport,
        *,
        pending: Pending,
        progress: SyncProgress,
        longest_call_s: float = 250.0,
    ) -> None:
        """Nothing was asked yet."""
        self._ledger = ledger
        self._transport = transport
        self._pending = pending
        self._progress = progress
        self._longest_call_s = longest_call_s
        self._asked_all_of = ""
        self._instance = ""
        self._whole = False
        self._after: int | None = None
        """Behind which file to go on; None: there is nothing to ask."""
        self._sampled_after = 0

    def greeted(self, instance: str) -> None:
        """This life of the collector answers."""
        if self._whole and self._after is not None and instance == self._instance:
            return  # it is being asked about all
        self._instance = instance
        self._whole = instance != self._asked_all_of
        self._after = 0 if self._whole else self._sampled_after

    def step(self) -> bool:
        """Ask about some; False when there is nothing to ask.  Raises what the transport raises."""
        if self._after is None:
            return False
        most = MAX_CHECKED if self._whole else SAMPLE
        rows = self._ledger.stored_media(self._after, most)
        if not rows:
            self._end()
            return False
        self._progress.busy(self._longest_call_s)
        lost = self._transport.wanted_media([sha256 for _, sha256 in rows])
        if lost:
            log.warning("media_lost_by_the_collector files=%d", len(lost))
            self._progress.count("media_wanted", len(lost))
            self._pending.tell(MediaWanted(lost))
        if self._whole:
            self._after = rows[-1][0]
        elif lost:
            self._whole, self._after = True, 0
        else:
            self._sampled_after, self._after = rows[-1][0], None
        return True

    def _end(self) -> None:
        if self._whole:
            self._asked_all_of = self._instance
        self._whole, self._after, self._sampled_after = False, None, 0
