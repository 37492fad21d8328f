"""The one reader of the ledger that is opened: read-only, from any process."""

from __future__ import annotations

from edge_runtime.ledger.memory import DiskDays, ModelUsed, PinnedModel, StationMemory
from edge_runtime.ledger.outbox import Backlog, Outbox, Refusal, SyncState
from edge_runtime.ledger.reader import EpochSpan, Identity, MediaRow
from edge_runtime.ledger.results import Counts, Results
from edge_runtime.ledger.rows import Entry
from edge_runtime.ledger.unreadable import CODE as UNREADABLE

__all__ = [
    "UNREADABLE",
    "Backlog",
    "Counts",
    "DiskDays",
    "Entry",
    "EpochSpan",
    "Identity",
    "LedgerReader",
    "MediaRow",
    "ModelUsed",
    "PinnedModel",
    "Refusal",
    "SyncState",
]


class LedgerReader(Outbox, Results, StationMemory):
    """Everything that can be asked: see its bases."""
