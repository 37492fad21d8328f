"""A damaged database: what can be read goes into a new one, and the damaged one is kept.

Order: the new file is built beside the damaged one, complete and durable; then the damaged one is
moved to ``quarantine/``; then the new one takes its name.  A crash before the first move leaves
everything as it was; one after it is finished at the next start (`finish`).  Nothing is ever
recreated empty in silence.
"""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
from typing import TYPE_CHECKING, Any

from edge_runtime.errors import LedgerError
from edge_runtime.ledger import database
from edge_runtime.ledger.apply import WHOLE_LEDGER, Tables
from edge_runtime.ledger.folder import QUARANTINE, sync_folder
from edge_runtime.ledger.media import MediaStore
from edge_runtime.ledger.migrate import migrate
from edge_runtime.ledger.seq_ranges import (
    add_ranges,
    begin_epoch,
    load_ranges,
    max_seq,
    missing_rows,
)
from edge_runtime.types import Tombstone, TombstoneReason

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edge_runtime.types import Stamp

REBUILT = "ledger-recovered.db"
_TABLES = (
    "sources", "models", "boots", "epochs", "media", "entry_media", "acked", "gone", "quarantine",
    "marks", "clock_anchors", "model_history", "meta", "once", "pins", "source_identities",
)  # fmt: skip
_COPY_ROWS = 500
_RANGES_SHOWN = 8


def recover(data_dir: Path, damage: str, now: Stamp, epoch: str) -> str:
    """Replace the damaged database; what was done, for people.

    `epoch` is the one that the file beside the database names; rows whose own is not readable get
    it. Raises sqlite3.Error or OSError, with the damaged file where it was.
    """
    rebuilt = data_dir / REBUILT
    for suffix in database.SUFFIXES:  # of an attempt that did not end
        rebuilt.with_name(REBUILT + suffix).unlink(missing_ok=True)
    folder = data_dir / QUARANTINE / str(now.wall_ns)
    fresh = database.open_writer(rebuilt)
    try:
        migrate(fresh, rebuilt)
        carried = _carry_over(data_dir / database.FILE, fresh)
        lost = _settle(fresh, epoch, now)
        _bury(fresh, data_dir, f"{damage}; the damaged file is in {folder}", lost, now)
        database.checkpoint(fresh, "TRUNCATE")
    finally:
        fresh.close()
    folder.mkdir(parents=True)
    _swap(data_dir, folder)
    return f"{damage}; {carried} rows carried over, {lost} not readable; kept in {folder}"


def finish(data_dir: Path) -> None:
    """End a recovery that was cut off between its moves.  Harmless at any other time."""
    if (data_dir / database.FILE).exists() or not (data_dir / REBUILT).exists():
        return
    folders = sorted((data_dir / QUARANTINE).iterdir())
    _swap(data_dir, folders[-1])


def _swap(data_dir: Path, folder: Path) -> None:
    for suffix in database.SUFFIXES:  # the file itself first: its absence says that we are here
        with contextlib.suppress(FileNotFoundError):
            (data_dir / (database.FILE + suffix)).rename(folder / (database.FILE + suffix))
    sync_folder(folder)
    sync_folder(data_dir)
    (data_dir / REBUILT).rename(data_dir / database.FILE)
    sync_folder(data_dir)


def _carry_over(damaged: Path, fresh: sqlite3.Connection) -> int:
    """Copy what can be read; the number of rows."""
    try:
        old = database.open_reader(damaged)
    except LedgerError:
        return 0  # not even a header
    with contextlib.closing(old):
        for table in _TABLES:
            _carry_table(old, fresh, table)
        return _carry_entries(old, fresh)


def _carry_table(old: sqlite3.Connection, fresh: sqlite3.Connection, table: str) -> None:
    """By name: a damaged file of an older schema has fewer columns."""
    columns = _columns(old, fresh, table)
    if not columns:
        return
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    insert = f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})"  # noqa: S608
    with database.transaction(fresh):
        for row in _readable(old.execute, f"SELECT {names} FROM {table}"):  # noqa: S608
            fresh.execute(insert, row)


def _columns(old: sqlite3.Connection, fresh: sqlite3.Connection, table: str) -> list[str]:
    """What both have of a table."""
    listed = f"SELECT name FROM pragma_table_info('{table}')"  # noqa: S608 - a constant
    known = [name for (name,) in fresh.execute(listed)]
    there = {name for (name,) in _readable(old.execute, listed)}
    return [name for name in known if name in there]


def _readable(execute: Any, sql: str) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401 - a bound method
    """Rows until the damage."""
    with contextlib.suppress(sqlite3.DatabaseError):
        yield from execute(sql)


def _carry_entries(old: sqlite3.Connection, fresh: sqlite3.Connection) -> int:
    carried, top = 0, _top_of(old)
    columns = ", ".join(_columns(old, fresh, "entries")) or "seq"
    marks = ", ".join("?" * (columns.count(",") + 1))
    for at in range(0, top, _COPY_ROWS):
        last = min(at + _COPY_ROWS, top)
        try:
            rows = _entries(old, columns, at + 1, last)
        except sqlite3.DatabaseError:
            rows = _one_by_one(old, columns, at + 1, last)
        with database.transaction(fresh):
            fresh.executemany(
                f"INSERT OR IGNORE INTO entries ({columns}) VALUES ({marks})",  # noqa: S608
                rows,
            )
        carried += len(rows)
    with database.transaction(fresh):  # numbers that were given out are not given out again
        fresh.execute("DELETE FROM sqlite_sequence WHERE name = 'entries'")
        fresh.execute("INSERT INTO sqlite_sequence VALUES ('entries', ?)", (top,))
    return carried


def _entries(old: sqlite3.Connection, columns: str, first: int, last: int) -> list[tuple[Any, ...]]:
    return old.execute(
        f"SELECT {columns} FROM entries NOT INDEXED WHERE seq BETWEEN ? AND ?",  # noqa: S608
        (first, last),
    ).fetchall()


def _one_by_one(
    old: sqlite3.Connection, columns: str, first: int, last: int
) -> list[tuple[Any, ...]]:
    rows = []
    for seq in range(first, last + 1):
        with contextlib.suppress(sqlite3.DatabaseError):
            rows += _entries(old, columns, seq, seq)
    return rows


def _top_of(old: sqlite3.Connection) -> int:
    """The highest number given out, as far as anything can still tell."""
    top = 0
    for query in (
        "SELECT seq FROM sqlite_sequence WHERE name = 'entries'",
        "SELECT max(seq) FROM entries NOT INDEXED",
        "SELECT max(last) FROM acked",
        "SELECT max(last_seq) FROM tallies",
    ):
        with contextlib.suppress(sqlite3.DatabaseError):
            row = old.execute(query).fetchone()
            top = max(top, int(row[0] or 0) if row else 0)
    return top


def _settle(fresh: sqlite3.Connection, epoch: str, now: Stamp) -> int:
    """Make the carried rows one whole again; how many numbers are lost for good."""
    with database.transaction(fresh):
        for table, column in (("sources", "source"), ("boots", "boot")):
            fresh.execute(
                f"INSERT INTO {table} (id, name) "  # noqa: S608
                f"SELECT DISTINCT {column}, 'unknown ' || {column} FROM entries "
                f"WHERE {column} NOT IN (SELECT id FROM {table})"
            )
        fresh.execute("DELETE FROM entry_media WHERE media NOT IN (SELECT id FROM media)")
        fresh.execute(
            "INSERT INTO tallies (lane, kind, verdict, recorded, last_seq) "
            "SELECT lane, kind, verdict, count(*), max(seq) FROM entries GROUP BY 1, 2, 3"
        )
        top = max_seq(fresh)
        lost = _note_lost(fresh, top)
        _name_epochs(fresh, top, epoch, now)
    return lost


def _name_epochs(fresh: sqlite3.Connection, top: int, beside: str, now: Stamp) -> None:
    """A new epoch for new rows; carried ones keep theirs, or get the one named beside."""
    begin_epoch(fresh, first=top + 1, reason="recovered", now=now)
    lowest = fresh.execute("SELECT min(first_seq) FROM epochs").fetchone()[0]
    if lowest > 1:
        known = fresh.execute("SELECT 1 FROM epochs WHERE epoch = ?", (beside,)).fetchone()
        name = beside if beside and known is None else secrets.token_hex(16)
        fresh.execute("INSERT INTO epochs VALUES (1, ?, 'unreadable', ?)", (name, now.wall_ns))


def _note_lost(fresh: sqlite3.Connection, top: int) -> int:
    acked, known_gone = load_ranges(fresh, "acked"), load_ranges(fresh, "gone")
    settled = acked.union(known_gone)
    missing = missing_rows(fresh, 1, top)
    lost = [part for a, b in missing.ranges for part in settled.missing(a, b)]
    add_ranges(fresh, "gone", lost)
    return sum(last - first + 1 for first, last in lost)


def _bury(fresh: sqlite3.Connection, data_dir: Path, what: str, lost: int, now: Stamp) -> None:
    gone = load_ranges(fresh, "gone").ranges
    shown = ", ".join(f"{a}-{b}" for a, b in gone[:_RANGES_SHOWN])
    more = " ..." if len(gone) > _RANGES_SHOWN else ""
    tombstone = Tombstone(
        lane=WHOLE_LEDGER,
        reason=TombstoneReason.RECOVERED_DAMAGE,
        first=now,
        last=now,
        count=lost,
        detail=f"{what}; seq not readable: {shown}{more}" if gone else what,
    )
    tables = Tables(fresh, MediaStore(data_dir))
    with tables.transaction():
        tables.put_tombstone(tombstone)
