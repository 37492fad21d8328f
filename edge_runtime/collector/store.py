"""The seam between the collector's HTTP side and where it keeps things.

One contract suite runs over every implementation (``tests/contract/test_collector_store.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edge_runtime.collector.ingest import Batch
    from edge_runtime.wire.conversation import Greeting, Ranges, Receipt, Welcome

MAX_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Row:
    """One stored event."""

    position: int
    """In order of arrival, over all devices; what `Query.after` counts in."""
    device: str
    epoch: str
    seq: int
    kind: str
    """``result``, ``tombstone``, ``evidence``, ``finding``, ``actuation``, ``event``; else the
    event's type."""
    received_wall_ns: int
    event: bytes
    """The event as it came, JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which results; None means any."""

    device: str | None = None
    lane: str | None = None
    verdict: str | None = None
    label: str | None = None
    kind: str | None = "result"
    after: int = 0
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamReport:
    """Whether every `seq` of one device's epoch is accounted for."""

    epoch: str
    first_seq: int
    max_seq: int
    """The highest that the device has told of, or that is here."""
    results: int
    tombstones: int
    others: int
    explained: Ranges
    """Not here and known why: refused here, or in quarantine on the device."""
    missing: Ranges
    """Not here and not explained: still to come, or lost."""

    @property
    def complete(self) -> bool:
        """Nothing is missing."""
        return not self.missing


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceReport:
    """What is known of one device."""

    device: str
    last_seen_wall_ns: int
    software: str
    epoch: str
    """Of its last hello."""
    unsent: int
    """By its last hello."""
    events: int
    """Stored of it, all epochs."""


@dataclass(frozen=True, slots=True)
class StoredMedia:
    """A media file and what is known of it."""

    path: Path
    mime: str
    size_bytes: int


class MediaUpload(Protocol):
    """One file on its way in.  One thread at a time; `commit` or `abort` ends it."""

    def write(self, data: bytes | bytearray) -> None:
        """Add bytes.  Raises `LedgerFull`."""
        ...

    def commit(self) -> bool:
        """Make it durable; False when it was there before.

        Raises `ItemError` when what came is not what its name says, and `LedgerFull`.
        """
        ...

    def abort(self) -> None:
        """Keep nothing.  Idempotent; does nothing after `commit`."""
        ...


class Store(Protocol):
    """Keeps events and media.  Every method blocks and may be called from any thread.

    Raises `LedgerFull` when the disk is full and `LedgerError` when it fails.
    """

    @property
    def instance(self) -> str:
        """Random, of this life: what hellos and receipts name."""
        ...

    def greet(self, greeting: Greeting) -> Welcome:
        """Note what the device says of an epoch; what is here of it."""
        ...

    def put_events(self, batch: Batch) -> Receipt:
        """Store a batch; returns once it is durable.

        The key (device, epoch, seq) is unique for ever: the same content again is acknowledged
        again and stored once; other content is an ``epoch_conflict``.
        """
        ...

    def begin_media(self, sha256: str, mime: str) -> MediaUpload:
        """Start to take a file."""
        ...

    def media(self, sha256: str) -> StoredMedia | None:
        """A file that is durably here."""
        ...

    def missing_media(self, sha256s: Sequence[str]) -> Sequence[str]:
        """Those of these that are not durably here, or not whole."""
        ...

    def results(self, query: Query) -> Sequence[Row]:
        """Rows behind `query.after`, in order of arrival."""
        ...

    def result(self, device: str, epoch: str, seq: int) -> Row | None:
        """One row by its key."""
        ...

    def additions(self, device: str, epoch: str, seq: int) -> Sequence[Row]:
        """What came later about a row, by seq: of its own epoch, or of one that began behind it."""
        ...

    def devices(self) -> Sequence[DeviceReport]:
        """All devices, by name."""
        ...

    def completeness(self, device: str) -> Sequence[StreamReport]:
        """One report an epoch, oldest first, counted from the rows themselves."""
        ...

    def close(self) -> None:
        """Finish writes in hand and close.  Idempotent."""
        ...
