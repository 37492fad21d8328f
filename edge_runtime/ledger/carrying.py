"""From a damaged database into a new one: every row that can be read, and none that cannot.

First by SQL, as far as SQLite goes; then, where anything is missing, page by page (`salvage`).  A
row is carried only when it can be read as an entry: what nobody can read is lost here, and counted
as such; the damaged file is kept with all that is in it.
"""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from edge_runtime.errors import EdgeRuntimeError
from edge_runtime.ledger import database, wal
from edge_runtime.ledger.rows import COLUMNS
from edge_runtime.ledger.salvage import ENTRIES, Salvage, roots_of
from edge_runtime.ledger.seq_ranges import load_ranges, missing_rows
from edge_runtime.ledger.unreadable import escaped, is_text, read_entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from edge_runtime.intervals import IntervalSet

_TABLES: Final = (
    "sources", "models", "boots", "epochs", "media", "entry_media", "acked", "gone", "quarantine",
    "marks", "clock_anchors", "model_history", "meta", "once", "pins", "source_identities",
)  # fmt: skip
_COPY_ROWS: Final = 500
_MOST_BEYOND: Final = 1_000_000
"""A seq that lies so far beyond all that is noted is a damaged number."""
_LEAST_ROW_BYTES: Final = 16
_KINDS: Final[dict[str, tuple[type, ...]]] = {
    "INTEGER": (int,), "TEXT": (str,), "REAL": (float, int),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Carried:
    """What became of it."""

    rows: int
    by_page: int
    """Of `rows`, those that SQLite did not find."""
    top: int
    """The highest number that was given out, as far as anything can still tell."""


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    kinds: tuple[type, ...]
    may_be_null: bool
    default: str | None


class _AnyText:
    """For a look at a row: the texts that it shares with others do not matter."""

    def source_of(self, _: int | None) -> str:
        return ""

    def model_of(self, _: int | None) -> tuple[str | None, str | None]:
        return None, None

    def boot_of(self, _: int) -> str:
        return ""


def carry_over(damaged: Path, fresh: sqlite3.Connection, noted: int) -> Carried:
    """Copy all that can be read into `fresh`, a new ledger.

    `noted`: a seq that is known to have been given out, 0 for none.  Raises sqlite3.Error or
    OSError for what is wrong with `fresh`.
    """
    carrier = _Carrier(fresh, noted)
    roots = _schema(fresh)
    with contextlib.ExitStack() as until_done:
        old = _open(damaged)
        if old is not None:
            until_done.enter_context(contextlib.closing(old))
            roots = _schema(old) or roots
            carrier.by_sql(old, damaged.stat().st_size)
        if carrier.is_whole and not _has_more(damaged):
            return Carried(carrier.rows, 0, carrier.top)
        found = carrier.rows
        log = wal.read_log(damaged.with_name(damaged.name + "-wal"))
        salvage = Salvage(damaged, wal.newest_pages(log) if log else {}, roots_of(roots))
        until_done.callback(salvage.close)
        carrier.by_page(salvage)
    return Carried(carrier.rows, carrier.rows - found, carrier.top)


class _Carrier:
    def __init__(self, fresh: sqlite3.Connection, noted: int) -> None:
        self.rows = 0
        self.top = noted
        self.is_whole = False
        """SQLite found everything that it should have."""
        self._fresh = fresh
        self._most = noted + _MOST_BEYOND if noted else 1 << 62
        self._is_noted = noted > 0
        self._columns = {table: _columns(fresh, table) for table in (*_TABLES, ENTRIES)}
        self._without_rowid = {
            str(name)
            for name, sql in fresh.execute("SELECT name, sql FROM sqlite_schema WHERE sql NOT NULL")
            if "WITHOUT ROWID" in sql
        }

    def by_sql(self, old: sqlite3.Connection, size_bytes: int) -> None:
        whole = [self._table_by_sql(old, table) for table in _TABLES]
        lowest = _lowest_of(old)
        if not self._is_noted:
            self._most = lowest + size_bytes // _LEAST_ROW_BYTES + _MOST_BEYOND
        self.top = max(self.top, _top_of(old, self._most))
        names = self._shared(old, ENTRIES)
        for at in range(lowest - 1, self.top if names else 0, _COPY_ROWS):
            last = min(at + _COPY_ROWS, self.top)
            try:
                rows = _range(old, names, at + 1, last)
            except sqlite3.Error:
                whole.append(False)
                rows = _one_by_one(old, names, at + 1, last)
            self._put_entries(names, rows)
        acked = load_ranges(self._fresh, "acked")  # with age these go
        gaps = self._missing(lowest).ranges
        self.is_whole = all(whole) and not any(list(acked.missing(*gap)) for gap in gaps)

    def by_page(self, salvage: Salvage) -> None:
        for table in _TABLES:
            columns = self._columns[table]
            rows = salvage.rows(table, has_rowid=table not in self._without_rowid)
            self._put(table, columns, (_padded(row, columns) for row in rows))
        for _, number in salvage.rows("sqlite_sequence", has_rowid=True):
            if isinstance(number, int) and number <= self._most:
                self.top = max(self.top, number)
        columns = self._columns[ENTRIES]
        names = [column.name for column in columns]
        missing = self._missing(1)
        beyond, wanted = self.top, self._most
        found: list[Sequence[Any]] = []
        for row in salvage.entries(lambda seq: seq in missing or beyond < seq <= wanted):
            found.append(_padded(row, columns))
            if len(found) >= _COPY_ROWS:
                self._put_entries(names, found)
                found = []
        self._put_entries(names, found)

    def _missing(self, first: int) -> IntervalSet:
        return missing_rows(self._fresh, first, self.top)

    def _shared(self, old: sqlite3.Connection, table: str) -> list[str]:
        """By name: a damaged file of an older schema has fewer columns."""
        listed = f"SELECT name FROM pragma_table_info('{table}')"  # noqa: S608 - a constant
        there = {name for (name,) in _readable(old, listed, [])}
        return [column.name for column in self._columns[table] if column.name in there]

    def _table_by_sql(self, old: sqlite3.Connection, table: str) -> bool:
        """Whether all of it was read."""
        names = self._shared(old, table)
        if not names:
            return False
        columns = [column for column in self._columns[table] if column.name in names]
        broken: list[bool] = []
        rows = _readable(old, f"SELECT {', '.join(names)} FROM {table}", broken)  # noqa: S608
        self._put(table, columns, rows)
        return not broken

    def _put(self, table: str, columns: Sequence[_Column], rows: Iterable[Sequence[Any]]) -> None:
        names, marks = ", ".join(c.name for c in columns), ", ".join("?" * len(columns))
        insert = f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})"  # noqa: S608
        with database.transaction(self._fresh):
            for row in rows:
                if _fits(row, columns):
                    self._fresh.execute(insert, row)

    def _put_entries(self, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        marks = ", ".join("?" * len(names))
        insert = f"INSERT OR IGNORE INTO entries ({', '.join(names)}) VALUES ({marks})"  # noqa: S608
        order = [names.index(name) if name in names else -1 for name in COLUMNS.split(", ")]
        well = [
            row
            for row in rows
            if isinstance(row[0], int) and 0 < row[0] <= self._most and _is_entry(row, order)
        ]
        with database.transaction(self._fresh):
            before = self._fresh.total_changes
            self._fresh.executemany(insert, well)
            self.rows += self._fresh.total_changes - before
        self.top = max([self.top, *(row[0] for row in well)])


def _is_entry(row: Sequence[Any], order: Sequence[int]) -> bool:
    columns = [row[at] if at >= 0 else None for at in order]
    return not read_entry(row[0], "", columns, (), _AnyText()).unreadable


def _fits(row: Sequence[Any], columns: Sequence[_Column]) -> bool:
    return len(row) == len(columns) and all(
        column.may_be_null
        if value is None
        else isinstance(value, column.kinds) and not (isinstance(value, str) and not is_text(value))
        for value, column in zip(row, columns, strict=True)
    )


def _padded(row: Sequence[Any], columns: Sequence[_Column]) -> tuple[Any, ...]:
    """A row of an older schema has fewer columns at its end."""
    return (*row, *(column.default for column in columns[len(row) :]))


def _columns(fresh: sqlite3.Connection, table: str) -> list[_Column]:
    listed = f"SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_info('{table}')"  # noqa: S608
    return [
        _Column(name, _KINDS[kind], not not_null and not key, default and default.strip("'"))
        for name, kind, not_null, default, key in fresh.execute(listed).fetchall()
    ]


def _open(damaged: Path) -> sqlite3.Connection | None:
    """None where SQLite finds no database."""
    try:
        old = database.open_reader(damaged)
    except (EdgeRuntimeError, OSError):
        return None
    old.text_factory = escaped
    return old


def _has_more(damaged: Path) -> bool:
    """Whether the log holds anything that SQLite does not believe in; the file is open."""
    log = wal.read_log(damaged.with_name(damaged.name + "-wal"))
    last = wal.believed(damaged.with_name(damaged.name + "-shm"))
    return log is not None and any(frame.index >= last for frame in log.frames)


def _schema(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
    return list(
        _readable(connection, "SELECT type, name, tbl_name, rootpage FROM sqlite_schema", [])
    )


def _readable(
    connection: sqlite3.Connection, sql: str, broken: list[bool]
) -> Iterator[tuple[Any, ...]]:
    """Rows until the damage, of which `broken` then tells."""
    try:
        yield from connection.execute(sql)
    except sqlite3.Error:
        broken.append(True)


def _range(
    old: sqlite3.Connection, names: Sequence[str], first: int, last: int
) -> list[tuple[Any, ...]]:
    return old.execute(
        f"SELECT {', '.join(names)} FROM entries NOT INDEXED WHERE seq BETWEEN ? AND ?",  # noqa: S608
        (first, last),
    ).fetchall()


def _one_by_one(
    old: sqlite3.Connection, names: Sequence[str], first: int, last: int
) -> list[tuple[Any, ...]]:
    rows = []
    for seq in range(first, last + 1):
        with contextlib.suppress(sqlite3.Error):
            rows += _range(old, names, seq, seq)
    return rows


def _lowest_of(old: sqlite3.Connection) -> int:
    """Where the rows begin; 1 where that cannot be told."""
    with contextlib.suppress(sqlite3.Error):
        found = old.execute("SELECT min(seq) FROM entries NOT INDEXED").fetchone()[0]
        return max(1, int(found or 1))
    return 1


def _top_of(old: sqlite3.Connection, most: int) -> int:
    top = 0
    for query in (
        "SELECT seq FROM sqlite_sequence WHERE name = 'entries'",
        "SELECT max(seq) FROM entries NOT INDEXED",
        "SELECT max(last) FROM acked",
        "SELECT max(last_seq) FROM tallies",
    ):
        with contextlib.suppress(sqlite3.Error):
            row = old.execute(query).fetchone()
            if row and isinstance(row[0], int) and row[0] <= most:
                top = max(top, row[0])
    return top
