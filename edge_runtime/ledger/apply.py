"""Carrying out requests inside the writer's transaction.  Owned by the ledger's thread."""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from typing import TYPE_CHECKING

from edge_runtime import failpoint
from edge_runtime.ledger import database, notes, sent
from edge_runtime.ledger.ops import (
    Ack,
    MediaAcked,
    MediaWanted,
    MetCollector,
    Op,
    PutAddition,
    PutEvent,
    PutResult,
    PutResults,
    PutTombstone,
    Refuse,
    Release,
    RewindTo,
    RotateEpoch,
)
from edge_runtime.ledger.rows import COLUMNS, Kind, Row, row_of, value_of
from edge_runtime.ledger.unreadable import CODE as UNREADABLE
from edge_runtime.types import Tombstone, TombstoneReason

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from edge_runtime.ledger.media import MediaStore
    from edge_runtime.types import Addition, Media, Result, Stamp

log = logging.getLogger(__name__)

WHOLE_LEDGER = "*"
"""The lane of a tombstone that is about more than one; no lane can have this name."""

_SEQS_SHOWN = 8
_MARKS = ", ".join("?" * (COLUMNS.count(",") + 1))
_INSERT = f"INSERT INTO entries ({COLUMNS}) VALUES ({_MARKS})"  # noqa: S608 - constants
_INSERT_MEDIA = (
    "INSERT INTO media (sha256, kind, mime, size_bytes, state, seq, value, mtime_ns) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (sha256) DO UPDATE SET "
    "state = CASE WHEN excluded.state = 'local' AND state = 'stored' THEN 'stored' "
    "ELSE excluded.state END, "
    "seq = excluded.seq, value = max(value, excluded.value), mtime_ns = excluded.mtime_ns"
)
_TALLY = (
    "INSERT INTO tallies (lane, kind, verdict, recorded, last_seq) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (lane, kind, verdict) DO UPDATE SET "
    "recorded = recorded + excluded.recorded, last_seq = excluded.last_seq"
)


class Tables:
    """The writer's view of the tables.  Whatever changes them is inside `transaction`."""

    def __init__(self, connection: sqlite3.Connection, media: MediaStore) -> None:
        self.connection = connection
        self._media = media
        self._numbers: dict[tuple[str, ...], int] = {}
        self._tallies: Counter[tuple[str, int, str]] = Counter()
        self._last_seqs: dict[tuple[str, int, str], int] = {}
        self._written_bytes = 0

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """One commit.  When it fails, the numbers that were given out in it are forgotten."""
        try:
            with database.transaction(self.connection):
                yield
                self._write_tallies()
        except BaseException:
            self._numbers.clear()
            raise
        finally:
            self._tallies.clear()

    def carry_out(self, op: Op, now: Stamp) -> int | list[int] | str | None:
        """Do one request; its value."""
        match op:
            case PutResult():
                return self.put_result(op.result)
            case PutResults():
                return [self.put_result(result) for result in op.results]
            case PutTombstone():
                return self.put_tombstone(op.tombstone, op.once)
            case PutAddition():
                return self.put_addition(op.addition)
            case PutEvent():
                return self._insert(row_of(op.event, self))
            case _:
                return self._change(op, now)

    def _change(self, op: Op, now: Stamp) -> int | str | None:
        """What appends nothing."""
        match op:
            case Ack():
                sent.ack(self.connection, op)
            case Refuse():
                sent.refuse(self.connection, op, now)
                self._tell_unreadable(op, now)
            case MediaAcked():
                sent.media_acked(self.connection, op)
            case MediaWanted():
                sent.media_wanted(self.connection, op)
            case Release():
                return sent.release(self.connection, op)
            case MetCollector():
                return sent.met_collector(self.connection, op)
            case RewindTo():
                sent.rewind(self.connection, op)
            case RotateEpoch():
                return sent.rotate(self.connection, op, now)
            case _:
                notes.note(self.connection, op, now)
        return None

    def put_result(self, result: Result) -> int:
        """Append a result and its links to media; its seq."""
        seq = self._insert(row_of(result, self))
        failpoint.reached("row_inserted")
        self._link_all(seq, result, result.verdict.kind.value, result.captured)
        return seq

    def put_addition(self, addition: Addition) -> int:
        """Append what came later about a part; its seq.  Its media are worth what the part is."""
        seq = self._insert(row_of(addition, self))
        part = self.connection.execute(
            "SELECT verdict FROM entries WHERE seq = ? AND kind = ?", (addition.about, Kind.RESULT)
        ).fetchone()
        self._link_all(seq, addition, part[0] if part else "", addition.at)
        return seq

    def put_tombstone(self, tombstone: Tombstone, once: str = "") -> int:
        """Append a tombstone; its seq, or 0 where `once` was taken before."""
        if not once:
            return self._insert(row_of(tombstone, self))
        if self._was_told(once):
            return 0
        seq = self._insert(row_of(tombstone, self))
        self.connection.execute("INSERT INTO once VALUES (?, ?)", (once, seq))
        failpoint.reached("once_inserted")
        return seq

    def take_written_bytes(self) -> int:
        """About how much was written since this was asked last."""
        written, self._written_bytes = self._written_bytes, 0
        return written

    def source(self, name: str) -> int:
        """Number of a source."""
        return self._number("sources", ("name",), (name,))

    def model(self, name: str, sha256: str) -> int:
        """Number of a model."""
        return self._number("models", ("name", "sha256"), (name, sha256))

    def boot(self, name: str) -> int:
        """Number of a boot."""
        return self._number("boots", ("name",), (name,))

    def _tell_unreadable(self, op: Refuse, now: Stamp) -> None:
        """The collector hears of entries that nobody can read, each of them once."""
        found = [(seq, why) for seq, code, why in op.items if code == UNREADABLE]
        keys = {seq: f"{UNREADABLE}:{seq}" for seq, _ in found}
        new = [(seq, why) for seq, why in found if not self._was_told(keys[seq])]
        if not new:
            return
        shown = ", ".join(str(seq) for seq, _ in new[:_SEQS_SHOWN])
        more = " ..." if len(new) > _SEQS_SHOWN else ""
        told = self.put_tombstone(Tombstone(
            lane=WHOLE_LEDGER, reason=TombstoneReason.UNREADABLE, first=now, last=now,
            count=len(new), detail=f"kept in quarantine: seq {shown}{more}: {new[0][1]}",
        ))  # fmt: skip
        log.error("entries_unreadable count=%d first=%d why=%s", len(new), new[0][0], new[0][1])
        self.connection.executemany(
            "INSERT INTO once VALUES (?, ?)", [(keys[seq], told) for seq, _ in new]
        )

    def _was_told(self, key: str) -> bool:
        found = self.connection.execute("SELECT 1 FROM once WHERE key = ?", (key,)).fetchone()
        return found is not None

    def _number(self, table: str, columns: tuple[str, ...], values: tuple[str, ...]) -> int:
        key = (table, *values)
        number = self._numbers.get(key)
        if number is None:
            where = " AND ".join(f"{column} = ?" for column in columns)
            found = self.connection.execute(
                f"SELECT id FROM {table} WHERE {where}",  # noqa: S608
                values,
            ).fetchone()
            number = int(found[0]) if found else self._new_number(table, columns, values)
            self._numbers[key] = number
        return number

    def _new_number(self, table: str, columns: tuple[str, ...], values: tuple[str, ...]) -> int:
        marks = ", ".join("?" * len(columns))
        names = ", ".join(columns)
        sql = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608
        number = self.connection.execute(sql, values).lastrowid
        assert number is not None
        return number

    def _insert(self, row: Row) -> int:
        seq = self.connection.execute(_INSERT, row).lastrowid
        assert seq is not None
        self._written_bytes += len(row[-1])
        key = (row[1], row[0], row[2])
        self._tallies[key] += 1
        self._last_seqs[key] = seq
        return seq

    def _link_all(self, seq: int, entry: Result | Addition, verdict: str, at: Stamp) -> None:
        """Refer to an entry's files; those that are gone have a tombstone behind it."""
        absent = [
            media
            for position, media in enumerate(entry.media)
            if not self._link(seq, position, media, verdict)
        ]
        if absent:
            self.put_tombstone(_absent(entry.lane, at, absent, seq))

    def _link(self, seq: int, position: int, media: Media, verdict: str) -> bool:
        """Refer to a file; whether it is there."""
        mtime_ns = self._media.mtime_ns(media.sha256, media.mime)
        state = "evicted" if mtime_ns is None else "local"
        value = value_of(verdict, media)
        self.connection.execute(_INSERT_MEDIA, (
            media.sha256, media.kind, media.mime, media.size_bytes, state, seq, value, mtime_ns or
            0,
        ))  # fmt: skip
        self.connection.execute(
            "INSERT INTO entry_media SELECT ?, ?, id FROM media WHERE sha256 = ?",
            (seq, position, media.sha256),
        )
        return mtime_ns is not None

    def _write_tallies(self) -> None:
        self.connection.executemany(
            _TALLY, [(*key, number, self._last_seqs[key]) for key, number in self._tallies.items()]
        )


def _absent(lane: str, at: Stamp, media: list[Media], seq: int) -> Tombstone:
    names = ", ".join(f"{item.kind} {item.sha256[:12]}" for item in media)
    return Tombstone(
        lane=lane,
        reason=TombstoneReason.MEDIA_EVICTED,
        first=at,
        last=at,
        count=len(media),
        detail=f"not on the disk any more when result {seq} was stored: {names}",
    )
