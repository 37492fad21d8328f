"""Numbered, forward-only migrations; each and its record (``user_version``) in one transaction."""

from __future__ import annotations

import sqlite3
from importlib import resources
from typing import TYPE_CHECKING

from edge_runtime.errors import SchemaTooNew

if TYPE_CHECKING:
    from pathlib import Path


def migrations() -> list[tuple[int, str]]:
    """(number, SQL) of every migration, in order."""
    folder = resources.files("edge_runtime.ledger").joinpath("schema")
    names = sorted(file.name for file in folder.iterdir() if file.name.endswith(".sql"))
    return [(int(name[:4]), folder.joinpath(name).read_text("utf-8")) for name in names]


def version_of(connection: sqlite3.Connection) -> int:
    """The schema's version; 0 for an empty file."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection, path: Path) -> bool:
    """Bring the schema up to date; whether the database is new.

    A copy is made before the first change to an existing database.  Raises `SchemaTooNew`, with
    nothing touched, when a newer version of this program wrote it.
    """
    known = migrations()
    found = version_of(connection)
    newest = known[-1][0]
    if found > newest:
        raise SchemaTooNew(
            f"{path}: schema {found} was written by a newer version; this one knows {newest}. "
            "Install that version again, or give another data_dir"
        )
    pending = [(number, sql) for number, sql in known if number > found]
    if pending and found:
        _copy(connection, path.with_name(f"{path.stem}-before-{newest}.db"))
    for number, sql in pending:
        _apply(connection, number, sql)
    return found == 0


def _apply(connection: sqlite3.Connection, number: int, sql: str) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in _statements(sql):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {number:d}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _statements(sql: str) -> list[str]:
    """Split a script; `executescript` would commit behind our back."""
    found, start = [], 0
    for position, character in enumerate(sql):
        if character == ";" and sqlite3.complete_statement(sql[start : position + 1]):
            found.append(sql[start : position + 1])
            start = position + 1
    return found


def _copy(connection: sqlite3.Connection, target: Path) -> None:
    target.unlink(missing_ok=True)
    connection.execute("VACUUM INTO ?", (str(target),))
