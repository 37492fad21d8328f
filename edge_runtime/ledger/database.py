"""Opening the ledger's SQLite file.  The pragmas are set here and read back, nowhere else."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from typing import TYPE_CHECKING

from edge_runtime.access import denied
from edge_runtime.errors import LedgerDamaged, LedgerError, LedgerFull, NoInput, NotAllowed
from edge_runtime.ledger.unreadable import MAX_COLUMN_BYTES, shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE = "ledger.db"
SUFFIXES = ("", "-wal", "-shm")
"""What a database consists of; the first one is the file itself."""
JOURNAL_LIMIT_BYTES = 64 << 20
BUSY_MS = 10_000
PAGE_BYTES = 4096
_FULL = 2
_NO_ROOM = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)
"""The second: the WAL's index could not grow, which happens only for want of room."""


def open_writer(path: Path) -> sqlite3.Connection:
    """The one connection that writes: WAL, synchronous FULL, checkpoints only when told to.

    Raises `LedgerDamaged`, `LedgerFull` or `LedgerError`.
    """
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as exc:
        raise as_ledger_error(exc, path) from exc
    try:
        _common(connection)
        if not connection.execute("PRAGMA page_count").fetchone()[0]:  # only a new file takes it
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        for pragma in (
            "synchronous = FULL",
            "wal_autocheckpoint = 0",
            "secure_delete = OFF",  # some distributions build it on: twice the writing for nothing
            f"journal_size_limit = {JOURNAL_LIMIT_BYTES}",
        ):
            connection.execute(f"PRAGMA {pragma}")
        synchronous = connection.execute("PRAGMA synchronous").fetchone()[0]
    except sqlite3.Error as exc:
        connection.close()
        raise as_ledger_error(exc, path) from exc
    if mode != "wal" or synchronous != _FULL:
        connection.close()
        raise LedgerError(
            f"{path}: this file system gives journal_mode={mode}, synchronous={synchronous}; "
            "the ledger needs WAL and FULL, put data_dir on a local disk"
        )
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write.  Raises `NoInput` when there is no ledger, `LedgerError`.

    `NotAllowed` where there is one, and this user may not read it.
    """
    if not _may_read(path):
        raise NoInput(
            f"{path.parent}: there is no ledger here; has the daemon run with this data_dir?"
        )
    try:
        return _open_reader(path, "mode=ro")
    except sqlite3.Error as exc:
        # In a folder that we may not write, SQLite cannot make the WAL's index. Without a WAL
        # nobody is writing, and the file is all there is.
        cannot_make_it = code_of(exc) in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
        if cannot_make_it and not _has_wal(path):
            with contextlib.suppress(sqlite3.Error):
                return _open_reader(path, "immutable=1")
        raise as_ledger_error(exc, path) from exc


def open_for_a_look(path: Path) -> sqlite3.Connection:
    """As `open_reader`; where there is no room for the log's index, the file without its log.

    Raises `NoInput`, `LedgerError`, sqlite3.Error.
    """
    try:
        return open_reader(path)
    except LedgerFull:
        return _open_reader(path, "immutable=1")


def make_file(path: Path) -> None:
    """A database that others cannot read; one that is there is left as it is.  Raises OSError."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640))


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """BEGIN IMMEDIATE ... COMMIT, or ROLLBACK."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite rolls back by itself when the disk is full
            connection.execute("ROLLBACK")
        raise


@contextlib.contextmanager
def snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """Several reads of one moment."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("COMMIT")


def size_bytes(connection: sqlite3.Connection) -> int:
    """What the database's content takes, its empty pages aside."""
    pages = int(connection.execute("PRAGMA page_count").fetchone()[0])
    return (pages - empty_pages(connection)) * PAGE_BYTES


def empty_pages(connection: sqlite3.Connection) -> int:
    """Pages that hold nothing: what was in them was deleted."""
    return int(connection.execute("PRAGMA freelist_count").fetchone()[0])


def shrink(connection: sqlite3.Connection, pages: int) -> int:
    """Give up to `pages` empty pages back to the disk, which has them after the next checkpoint.

    How many it were.
    """
    before = empty_pages(connection)
    connection.execute(f"PRAGMA incremental_vacuum({pages:d})").fetchall()
    return before - empty_pages(connection)


def checkpoint(connection: sqlite3.Connection, mode: str) -> bool:
    """Move the WAL into the database; whether all of it went.  Never waits for a reader."""
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        busy, in_wal, moved = connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
    finally:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    return not busy and in_wal == moved


def as_ledger_error(exc: sqlite3.Error, path: Path) -> LedgerError:
    """What SQLite says, as one of ours."""
    if is_damage(exc):
        return LedgerDamaged(f"{path}: {exc}")
    if is_full(exc):
        return LedgerFull(f"{path}: no room on the disk; free some, or put data_dir elsewhere")
    return LedgerError(f"{path}: {exc}")


def is_damage(exc: sqlite3.Error) -> bool:
    """Whether SQLite says that the file itself is not sound."""
    return code_of(exc) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def is_full(exc: sqlite3.Error) -> bool:
    """Whether there was no room on the disk."""
    return getattr(exc, "sqlite_errorcode", 0) in _NO_ROOM


def is_ours(exc: sqlite3.Error) -> bool:
    """Whether one request was wrong, and neither the file nor the disk."""
    blamed = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH,
              sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_RANGE)  # fmt: skip
    return code_of(exc) in (0, *blamed)


def code_of(exc: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 when there is none."""
    return int(getattr(exc, "sqlite_errorcode", 0) or 0) & 0xFF


def _open_reader(path: Path, how: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"file:{_quoted(path)}?{how}", uri=True, isolation_level=None, check_same_thread=False
    )
    try:
        _common(connection)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_COLUMN_BYTES)
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # the file, really
    except BaseException:
        connection.close()
        raise
    return connection


def _may_read(path: Path) -> bool:
    """Whether it is there.  Raises `NotAllowed` where it is, or may be, and we may not see it."""
    try:
        if not path.is_file():
            return False
    except PermissionError as exc:
        raise NotAllowed(denied(path)) from exc
    if not os.access(path, os.R_OK):
        raise NotAllowed(denied(path))
    return True


def _common(connection: sqlite3.Connection) -> None:
    connection.text_factory = shown  # one odd byte in a name must not end who reads it
    for pragma in (
        f"busy_timeout = {BUSY_MS}",
        "mmap_size = 0",
        "cell_size_check = ON",
        "trusted_schema = OFF",
        "temp_store = MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _has_wal(path: Path) -> bool:
    wal = path.with_name(path.name + "-wal")
    return wal.exists() and wal.stat().st_size > 0


def _quoted(path: Path) -> str:
    return str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
