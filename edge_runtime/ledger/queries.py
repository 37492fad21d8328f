"""Reading the ledger: every SELECT that is not the writer's.  Read-only, from any process.

Reads are short: a batch is fetched and the statement is done, so that checkpoints are never
starved.
"""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from edge_runtime.errors import LedgerError, NoInput
from edge_runtime.ledger import database
from edge_runtime.ledger.media import MediaStore
from edge_runtime.ledger.migrate import newest, version_of
from edge_runtime.ledger.rows import COLUMNS, RESULT, TOMBSTONE, Entry
from edge_runtime.ledger.rows_reading import EntryReader
from edge_runtime.ledger.seq_ranges import (
    epoch_bounds,
    load_ranges,
    load_settled,
    max_seq,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import TracebackType

    from edge_runtime.intervals import IntervalSet

T = TypeVar("T")

__all__ = ["Backlog", "Counts", "Entry", "Identity", "LedgerReader", "MediaRow", "SyncState"]

_FETCH = 256
_QUIET = ("pass", "no_speech")
_ENTRY = f"SELECT seq, {COLUMNS} FROM entries"  # noqa: S608 - constants
_MEDIA = "SELECT m.sha256, m.kind, m.mime, m.size_bytes, m.state, m.seq FROM media m"
_UNSENT_MEDIA = (
    f"{_MEDIA} WHERE m.state = 'local' AND EXISTS ("  # noqa: S608 - a constant
    "SELECT 1 FROM acked WHERE first <= m.seq AND last >= m.seq) "
    "ORDER BY m.value DESC, m.seq DESC LIMIT ?"
)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who wrote this ledger."""

    device: str
    epoch: str
    """The current one."""
    schema: int


@dataclass(frozen=True, slots=True)
class Counts:
    """How many there are on this box."""

    rows: int
    """Results."""
    tombstones: int
    quarantined: int
    by_lane: dict[str, dict[str, int]] = field(default_factory=dict)
    """Lane -> verdict (or reason) -> number."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What the collector does not have yet."""

    rows: int
    media: int
    media_bytes: int
    oldest_wall_ns: int | None


@dataclass(frozen=True, slots=True)
class EpochSpan:
    """The seqs that belong to one epoch; `last` is below `first` while it is empty."""

    epoch: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class SyncState:
    """Where sync stands."""

    epoch: str
    acked: IntervalSet
    settled: IntervalSet
    """Acknowledged, refused for good, or gone: nothing to send."""
    max_seq: int


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


class LedgerReader:
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

    def __enter__(self) -> LedgerReader:  # noqa: PYI034 - nobody derives from it
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
        return self._read(_epoch_spans)

    def counts(self) -> Counts:
        """Rows by lane and verdict; quick however long the ledger is."""
        by_lane: dict[str, dict[str, int]] = {}
        totals = {RESULT: 0, TOMBSTONE: 0}
        for lane, kind, verdict, number in self._all(
            "SELECT lane, kind, verdict, recorded - deleted FROM tallies"
        ):
            by_lane.setdefault(lane, {})[verdict] = number
            totals[kind] += number
        quarantined = self._all("SELECT count(*) FROM quarantine")[0][0]
        return Counts(totals[RESULT], totals[TOMBSTONE], quarantined, by_lane)

    def totals(self) -> Counts:
        """As `counts`, without the lanes."""
        counts = self.counts()
        return Counts(counts.rows, counts.tombstones, counts.quarantined)

    def last_verdicts(self) -> dict[str, Entry]:
        """Lane -> its newest result that is still here."""
        newest = self._all("SELECT max(last_seq) FROM tallies WHERE kind = ? GROUP BY lane", RESULT)
        entries = [self.result(seq) for (seq,) in newest]
        return {entry.body.lane: entry for entry in entries if entry is not None}

    def sync_state(self) -> SyncState:
        """What the collector has."""
        epoch = self.identity().epoch
        acked, settled, top = self._read(
            lambda c: (load_ranges(c, "acked"), load_settled(c), max_seq(c))
        )
        return SyncState(epoch, acked, settled, top)

    def backlog(self) -> Backlog:
        """What is still to be sent; quick however long it is."""
        settled, top = self._read(lambda c: (load_settled(c), max_seq(c)))
        missing = list(settled.missing(1, top))
        media, media_bytes = self._all(
            "SELECT count(*), coalesce(sum(size_bytes), 0) FROM media WHERE state = 'local'"
        )[0]
        oldest = None
        if missing:
            row = self._all(
                "SELECT wall_ns FROM entries WHERE seq >= ? ORDER BY seq LIMIT 1", missing[0][0]
            )
            oldest = int(row[0][0]) if row else None
        rows = sum(last - first + 1 for first, last in missing)
        return Backlog(rows, int(media), int(media_bytes), oldest)

    def unsent(
        self, limit: int, max_bytes: int = 1 << 24, *, beside: IntervalSet | None = None
    ) -> list[Entry]:
        """The oldest rows that the collector does not have, at most `limit`, one epoch's only.

        About `max_bytes` of them, but at least one.  `beside`: seqs that are on their way and are
        left out too.
        """
        settled, top, spans = self._read(lambda c: (load_settled(c), max_seq(c), _epoch_spans(c)))
        skip = settled.union(beside) if beside else settled
        for span in spans:
            found: list[Entry] = []
            room = max_bytes
            for first, last in skip.missing(span.first, min(span.last, top)):
                entries, room = self._span(first, last, limit - len(found), room)
                found += entries
                if len(found) >= limit or room <= 0:
                    break
            if found:
                return found
        return []

    def unsent_media(self, limit: int) -> list[MediaRow]:
        """Media that the collector lacks, of results that it has; the most valuable first."""
        rows = self._all(
            _UNSENT_MEDIA,
            limit,
        )
        return [self._media_row(row) for row in rows]

    def results(
        self,
        *,
        lane: str | None = None,
        verdict: str | None = None,
        label: str | None = None,
        since_wall_ns: int | None = None,
        before_seq: int | None = None,
        after_seq: int | None = None,
        limit: int = 50,
        newest_first: bool = True,
    ) -> list[Entry]:
        """Results and tombstones (their verdict is the reason) that match."""
        wanted = {
            "lane = ?": lane,
            "verdict = ?": verdict,
            "label = ?": label,
            "wall_ns >= ?": since_wall_ns,
            "seq < ?": before_seq,
            "seq > ?": after_seq,
        }
        given = {clause: value for clause, value in wanted.items() if value is not None}
        clauses = list(given)
        if verdict is not None and verdict not in _QUIET:
            clauses.append("verdict NOT IN ('pass', 'no_speech')")  # so that the index may be used
        where = " WHERE " + " AND ".join(clauses) if clauses else ""
        order = "DESC" if newest_first else "ASC"
        return self._decode(f"{_ENTRY}{where} ORDER BY seq {order} LIMIT ?", *given.values(), limit)

    def result(self, seq: int) -> Entry | None:
        """One entry."""
        return next(iter(self._decode(f"{_ENTRY} WHERE seq = ?", seq)), None)

    def media_of(self, seq: int) -> list[MediaRow]:
        """The media of one entry in their order, evicted ones too."""
        rows = self._all(
            f"{_MEDIA} JOIN entry_media l ON l.media = m.id WHERE l.seq = ? ORDER BY l.position",
            seq,
        )
        return [self._media_row(row) for row in rows]

    def quarantined(self, limit: int = 100) -> list[tuple[int, str, str]]:
        """(seq, code, detail) of what the collector refused."""
        return self._all("SELECT seq, code, detail FROM quarantine ORDER BY seq LIMIT ?", limit)

    def has_item(self, lane: str, item: str) -> bool:
        """Whether a lane has a result of this replayed item."""
        sql = "SELECT 1 FROM entries WHERE lane = ? AND item = ? LIMIT 1"
        return bool(self._all(sql, lane, item))

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

    def _span(self, first: int, last: int, limit: int, room: int) -> tuple[list[Entry], int]:
        """Entries of ``first..last`` until `limit` or `room` (bytes) is used up; the room left."""
        found: list[Entry] = []
        at = first
        while limit > len(found) and room > 0:
            fetched = self._fetch(
                f"{_ENTRY} WHERE seq >= ? AND seq <= ? ORDER BY seq LIMIT ?",
                at, last, min(limit - len(found), _FETCH),
            )  # fmt: skip
            if not fetched:
                break
            for entry, size_bytes in fetched:
                if room > 0:
                    found.append(entry)
                room -= size_bytes
            at = fetched[-1][0].seq + 1
        return found, room

    def _media_row(self, row: Sequence[Any]) -> MediaRow:
        sha256, kind, mime, size, state, seq = row
        return MediaRow(sha256, kind, mime, size, state, seq, self._media.path(sha256, mime))

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


def _epoch_spans(connection: sqlite3.Connection) -> list[EpochSpan]:
    names = connection.execute("SELECT epoch FROM epochs ORDER BY first_seq").fetchall()
    bounds = [(name, epoch_bounds(connection, name)) for (name,) in names]
    return [EpochSpan(name, *bound) for name, bound in bounds if bound is not None]
