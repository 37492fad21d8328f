"""The seam between the uploader and the ledger: what is read of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_runtime.intervals import IntervalSet
    from edge_runtime.ledger.queries import Entry, EpochSpan, Identity, MediaRow, SyncState


class Backlog(Protocol):
    """What the uploader reads of the ledger; `LedgerReader` is it."""

    def identity(self) -> Identity:
        """Device and current epoch."""
        ...

    def epochs(self) -> list[EpochSpan]:
        """Oldest first."""
        ...

    def sync_state(self) -> SyncState:
        """What is acknowledged, and what needs no sending."""
        ...

    def min_seq(self) -> int:
        """The lowest seq still there."""
        ...

    def unsent(
        self, limit: int, max_bytes: int = ..., *, beside: IntervalSet | None = None
    ) -> list[Entry]:
        """The oldest rows to send, of one epoch."""
        ...

    def stored_media(self, after: int, limit: int) -> list[tuple[int, str]]:
        """(number, sha256) of media here that count as stored there, behind a number."""
        ...

    def stored_among(self, sha256s: Sequence[str]) -> list[str]:
        """Those of these media that count as stored there."""
        ...

    def unsent_media(self, limit: int) -> list[MediaRow]:
        """Media to send, of results that the collector has."""
        ...
