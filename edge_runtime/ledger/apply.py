"""Carrying out requests inside the writer's transaction.  Owned by the ledger's thread."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import TYPE_CHECKING

from edge_runtime import failpoint
from edge_runtime.ledger import database
from edge_runtime.ledger.ops import (
    Ack,
    Maintain,
    MediaAcked,
    Op,
    PutResult,
    PutTombstone,
    RecordAnchor,
    RecordModel,
    Refuse,
    RewindTo,
    RotateEpoch,
)
from edge_runtime.ledger.rows import COLUMNS, Row, row_of, value_of
from edge_runtime.ledger.seq_ranges import (
    add_ranges,
    begin_epoch,
    current_epoch,
    cut_ranges,
    epoch_bounds,
    load_ranges,
    load_settled,
    missing_rows,
    within_epoch,
)
from edge_runtime.types import Tombstone, TombstoneReason

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from edge_runtime.ledger.media import MediaStore
    from edge_runtime.types import Media, Result, Stamp

WHOLE_LEDGER = "*"
"""The lane of a tombstone that is about more than one; no lane can have this name."""

_INSERT = f"INSERT INTO entries ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - constants
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

    def carry_out(self, op: Op, now: Stamp) -> int | str | None:
        """Do one request; its value."""
        match op:
            case PutResult():
                return self.put_result(op.result)
            case PutTombstone():
                return self.put_tombstone(op.tombstone)
            case Ack():
                self._ack(op)
            case Refuse():
                self._refuse(op, now)
            case MediaAcked():
                self._media_acked(op)
            case RewindTo():
                self._rewind(op)
            case RotateEpoch():
                return self._rotate(op, now)
            case RecordModel() | RecordAnchor():
                self._record(op, now)
            case Maintain():
                pass  # the writer's business
        return None

    def put_result(self, result: Result) -> int:
        """Append a result and its links to media; its seq."""
        seq = self._insert(row_of(result, self))
        failpoint.reached("row_inserted")
        absent = [
            media
            for position, media in enumerate(result.media)
            if not self._link(seq, position, media, result)
        ]
        if absent:
            self.put_tombstone(_absent(result, absent, seq))
        return seq

    def put_tombstone(self, tombstone: Tombstone) -> int:
        """Append a tombstone; its seq."""
        return self._insert(row_of(tombstone, self))

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

    def _link(self, seq: int, position: int, media: Media, result: Result) -> bool:
        """Refer to a file; whether it is there."""
        mtime_ns = self._media.mtime_ns(media.sha256, media.mime)
        state = "evicted" if mtime_ns is None else "local"
        value = value_of(result.verdict.kind, media)
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

    def _ack(self, op: Ack) -> None:
        ranges = within_epoch(self.connection, op.epoch, op.ranges).ranges
        add_ranges(self.connection, "acked", ranges)
        self.connection.executemany("DELETE FROM quarantine WHERE seq BETWEEN ? AND ?", ranges)

    def _refuse(self, op: Refuse, now: Stamp) -> None:
        bounds = epoch_bounds(self.connection, op.epoch)
        if bounds is None:
            return
        acked = load_ranges(self.connection, "acked")
        self.connection.executemany(
            "INSERT OR REPLACE INTO quarantine (seq, code, detail, wall_ns) VALUES (?, ?, ?, ?)",
            [
                (seq, code, detail, now.wall_ns)
                for seq, code, detail in op.items
                if bounds[0] <= seq <= bounds[1] and seq not in acked
            ],
        )

    def _media_acked(self, op: MediaAcked) -> None:
        self.connection.executemany(
            "UPDATE media SET state = 'stored' WHERE sha256 = ? AND state = 'local'",
            [(sha256,) for sha256 in op.sha256s],
        )

    def _rewind(self, op: RewindTo) -> None:
        bounds = epoch_bounds(self.connection, op.epoch)
        if bounds is None:
            return
        first, last = max(op.through + 1, bounds[0]), bounds[1]
        if first > last:
            return
        # What was deleted since cannot be sent again; without saying so it would wait for ever.
        lost = missing_rows(self.connection, first, last)
        cut_ranges(self.connection, "acked", first, last)
        add_ranges(self.connection, "gone", lost.ranges)
        self.connection.execute(
            "UPDATE media SET state = 'local' WHERE state = 'stored' AND id IN "
            "(SELECT media FROM entry_media WHERE seq BETWEEN ? AND ?)",
            (first, last),
        )

    def _rotate(self, op: RotateEpoch, now: Stamp) -> str:
        current = current_epoch(self.connection)
        if op.epoch is not None and current is not None and op.epoch != current:
            return current
        first = load_settled(self.connection).head(1) + 1
        return begin_epoch(self.connection, first=first, reason=op.reason, now=now)

    def _record(self, op: RecordModel | RecordAnchor, now: Stamp) -> None:
        if isinstance(op, RecordModel):
            self.connection.execute(
                "INSERT INTO model_history (lane, model, sha256, wall_ns) VALUES (?, ?, ?, ?)",
                (op.lane, op.model, op.sha256, now.wall_ns),
            )
            return
        self.connection.execute(
            "INSERT INTO clock_anchors (boot_id, boottime_ns, wall_ns, origin) VALUES (?, ?, ?, ?)",
            (op.stamp.boot_id, op.stamp.boottime_ns, op.stamp.wall_ns, op.origin),
        )


def _absent(result: Result, media: list[Media], seq: int) -> Tombstone:
    names = ", ".join(f"{item.kind} {item.sha256[:12]}" for item in media)
    return Tombstone(
        lane=result.lane,
        reason=TombstoneReason.MEDIA_EVICTED,
        first=result.captured,
        last=result.captured,
        count=len(media),
        detail=f"not on the disk any more when result {seq} was stored: {names}",
    )
