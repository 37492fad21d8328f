"""Reading the ledger: every SELECT that is not the writer's.  Read-only, from any process.

Reads are short: a batch is fetched and the statement closed, so that checkpoints are never starved.
"""

from __future__ import annotations

import functools
import sqlite3
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from edge_runtime.errors import LedgerError
from edge_runtime.intervals import IntervalSet
from edge_runtime.ledger import database
from edge_runtime.ledger.media import MediaStore
from edge_runtime.ledger.ops import epoch_bounds, load_ranges, load_settled, max_seq
from edge_runtime.ledger.rows import RESULT, TOMBSTONE, Entry, entry_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["Backlog", "Counts", "Entry", "Identity", "LedgerReader", "MediaRow", "SyncState"]

T = TypeVar("T")

_ENTRY = "SELECT seq, kind, body FROM entries"
_FETCH = 256


@dataclass(frozen=True, slots=True)
class Identity:
    """Who wrote this ledger."""

    device: str
    epoch: str
    """The current one."""
    schema: int


@dataclass(frozen=True, slots=True)
class Counts:
    """How many there are."""

    rows: int
    """Results on this box."""
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
    seq: int
    path: Path


class LedgerReader:
    """Any thread, one call at a time (a lock sees to it).  Raises `NoInput` without a ledger."""

    def __init__(self, data_dir: Path) -> None:
        """Open ``data_dir/ledger.db`` read-only."""
        self._path = data_dir / database.FILE
        self._media = MediaStore(data_dir)
        self._connection = database.open_reader(self._path)
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the connection.  Idempotent."""
        self._connection.close()

    def __enter__(self) -> LedgerReader:  # noqa: PYI034 - nobody derives from it
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def identity(self) -> Identity:
        """Device, current epoch, schema version."""
        device = self._all("SELECT value FROM meta WHERE key = 'device'")
        epoch = self._all("SELECT epoch FROM epochs ORDER BY first_seq DESC LIMIT 1")
        schema = self._all("PRAGMA user_version")
        if not device or not epoch:
            raise LedgerError(f"{self._path}: the ledger was not finished being created")
        return Identity(str(device[0][0]), str(epoch[0][0]), int(schema[0][0]))  # type: ignore[call-overload]

    def max_seq(self) -> int:
        """The highest seq ever given; 0 for none."""
        return self._ask(max_seq)

    def min_seq(self) -> int:
        """The lowest seq still here; ``max_seq + 1`` for none."""
        rows = self._all("SELECT min(seq) FROM entries")
        return self.max_seq() + 1 if rows[0][0] is None else int(str(rows[0][0]))

    def epochs(self) -> list[EpochSpan]:
        """All epochs, oldest first."""
        names = [str(name) for (name,) in self._all("SELECT epoch FROM epochs")]
        spans = [(name, self._ask(functools.partial(epoch_bounds, epoch=name))) for name in names]
        found = [EpochSpan(name, *bounds) for name, bounds in spans if bounds is not None]
        return sorted(found, key=lambda span: span.first)

    def counts(self) -> Counts:
        """Rows by lane and verdict."""
        grouped = self._all("SELECT lane, verdict, count(*), kind FROM entries GROUP BY 1, 2, 4")
        by_lane: dict[str, dict[str, int]] = {}
        totals = {RESULT: 0, TOMBSTONE: 0}
        for lane, verdict, number, kind in grouped:
            by_lane.setdefault(str(lane), {})[str(verdict)] = int(str(number))
            totals[str(kind)] += int(str(number))
        quarantined = self._all("SELECT count(*) FROM quarantine")[0][0]
        return Counts(totals[RESULT], totals[TOMBSTONE], int(str(quarantined)), by_lane)

    def totals(self) -> Counts:
        """As `counts` without the lanes; quick however long the ledger is."""
        tombstones = self._all(
            "SELECT (SELECT count(*) FROM entries WHERE kind = 'tombstone'), "
            "(SELECT count(*) FROM quarantine), (SELECT count(*) FROM entries)"
        )[0]
        buried, refused, every = (int(str(number)) for number in tombstones)
        return Counts(every - buried, buried, refused)

    def sync_state(self) -> SyncState:
        """What the collector has."""
        acked = self._ask(lambda connection: load_ranges(connection, "acked"))
        settled, top = self._ask(load_settled), self._ask(max_seq)
        return SyncState(self.identity().epoch, acked, settled, top)

    def backlog(self) -> Backlog:
        """What is still to be sent; quick however long it is."""
        state = self.sync_state()
        missing = list(state.settled.missing(1, state.max_seq))
        media = self._all(
            "SELECT count(*), coalesce(sum(size_bytes), 0) FROM media WHERE state = 'local'"
        )[0]
        oldest = None
        if missing:
            row = self._all(
                "SELECT wall_ns FROM entries WHERE seq >= ? ORDER BY seq LIMIT 1", missing[0][0]
            )
            oldest = int(str(row[0][0])) if row else None
        rows = sum(last - first + 1 for first, last in missing)
        return Backlog(rows, int(str(media[0])), int(str(media[1])), oldest)

    def unsent(
        self, limit: int, max_bytes: int = 1 << 24, *, beside: IntervalSet | None = None
    ) -> list[Entry]:
        """The oldest rows that the collector does not have, at most `limit`, one epoch's only.

        `beside`: seqs that are on their way and are left out too.
        """
        state = self.sync_state()
        skip = state.settled.union(beside or IntervalSet())
        found: list[Entry] = []
        size = 0
        for first, last in skip.missing(1, state.max_seq):
            for seq, kind, body in self._span(first, last, limit - len(found)):
                epoch = self._epoch_of(seq)
                size += len(body)
                if found and (epoch != found[0].epoch or size > max_bytes):
                    return found
                found.append(entry_of(seq, epoch, kind, body))
            if len(found) >= limit:
                break
        return found

    def unsent_media(self, limit: int) -> list[MediaRow]:
        """Media that the collector lacks, of results that it has; the most valuable first."""
        acked = self.sync_state().acked
        rows = self._all(
            "SELECT sha256, kind, mime, size_bytes, state, seq FROM media "
            "WHERE state = 'local' AND seq <= ? ORDER BY value DESC, seq LIMIT ?",
            acked.ranges[-1][1] if acked.ranges else 0,
            max(limit * 4, 64),
        )
        return [row for row in map(self._media_row, rows) if row.seq in acked][:limit]

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
        """Results and tombstones that match."""
        wanted = {
            "lane = ?": lane,
            "verdict = ?": verdict,
            "label = ?": label,
            "wall_ns >= ?": since_wall_ns,
            "seq < ?": before_seq,
            "seq > ?": after_seq,
        }
        given = {clause: value for clause, value in wanted.items() if value is not None}
        where = " WHERE " + " AND ".join(given) if given else ""
        order = "DESC" if newest_first else "ASC"
        rows = self._all(f"{_ENTRY}{where} ORDER BY seq {order} LIMIT ?", *given.values(), limit)
        return [self._entry(row) for row in rows]

    def result(self, seq: int) -> Entry | None:
        """One entry."""
        rows = self._all(f"{_ENTRY} WHERE seq = ?", seq)
        return self._entry(rows[0]) if rows else None

    def media_of(self, seq: int) -> list[MediaRow]:
        """The media of one entry, evicted ones too."""
        rows = self._all(
            "SELECT m.sha256, m.kind, m.mime, m.size_bytes, m.state, m.seq FROM entry_media e "
            "JOIN media m USING (sha256) WHERE e.seq = ?",
            seq,
        )
        return [self._media_row(row) for row in rows]

    def quarantined(self, limit: int = 100) -> list[tuple[int, str, str]]:
        """(seq, code, detail) of what the collector refused."""
        rows = self._all("SELECT seq, code, detail FROM quarantine ORDER BY seq LIMIT ?", limit)
        return [(int(str(seq)), str(code), str(detail)) for seq, code, detail in rows]

    def has_item(self, lane: str, item: str) -> bool:
        """Whether a lane has a result of this replayed item."""
        return bool(
            self._all("SELECT 1 FROM entries WHERE lane = ? AND item = ? LIMIT 1", lane, item)
        )

    def _entry(self, row: tuple[object, ...]) -> Entry:
        seq = int(str(row[0]))
        return entry_of(seq, self._epoch_of(seq), str(row[1]), str(row[2]))

    def _span(self, first: int, last: int, limit: int) -> Iterator[tuple[int, str, str]]:
        at = first
        while limit > 0:
            rows = self._all(
                f"{_ENTRY} WHERE seq >= ? AND seq <= ? ORDER BY seq LIMIT ?",
                at,
                last,
                min(limit, _FETCH),
            )
            if not rows:
                return
            for seq, kind, body in rows:
                yield int(str(seq)), str(kind), str(body)
            at = int(str(rows[-1][0])) + 1
            limit -= len(rows)

    def _epoch_of(self, seq: int) -> str:
        rows = self._all(
            "SELECT epoch FROM epochs WHERE first_seq <= ? ORDER BY first_seq DESC LIMIT 1", seq
        )
        return str(rows[0][0]) if rows else ""

    def _media_row(self, row: tuple[object, ...]) -> MediaRow:
        sha256, kind, mime, size, state, seq = row
        return MediaRow(
            str(sha256),
            str(kind),
            str(mime),
            int(str(size)),
            str(state),
            int(str(seq)),
            self._media.path(str(sha256), str(mime)),
        )

    def _all(self, sql: str, *values: object) -> list[tuple[object, ...]]:
        return self._ask(lambda connection: connection.execute(sql, values).fetchall())

    def _ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        try:
            with self._lock:
                return question(self._connection)
        except sqlite3.Error as exc:
            raise LedgerError(f"{self._path}: cannot be read: {exc}") from exc
