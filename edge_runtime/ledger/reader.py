"""The common part of all that reads the ledger: the connection, its lock, one moment a question.

Reads are short: a batch is fetched and the statement is done, so that checkpoints are never
starved.
"""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar

from edge_runtime.errors import LedgerError, NoInput
from edge_runtime.ledger import database
from edge_runtime.ledger.entries import ENTRY, EntryReader
from edge_runtime.ledger.media import MediaStore, is_media
from edge_runtime.ledger.migrate import newest, version_of
from edge_runtime.ledger.rows import Entry
from edge_runtime.ledger.seq_ranges import epoch_bounds, epoch_owners, max_seq

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import TracebackType

    from edge_runtime.ledger.rows import Entry

__all__ = ["ENTRY", "MEDIA", "EpochSpan", "Identity", "MediaRow", "Reader", "epoch_spans"]

T = TypeVar("T")

MEDIA = "SELECT m.sha256, m.kind, m.mime, m.size_bytes, m.state, m.seq FROM media m"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who wrote this ledger."""

    device: str
    epoch: str
    """The current one."""
    schema: int


@dataclass(frozen=True, slots=True)
class EpochSpan:
    """The seqs that belong to one epoch; `last` is below `first` while it is empty."""

    epoch: str
    first: int
    last: int
    device: str = ""
    """Who the box was in it: what was sent under one name is never sent under another."""


@dataclass(frozen=True, slots=True)
class MediaRow:
    """One media file."""

    sha256: str
    kind: str
    mime: str
    size_bytes: int
    state: str
    """``local``, ``stored`` (the collector has it too) or ``evicted``."""
    seq: int
    """The last entry that refers to it."""
    path: Path


class Reader:
    """Any thread, one call at a time (a lock sees to it).

    Every method raises `LedgerError` when the file cannot be read.
    """

    def __init__(self, data_dir: Path) -> None:
        """Open ``data_dir/ledger.db`` read-only, with or without a daemon at work.

        Raises `NoInput` when there is no ledger, `LedgerError` when its schema is not this
        version's.
        """
        self._path = data_dir / database.FILE
        self._media = MediaStore(data_dir)
        self._connection = database.open_reader(self._path)
        self._entries = EntryReader(self._connection)
        self._lock = threading.Lock()
        try:
            self._check_schema()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection.  Idempotent."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def identity(self) -> Identity:
        """Device, current epoch, schema version."""
        device = self._all("SELECT value FROM meta WHERE key = 'device'")
        epoch = self._all("SELECT epoch FROM epochs ORDER BY first_seq DESC LIMIT 1")
        if not device or not epoch:
            raise LedgerError(f"{self._path}: the ledger was not finished being created")
        return Identity(device[0][0], epoch[0][0], self._read(version_of))

    def max_seq(self) -> int:
        """The highest seq ever given; 0 for none."""
        return self._read(max_seq)

    def min_seq(self) -> int:
        """The lowest seq still here; ``max_seq + 1`` for none."""
        lowest = self._all("SELECT min(seq) FROM entries")[0][0]
        return self.max_seq() + 1 if lowest is None else int(lowest)

    def epochs(self) -> list[EpochSpan]:
        """All epochs, oldest first."""
        return self._read(epoch_spans)

    def _check_schema(self) -> None:
        found, known = self._read(version_of), newest()
        if found == 0:
            raise NoInput(f"{self._path.parent}: the ledger here was not finished being created")
        if found != known:
            which = "a newer" if found > known else "an older"
            raise LedgerError(
                f"{self._path}: schema {found} is of {which} version, this one reads {known}; "
                "run the same version as the daemon"
            )

    def _media_rows(self, rows: Sequence[Sequence[Any]]) -> list[MediaRow]:
        """Those that can be read."""
        return [
            MediaRow(sha256, kind, mime, size, state, seq, self._media.path(sha256, mime))
            for sha256, kind, mime, size, state, seq in rows
            if is_media(sha256, kind, mime, size)
        ]

    def _decode(self, sql: str, *values: object) -> list[Entry]:
        return [entry for entry, _ in self._fetch(sql, *values)]

    def _fetch(self, sql: str, *values: object) -> list[tuple[Entry, int]]:
        return self._read(lambda _: self._entries.fetch(sql, values))

    def _all(self, sql: str, *values: object) -> list[Any]:
        return self._read(lambda connection: connection.execute(sql, values).fetchall())

    def _read(self, what: Callable[[sqlite3.Connection], T]) -> T:
        """Everything that `what` reads is of one moment."""
        try:
            with self._lock, database.snapshot(self._connection):
                return what(self._connection)
        except sqlite3.Error as exc:
            raise LedgerError(f"{self._path}: cannot be read: {exc}") from exc


def epoch_spans(connection: sqlite3.Connection) -> list[EpochSpan]:
    """All epochs, oldest first."""
    names = connection.execute("SELECT epoch FROM epochs ORDER BY first_seq").fetchall()
    bounds = [(name, epoch_bounds(connection, name)) for (name,) in names]
    owners = epoch_owners(connection)
    return [
        EpochSpan(name, *bound, owners.get(name, "")) for name, bound in bounds if bound is not None
    ]
