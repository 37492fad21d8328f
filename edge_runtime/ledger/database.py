"""Opening the ledger's SQLite file.  The pragmas are set here and read back, nowhere else."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from edge_runtime.errors import LedgerDamaged, LedgerError, NoInput

if TYPE_CHECKING:
    from pathlib import Path

FILE = "ledger.db"
JOURNAL_LIMIT_BYTES = 64 << 20
BUSY_MS = 10_000
_FULL = 2


def open_writer(path: Path) -> sqlite3.Connection:
    """The one connection that writes: WAL, synchronous FULL, checkpoints only when told to.

    Raises `LedgerDamaged` when the file is no database, `LedgerError` when it cannot be opened.
    """
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as exc:
        raise LedgerError(f"{path}: cannot be opened: {exc}") from exc
    try:
        _common(connection)
        mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute(f"PRAGMA journal_size_limit = {JOURNAL_LIMIT_BYTES}")
        synchronous = connection.execute("PRAGMA synchronous").fetchone()[0]
    except sqlite3.DatabaseError as exc:
        connection.close()
        if is_damage(exc):
            raise LedgerDamaged(f"{path}: {exc}") from exc
        raise LedgerError(f"{path}: cannot be opened: {exc}") from exc
    if mode != "wal" or synchronous != _FULL:
        connection.close()
        raise LedgerError(
            f"{path}: this file system gives journal_mode={mode}, synchronous={synchronous}; "
            "the ledger needs WAL and FULL, put data_dir on a local disk"
        )
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write.  Raises `NoInput` when there is no ledger."""
    if not path.is_file():
        raise NoInput(f"{path.parent}: there is no ledger here")
    try:
        connection = sqlite3.connect(
            f"file:{_quoted(path)}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
        )
        _common(connection)
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
    except sqlite3.Error as exc:
        raise LedgerError(f"{path}: cannot be read: {exc}") from exc
    return connection


def is_damage(exc: sqlite3.Error) -> bool:
    """Whether SQLite says that the file itself is not sound."""
    return code_of(exc) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def is_full(exc: sqlite3.Error) -> bool:
    """Whether there was no room on the disk."""
    return code_of(exc) == sqlite3.SQLITE_FULL


def code_of(exc: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 when there is none."""
    return int(getattr(exc, "sqlite_errorcode", 0) or 0) & 0xFF


def _common(connection: sqlite3.Connection) -> None:
    for pragma in (
        f"busy_timeout = {BUSY_MS}",
        "mmap_size = 0",
        "cell_size_check = ON",
        "trusted_schema = OFF",
        "temp_store = MEMORY",
        "foreign_keys = ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _quoted(path: Path) -> str:
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
