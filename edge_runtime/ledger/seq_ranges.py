"""Ranges of seq in the database: acknowledged, gone, refused, and which epoch they belong to.

Plain functions over a connection; the writer calls those that change something inside its
transaction.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from edge_runtime.intervals import IntervalSet

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from edge_runtime.types import Stamp

_END = 1 << 62
RENAMED = "the device was called "
"""Begins the reason of an epoch whose rows are the first under another name."""


def max_seq(connection: sqlite3.Connection) -> int:
    """The highest seq ever given, 0 for none; also after the top rows were deleted."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'entries'").fetchone()
    return int(row[0]) if row else 0


def load_ranges(connection: sqlite3.Connection, table: str) -> IntervalSet:
    """The ranges of ``acked`` or ``gone``."""
    rows = connection.execute(f"SELECT first, last FROM {table} ORDER BY first")  # noqa: S608
    return IntervalSet.of(rows.fetchall())


def load_settled(connection: sqlite3.Connection) -> IntervalSet:
    """Acknowledged, gone or refused for good: there is nothing to send."""
    refused = connection.execute("SELECT seq, seq FROM quarantine ORDER BY seq").fetchall()
    settled = load_ranges(connection, "acked").union(load_ranges(connection, "gone"))
    return settled.union(IntervalSet.of(refused))


def add_ranges(
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
        connection.execute(
            f"INSERT INTO {table} VALUES (?, ?)",  # noqa: S608
            (min(ends), max(ends)),
        )


def cut_ranges(connection: sqlite3.Connection, table: str, first: int, last: int = _END) -> None:
    """Take ``first..last`` out."""
    kept = load_ranges(connection, table).without(first, last)
    connection.execute(f"DELETE FROM {table}")  # noqa: S608
    connection.executemany(f"INSERT INTO {table} VALUES (?, ?)", kept.ranges)  # noqa: S608


def current_epoch(connection: sqlite3.Connection) -> str | None:
    """The epoch that new rows belong to; None in a new database."""
    row = connection.execute("SELECT epoch FROM epochs ORDER BY first_seq DESC LIMIT 1").fetchone()
    return str(row[0]) if row else None


def epoch_owners(connection: sqlite3.Connection) -> dict[str, str]:
    """Epoch -> what the device was called in it.

    An epoch that began with a new name keeps the name before it in its reason.
    """
    row = connection.execute("SELECT value FROM meta WHERE key = 'device'").fetchone()
    device = str(row[0]) if row else ""
    owners = {}
    for epoch, reason in connection.execute(
        "SELECT epoch, reason FROM epochs ORDER BY first_seq DESC"
    ):
        owners[str(epoch)] = device
        if str(reason).startswith(RENAMED):
            device = str(reason).removeprefix(RENAMED)
    return owners


def epoch_bounds(connection: sqlite3.Connection, epoch: str) -> tuple[int, int] | None:
    """(first, last) seq of an epoch, last below first while empty; None for an unknown one."""
    row = connection.execute("SELECT first_seq FROM epochs WHERE epoch = ?", (epoch,)).fetchone()
    if row is None:
        return None
    after = connection.execute(
        "SELECT min(first_seq) FROM epochs WHERE first_seq > ?", (row[0],)
    ).fetchone()[0]
    return int(row[0]), int(after) - 1 if after is not None else max_seq(connection)


def within_epoch(
    connection: sqlite3.Connection, epoch: str, ranges: Iterable[tuple[int, int]]
) -> IntervalSet:
    """`ranges` cut to what an epoch of this ledger holds; an ack of anything else is no ack."""
    bounds = epoch_bounds(connection, epoch)
    if bounds is None:
        return IntervalSet()
    cut = [(max(first, bounds[0]), min(last, bounds[1])) for first, last in ranges]
    return IntervalSet.of((first, last) for first, last in cut if first <= last)


def begin_epoch(connection: sqlite3.Connection, *, first: int, reason: str, now: Stamp) -> str:
    """Rows from `first` on belong to a new random epoch, and none of them is acknowledged."""
    epoch = secrets.token_hex(16)
    # An epoch that goes without a row takes along whose the rows before it are.
    before = connection.execute(
        "SELECT reason FROM epochs WHERE first_seq >= ? AND reason LIKE ? ORDER BY first_seq",
        (first, RENAMED + "%"),
    ).fetchone()
    reason = reason if before is None else before[0]
    connection.execute("DELETE FROM epochs WHERE first_seq >= ?", (first,))
    connection.execute(
        "INSERT INTO epochs (first_seq, epoch, reason, wall_ns) VALUES (?, ?, ?, ?)",
        (first, epoch, reason, now.wall_ns),
    )
    # What was deleted once it was acknowledged cannot be sent again: it must not be waited for.
    lost = missing_rows(connection, first, max_seq(connection))
    cut_ranges(connection, "acked", first)
    add_ranges(connection, "gone", lost.ranges)
    connection.execute("DELETE FROM quarantine WHERE seq >= ?", (first,))
    return epoch


def missing_rows(connection: sqlite3.Connection, first: int, last: int) -> IntervalSet:
    """Of ``first..last``, what has no row here.  Reads every row's number: for rare occasions."""
    missing = []
    expected = first
    for (seq,) in connection.execute(
        "SELECT seq FROM entries WHERE seq BETWEEN ? AND ? ORDER BY seq", (first, last)
    ):
        if seq > expected:
            missing.append((expected, seq - 1))
        expected = seq + 1
    if expected <= last:
        missing.append((expected, last))
    return IntervalSet.of(missing)
