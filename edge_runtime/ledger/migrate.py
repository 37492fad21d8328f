"""Numbered, forward-only migrations; each and its record (``user_version``) in one transaction."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from importlib import resources
from typing import TYPE_CHECKING, TypeAlias

from edge_runtime.errors import SchemaTooNew
from edge_runtime.ledger import database
from edge_runtime.ledger.folder import sync_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.resources.abc import Traversable
    from pathlib import Path

Migration: TypeAlias = tuple[int, str]
"""(number, SQL)."""


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
    if found > known:
        raise SchemaTooNew(
            f"{path}: schema {found} was written by a newer version; this one knows {known}. "
            "Install that version again, or give another data_dir"
        )


def migrate(
    connection: sqlite3.Connection, path: Path, known: Sequence[Migration] | None = None
) -> list[int]:
    """Bring the schema up to date; the numbers of the migrations that were applied.

    An existing database is copied beside itself before its first change.  Raises sqlite3.Error;
    each migration is there whole, or not at all.
    """
    known = migrations() if known is None else known
    found = version_of(connection)
    pending = [(number, sql) for number, sql in known if number > found]
    if pending and found:
        _back_up(connection, path.with_name(f"{path.stem}-schema{found}.db"))
    for number, sql in pending:
        with database.transaction(connection):
            for statement in _statements(sql):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number:d}")
    return [number for number, _ in pending]


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


def _back_up(connection: sqlite3.Connection, target: Path) -> None:
    """A copy that is there whole or not at all: the name appears when the content is durable."""
    unfinished = target.with_name(target.name + ".new")
    unfinished.unlink(missing_ok=True)
    connection.execute("VACUUM INTO ?", (str(unfinished),))
    with unfinished.open("rb+") as file:
        os.fsync(file.fileno())
    unfinished.rename(target)
    sync_folder(target.parent)
