"""Numbered, forward-only migrations; each and its record (``user_version``) in one transaction.

An existing database is copied beside itself first.  What was interrupted, wherever, is taken up
again at the next start: the copy is there whole or is made anew, each migration was done whole or
was not.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
from importlib import resources
from typing import TYPE_CHECKING, TypeAlias

from edge_runtime import failpoint
from edge_runtime.errors import LedgerError, LedgerFull, SchemaTooNew
from edge_runtime.ledger import database
from edge_runtime.ledger.folder import MARGIN_BYTES, MIB, NO_ROOM, free_bytes, sync_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.resources.abc import Traversable
    from pathlib import Path

Migration: TypeAlias = tuple[int, str]
"""(number, SQL)."""

MOST_SCHEMAS = 0xFFFF
"""A higher number is not a later version's: it was damaged."""

log = logging.getLogger(__name__)


def migrations() -> list[Migration]:
    """Every migration, in order."""
    return [(int(file.name[:4]), file.read_text("utf-8")) for file in _files()]


def newest() -> int:
    """The schema that this version writes."""
    return int(_files()[-1].name[:4])


def version_of(connection: sqlite3.Connection) -> int:
    """The schema's version; 0 for an empty file."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def refuse_newer(path: Path, known: int) -> None:
    """Look before anything is opened for writing.

    Raises `SchemaTooNew`, with nothing touched, when a newer version of this program wrote the
    file. What cannot be read is not our question.
    """
    try:
        with contextlib.closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        ) as connection:
            found = version_of(connection)
    except sqlite3.Error:
        return
    if known < found <= MOST_SCHEMAS:
        raise SchemaTooNew(
            f"{path}: schema {found} was written by a newer version; this one knows {known}. "
            "Install that version again, or give another data_dir"
        )


def migrate(
    connection: sqlite3.Connection, path: Path, known: Sequence[Migration] | None = None
) -> list[int]:
    """Bring the schema up to date; the numbers of the migrations that were applied.

    An existing database is copied beside itself before its first change, and its rows are counted
    before and after.  Raises sqlite3.Error, `LedgerFull` when there is no room for the copy, and
    `LedgerError` when rows are missing afterwards; each migration is there whole, or not at all.
    """
    known = migrations() if known is None else known
    found = version_of(connection)
    pending = [(number, sql) for number, sql in known if number > found]
    if pending and found:
        copy = path.with_name(f"{path.stem}-schema{found}.db")
        if not _is_copy(copy, connection):
            _back_up(connection, copy)
        failpoint.reached("ledger_copied")
    for number, sql in pending:
        _apply(connection, path, number, sql, is_new=not found)
    return [number for number, _ in pending]


def _apply(
    connection: sqlite3.Connection, path: Path, number: int, sql: str, *, is_new: bool
) -> None:
    found = version_of(connection)
    with database.transaction(connection):
        before = _count(connection) if not is_new else (0, 0)
        for statement in _statements(sql):
            connection.execute(statement)
        after = _count(connection) if not is_new else (0, 0)
        if before != after:
            raise LedgerError(
                f"{path}: {sum(before)} entries before the change to schema {number} and "
                f"{sum(after)} after it; nothing was changed"
            )
        connection.execute(f"PRAGMA user_version = {number:d}")
        failpoint.reached("migration_applied")
    failpoint.reached("migration_committed")
    if not is_new:
        log.warning(
            "ledger_migrated schema=%d->%d rows=%d tombstones=%d before=%d after=%d",
            found, number, *after, sum(before), sum(after),
        )  # fmt: skip


def _count(connection: sqlite3.Connection) -> tuple[int, int]:
    """(results, all others)."""
    kinds = dict(connection.execute("SELECT kind, count(*) FROM entries GROUP BY kind").fetchall())
    results = kinds.pop(0, 0)
    return results, sum(kinds.values())


def _files() -> list[Traversable]:
    folder = resources.files("edge_runtime.ledger").joinpath("schema")
    return sorted(
        (file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda f: f.name
    )


def _statements(sql: str) -> list[str]:
    """Split a script; `executescript` would commit behind our back."""
    found, start = [], 0
    for position, character in enumerate(sql):
        if character == ";" and sqlite3.complete_statement(sql[start : position + 1]):
            found.append(sql[start : position + 1])
            start = position + 1
    return found


def _is_copy(target: Path, connection: sqlite3.Connection) -> bool:
    """Whether it was copied before an interruption, and no daemon has run since.

    So that each start gets further, however little time it is given.  Every run of a daemon leaves
    a clock anchor.
    """
    try:
        with contextlib.closing(
            sqlite3.connect(f"{target.absolute().as_uri()}?mode=ro", uri=True)
        ) as copy:
            return _latest(copy) == _latest(connection)
    except sqlite3.Error:
        return False


def _latest(connection: sqlite3.Connection) -> tuple[object, ...]:
    row: tuple[object, ...] = connection.execute(
        "SELECT (SELECT max(id) FROM clock_anchors), (SELECT max(seq) FROM entries), "
        "(SELECT min(seq) FROM entries), (SELECT value FROM meta WHERE key = 'device')"
    ).fetchone()
    return (version_of(connection), *row)


def _back_up(connection: sqlite3.Connection, target: Path) -> None:
    """A copy that is there whole or not at all: the name appears when the content is durable."""
    unfinished = target.with_name(target.name + ".new")
    unfinished.unlink(missing_ok=True)
    size_bytes = database.size_bytes(connection)
    if free_bytes(target.parent) < size_bytes + MARGIN_BYTES:
        raise _no_room(target, size_bytes)
    try:
        connection.execute("VACUUM INTO ?", (str(unfinished),))
        failpoint.reached("ledger_copy_written")
        with unfinished.open("rb+") as file:
            os.fsync(file.fileno())
        unfinished.rename(target)
        sync_folder(target.parent)
    except (sqlite3.Error, OSError) as exc:
        full = database.is_full(exc) if isinstance(exc, sqlite3.Error) else exc.errno in NO_ROOM
        with contextlib.suppress(OSError):
            unfinished.unlink()
        if full:
            raise _no_room(target, size_bytes) from exc
        raise


def _no_room(target: Path, size_bytes: int) -> LedgerFull:
    needed_mib = -(-(size_bytes + MARGIN_BYTES) // MIB)
    free_mib = free_bytes(target.parent) / MIB
    return LedgerFull(
        f"{target.parent}: this version changes the ledger's schema, and first copies it to "
        f"{target.name}: that needs {needed_mib} MiB, {free_mib:.1f} MiB are free; "
        "make room and start again, nothing was changed"
    )
