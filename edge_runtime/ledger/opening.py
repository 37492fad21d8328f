"""What happens before the writer's thread starts: folder, lock, checks, schema, epoch, recovery."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.errors import LedgerDamaged, LedgerError, LedgerLocked, StorageReadOnly
from edge_runtime.ledger import database
from edge_runtime.ledger.media import sync_folder
from edge_runtime.ledger.migrate import migrate
from edge_runtime.ledger.ops import change_ranges, max_seq, rotate_epoch
from edge_runtime.ledger.rows import row_of
from edge_runtime.types import Tombstone, TombstoneReason

if TYPE_CHECKING:
    from pathlib import Path

    from edge_runtime.types import Stamp

LOCK = "lock"
EPOCH_FILE = "epoch"
QUARANTINE = "quarantine"
_COPY_ROWS = 500


@dataclass(frozen=True, slots=True)
class Opened:
    """An open ledger, ours alone."""

    connection: sqlite3.Connection
    lock_fd: int
    recovered: str
    """What was done about a damaged file; empty when it was sound."""


def open_ledger(data_dir: Path, device: str, now: Stamp) -> Opened:
    """Create or open, check, migrate, recover.

    Raises `StorageReadOnly`, `LedgerLocked`, `SchemaTooNew`, `LedgerError`.
    """
    lock_fd = take_lock(data_dir)
    try:
        connection, recovered = _open_sound(data_dir, device, now)
        _check_epoch(connection, data_dir, now)
        _remember(connection, device, now)
    except sqlite3.Error as exc:
        os.close(lock_fd)
        raise LedgerError(f"{data_dir / database.FILE}: cannot be opened: {exc}") from exc
    except BaseException:
        os.close(lock_fd)
        raise
    return Opened(connection, lock_fd, recovered)


def take_lock(data_dir: Path) -> int:
    """Create the folder and hold its lock; the descriptor to keep open."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(data_dir / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as exc:
        raise StorageReadOnly(
            f"{data_dir}: the data folder cannot be written: {exc.strerror}; "
            "check [device] data_dir, its owner and that its disk is mounted read-write"
        ) from exc
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        owner = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(descriptor)
        raise LedgerLocked(
            f"{data_dir}: another daemon (pid {owner}) has this ledger; "
            "stop it, or give this one a data_dir of its own"
        ) from exc
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
    return descriptor


def _open_sound(data_dir: Path, device: str, now: Stamp) -> tuple[sqlite3.Connection, str]:
    path = data_dir / database.FILE
    try:
        return _open_checked(path), ""
    except LedgerDamaged as exc:
        detail = str(exc)
    folder = _set_aside(data_dir, now)
    connection = _open_checked(path)
    carried = _carry_over(folder / database.FILE, connection)
    _bury_damage(connection, carried, folder, now)
    _remember(connection, device, now)
    return connection, f"{detail}; kept in {folder}, {carried} rows carried over"


def _open_checked(path: Path) -> sqlite3.Connection:
    connection = database.open_writer(path)
    try:
        _check_quickly(connection, path)
        migrate(connection, path)
        sync_folder(path.parent)
    except sqlite3.DatabaseError as exc:
        connection.close()
        if database.is_damage(exc):
            raise LedgerDamaged(f"{path}: {exc}") from exc
        raise
    except BaseException:
        connection.close()
        raise
    return connection


def _check_quickly(connection: sqlite3.Connection, path: Path) -> None:
    verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise LedgerDamaged(f"{path}: {verdict}")


def _check_epoch(connection: sqlite3.Connection, data_dir: Path, now: Stamp) -> None:
    """The file beside the database names its epoch; another one means an old copy was put back."""
    sidecar = data_dir / EPOCH_FILE
    row = connection.execute("SELECT epoch FROM epochs ORDER BY first_seq DESC LIMIT 1").fetchone()
    current = str(row[0]) if row else ""
    beside = ""
    with contextlib.suppress(FileNotFoundError):
        beside = sidecar.read_text("ascii").strip()
    if current and current == beside:
        return
    if not current:
        reason = "created"
    else:
        reason = (
            "restored: the file 'epoch' names another" if beside else "the file 'epoch' is gone"
        )
    with transaction(connection):
        # Old rows keep their epoch: the collector knows them again by their content.
        fresh = rotate_epoch(connection, reason, now, first=max_seq(connection) + 1)
    write_epoch(data_dir, fresh)


def write_epoch(data_dir: Path, epoch: str) -> None:
    """Put the epoch beside the database, durably."""
    temporary = data_dir / (EPOCH_FILE + ".new")
    with temporary.open("w", encoding="ascii") as file:
        file.write(epoch + "\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(data_dir / EPOCH_FILE)
    sync_folder(data_dir)


def _remember(connection: sqlite3.Connection, device: str, now: Stamp) -> None:
    with transaction(connection):
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('device', ?)", (device,))
        connection.execute(
            "INSERT INTO clock_anchors (boot_id, boottime_ns, wall_ns, origin) "
            "VALUES (?, ?, ?, 'start')",
            (now.boot_id, now.boottime_ns, now.wall_ns),
        )


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection):  # type: ignore[no-untyped-def]  # noqa: ANN201
    """BEGIN IMMEDIATE … COMMIT, or ROLLBACK."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _set_aside(data_dir: Path, now: Stamp) -> Path:
    folder = data_dir / QUARANTINE / str(now.wall_ns)
    folder.mkdir(parents=True)
    for suffix in ("", "-wal", "-shm"):
        part = data_dir / (database.FILE + suffix)
        with contextlib.suppress(FileNotFoundError):
            part.rename(folder / part.name)
    (data_dir / EPOCH_FILE).unlink(missing_ok=True)
    sync_folder(data_dir)
    return folder


def _carry_over(damaged: Path, fresh: sqlite3.Connection) -> int:
    """Copy what can be read, newest knowledge of acknowledgement included; the number of rows."""
    try:
        old = database.open_reader(damaged)
    except LedgerError:
        return 0
    with contextlib.closing(old):
        for table in ("epochs", "acked", "gone", "quarantine", "media", "entry_media"):
            _carry_table(old, fresh, table)
        carried = _carry_entries(old, fresh)
    _note_holes(fresh)
    return carried


def _carry_table(old: sqlite3.Connection, fresh: sqlite3.Connection, table: str) -> None:
    with contextlib.suppress(sqlite3.DatabaseError):  # damaged too: done without
        rows = old.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            with transaction(fresh):
                fresh.executemany(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", rows)  # noqa: S608


def _carry_entries(old: sqlite3.Connection, fresh: sqlite3.Connection) -> int:
    carried, at, top = 0, 0, _top_of(old)
    while at < top:
        try:
            rows = old.execute(
                "SELECT * FROM entries NOT INDEXED WHERE seq > ? AND seq <= ? ORDER BY seq",
                (at, at + _COPY_ROWS),
            ).fetchall()
        except sqlite3.DatabaseError:
            rows = _one_by_one(old, at, min(at + _COPY_ROWS, top))
        with transaction(fresh):
            fresh.executemany("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        carried += len(rows)
        at += _COPY_ROWS
    return carried


def _top_of(old: sqlite3.Connection) -> int:
    for query in ("SELECT seq FROM sqlite_sequence WHERE name = 'entries'",
                  "SELECT max(seq) FROM entries NOT INDEXED"):  # fmt: skip
        with contextlib.suppress(sqlite3.DatabaseError):
            row = old.execute(query).fetchone()
            if row and row[0]:
                return int(row[0])
    return 0


def _one_by_one(old: sqlite3.Connection, first: int, last: int) -> list[tuple[object, ...]]:
    rows = []
    for seq in range(first + 1, last + 1):
        with contextlib.suppress(sqlite3.DatabaseError):
            rows += old.execute(
                "SELECT * FROM entries NOT INDEXED WHERE seq = ?", (seq,)
            ).fetchall()
    return rows


def _note_holes(fresh: sqlite3.Connection) -> None:
    """Numbers that are neither here nor acknowledged are gone, and the ledger says so."""
    from edge_runtime.intervals import IntervalSet
    from edge_runtime.ledger.ops import load_ranges

    present = IntervalSet.of((seq, seq) for (seq,) in fresh.execute("SELECT seq FROM entries"))
    known = present.union(load_ranges(fresh, "acked"))
    with transaction(fresh):
        change_ranges(fresh, "gone", list(known.missing(1, max_seq(fresh))))


def _bury_damage(connection: sqlite3.Connection, carried: int, folder: Path, now: Stamp) -> None:
    tombstone = Tombstone(
        lane="ledger",
        reason=TombstoneReason.RECOVERED_DAMAGE,
        first=now,
        last=now,
        detail=f"{carried} rows carried over; the damaged file is in {folder}",
    )
    with transaction(connection):
        connection.execute(
            "INSERT INTO entries (kind, lane, verdict, label, score, item, wall_ns, body) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            row_of(tombstone),
        )
