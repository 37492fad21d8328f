"""What can be asked of the ledger: frozen requests, each carried out inside the writer's commit."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from edge_runtime import failpoint
from edge_runtime.intervals import IntervalSet
from edge_runtime.ledger.rows import VALUE, row_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from edge_runtime.types import Media, Result, Stamp, Tombstone


@dataclass(frozen=True, slots=True)
class PutResult:
    """Append a result; its value is the `seq`."""

    result: Result


@dataclass(frozen=True, slots=True)
class PutTombstone:
    """Append a tombstone; its value is the `seq`."""

    tombstone: Tombstone


@dataclass(frozen=True, slots=True)
class Ack:
    """The collector has these closed ranges durably."""

    epoch: str
    ranges: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Refuse:
    """The collector refuses these (seq, code, detail) for good."""

    epoch: str
    items: tuple[tuple[int, str, str], ...]


@dataclass(frozen=True, slots=True)
class MediaAcked:
    """The collector has these media durably."""

    sha256s: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RewindTo:
    """The collector has this epoch only through `through`: the rest counts as unsent again."""

    epoch: str
    through: int


@dataclass(frozen=True, slots=True)
class RotateEpoch:
    """What the collector does not have belongs to a new epoch from here on."""

    reason: str


@dataclass(frozen=True, slots=True)
class RecordModel:
    """A lane has loaded this model."""

    lane: str
    model: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Maintain:
    """Look at room and age now."""


Op: TypeAlias = (
    PutResult
    | PutTombstone
    | Ack
    | Refuse
    | MediaAcked
    | RewindTo
    | RotateEpoch
    | RecordModel
    | Maintain
)

_INSERT = (
    "INSERT INTO entries (kind, lane, verdict, label, score, item, wall_ns, body) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_INSERT_MEDIA = (
    "INSERT INTO media (sha256, kind, mime, size_bytes, state, seq, value) "
    "VALUES (?, ?, ?, ?, 'local', ?, ?) ON CONFLICT (sha256) DO UPDATE SET "
    "state = CASE state WHEN 'evicted' THEN 'local' ELSE state END, "
    "seq = excluded.seq, value = max(value, excluded.value)"
)


def carry_out(connection: sqlite3.Connection, op: Op, now: Stamp) -> int | str | None:
    """Do one operation inside the open transaction; its value."""
    match op:
        case PutResult():
            return _put_result(connection, op.result)
        case PutTombstone():
            return _insert(connection, row_of(op.tombstone))
        case Ack():
            change_ranges(connection, "acked", within_epoch(connection, op.epoch, op.ranges))
        case Refuse():
            _refuse(connection, op, now)
        case MediaAcked():
            connection.executemany(
                "UPDATE media SET state = 'stored' WHERE sha256 = ? AND state = 'local'",
                [(sha256,) for sha256 in op.sha256s],
            )
        case RewindTo():
            _rewind(connection, op)
        case RotateEpoch():
            return rotate_epoch(connection, op.reason, now)
        case RecordModel():
            connection.execute(
                "INSERT INTO model_history (lane, model, sha256, wall_ns) VALUES (?, ?, ?, ?)",
                (op.lane, op.model, op.sha256, now.wall_ns),
            )
        case Maintain():
            pass
    return None


def load_ranges(connection: sqlite3.Connection, table: str) -> IntervalSet:
    """The ranges of ``acked`` or ``gone``."""
    rows = connection.execute(f"SELECT first, last FROM {table} ORDER BY first")  # noqa: S608
    return IntervalSet.of(rows.fetchall())


def load_settled(connection: sqlite3.Connection) -> IntervalSet:
    """What need not be sent: acknowledged, refused for good, or gone."""
    refused = connection.execute("SELECT seq, seq FROM quarantine").fetchall()
    known = load_ranges(connection, "acked").union(load_ranges(connection, "gone"))
    return known.union(IntervalSet.of(refused))


def change_ranges(
    connection: sqlite3.Connection, table: str, ranges: Iterable[tuple[int, int]]
) -> None:
    """Add ranges; touching ones become one row, so an orderly ledger has a single row here."""
    for first, last in ranges:
        near = connection.execute(
            f"SELECT first, last FROM {table} WHERE first <= ? AND last >= ?",  # noqa: S608
            (last + 1, first - 1),
        ).fetchall()
        ends = [first, last, *(end for pair in near for end in pair)]
        connection.executemany(
            f"DELETE FROM {table} WHERE first = ?",  # noqa: S608
            [(pair[0],) for pair in near],
        )
        connection.execute(f"INSERT INTO {table} VALUES (?, ?)", (min(ends), max(ends)))  # noqa: S608


def epoch_bounds(connection: sqlite3.Connection, epoch: str) -> tuple[int, int] | None:
    """(first, last) seq that may belong to an epoch; None for an unknown one."""
    row = connection.execute("SELECT first_seq FROM epochs WHERE epoch = ?", (epoch,)).fetchone()
    if row is None:
        return None
    after = connection.execute(
        "SELECT min(first_seq) FROM epochs WHERE first_seq > ?", (row[0],)
    ).fetchone()[0]
    return int(row[0]), int(after) - 1 if after is not None else max_seq(connection)


def within_epoch(
    connection: sqlite3.Connection, epoch: str, ranges: Iterable[tuple[int, int]]
) -> list[tuple[int, int]]:
    """`ranges` cut to what an epoch of this ledger holds; an ack of anything else is no ack."""
    bounds = epoch_bounds(connection, epoch)
    if bounds is None:
        return []
    cut = [(max(first, bounds[0]), min(last, bounds[1])) for first, last in ranges]
    return [(first, last) for first, last in cut if first <= last]


def max_seq(connection: sqlite3.Connection) -> int:
    """The highest seq ever given, 0 for none; also after the top rows were deleted."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'entries'").fetchone()
    return int(row[0]) if row else 0


def rotate_epoch(
    connection: sqlite3.Connection, reason: str, now: Stamp, *, first: int | None = None
) -> str:
    """A new epoch from `first` on, else from the first seq that nothing has settled; the epoch.

    What is refused or gone is settled like what is acknowledged: a hole below must not make rows
    that the collector has be sent again under another name.
    """
    epoch = secrets.token_hex(16)
    first = first or load_settled(connection).head(1) + 1
    connection.execute("DELETE FROM epochs WHERE first_seq >= ?", (first,))
    connection.execute(
        "INSERT INTO epochs (first_seq, epoch, reason, wall_ns) VALUES (?, ?, ?, ?)",
        (first, epoch, reason, now.wall_ns),
    )
    _cut_acked(connection, first)
    return epoch


def _put_result(connection: sqlite3.Connection, result: Result) -> int:
    seq = _insert(connection, row_of(result))
    failpoint.reached("row_inserted")
    for media in result.media:
        _link_media(connection, seq, media, VALUE.get(result.verdict.kind.value, 1))
    return seq


def _insert(connection: sqlite3.Connection, row: tuple[object, ...]) -> int:
    seq = connection.execute(_INSERT, row).lastrowid
    assert seq is not None
    return seq


def _link_media(connection: sqlite3.Connection, seq: int, media: Media, value: int) -> None:
    connection.execute(
        _INSERT_MEDIA, (media.sha256, media.kind, media.mime, media.size_bytes, seq, value)
    )
    connection.execute("INSERT OR IGNORE INTO entry_media VALUES (?, ?)", (seq, media.sha256))


def _refuse(connection: sqlite3.Connection, op: Refuse, now: Stamp) -> None:
    bounds = epoch_bounds(connection, op.epoch)
    if bounds is None:
        return
    connection.executemany(
        "INSERT OR REPLACE INTO quarantine (seq, code, detail, wall_ns) VALUES (?, ?, ?, ?)",
        [
            (seq, code, detail, now.wall_ns)
            for seq, code, detail in op.items
            if bounds[0] <= seq <= bounds[1]
        ],
    )


def _rewind(connection: sqlite3.Connection, op: RewindTo) -> None:
    bounds = epoch_bounds(connection, op.epoch)
    if bounds is not None:
        _cut_acked(connection, max(op.through + 1, bounds[0]), bounds[1])
        connection.execute(
            "UPDATE media SET state = 'local' WHERE state = 'stored' AND sha256 IN "
            "(SELECT sha256 FROM entry_media WHERE seq > ? AND seq <= ?)",
            (op.through, bounds[1]),
        )


def _cut_acked(connection: sqlite3.Connection, first: int, last: int = (1 << 62)) -> None:
    kept = load_ranges(connection, "acked").without(first, last)
    connection.execute("DELETE FROM acked")
    connection.executemany("INSERT INTO acked VALUES (?, ?)", kept.ranges)
