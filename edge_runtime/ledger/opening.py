"""What happens before the writer's thread starts: folder, lock, checks, recovery, schema, epoch."""

from __future__ import annotations

import logging
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.errors import EdgeRuntimeError, LedgerDamaged, LedgerError, LedgerFull
from edge_runtime.ledger import absence, checking, database, first_room, recovery
from edge_runtime.ledger.folder import (
    MIB,
    NO_ROOM,
    Ballast,
    FolderLock,
    make_private,
    sync_folder,
    take_lock,
)
from edge_runtime.ledger.media import MediaStore
from edge_runtime.ledger.migrate import migrate, newest, refuse_newer
from edge_runtime.ledger.noted import read_epoch, read_noted, write_epoch
from edge_runtime.ledger.seq_ranges import (
    RENAMED,
    begin_epoch,
    current_epoch,
    load_ranges,
    load_settled,
    max_seq,
)

if TYPE_CHECKING:
    from pathlib import Path

    from edge_runtime.config import Ledger as LedgerSettings
    from edge_runtime.ledger.noted import Noted
    from edge_runtime.types import Stamp


log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Opened:
    """An open ledger, ours alone."""

    connection: sqlite3.Connection
    lock: FolderLock
    ballast: Ballast
    recovered: str
    """What was done about a damaged file, or is missing; empty when it was sound and whole."""
    checked: bool
    """All of it was read; otherwise that is still to be done."""
    files: list[tuple[Path, int]]
    """The media folder as it was before any lane could write to it."""
    given_up: frozenset[str] = frozenset()
    """Hashes of media that went, for there was no room to start in."""


def open_ledger(data_dir: Path, device: str, settings: LedgerSettings, now: Stamp) -> Opened:
    """Create or open, check, recover, migrate.

    Raises `StorageReadOnly`, `LedgerLocked`, `SchemaTooNew`, `LedgerFull`, `LedgerError`.
    """
    lock = take_lock(data_dir)
    ballast = Ballast(data_dir, settings.ballast_mib * MIB)
    given_up: set[str] = set()
    try:
        make_private(data_dir)
        while True:
            try:
                connection, recovered, checked = _open(data_dir, device, now)
                break
            except LedgerFull:
                if ballast.release():
                    continue
                gone = first_room.give_up_media(data_dir)
                given_up |= gone
                if not gone:
                    ballast.lay()  # as it was found
                    raise
        listing = MediaStore(data_dir).listing()
    except BaseException:
        lock.close()
        raise
    if listing.foreign:
        log.warning("media_foreign count=%d first=%s: left alone", listing.foreign,
                    *listing.example)  # fmt: skip
    return Opened(connection, lock, ballast, recovered, checked, listing.files, frozenset(given_up))


def _open(data_dir: Path, device: str, now: Stamp) -> tuple[sqlite3.Connection, str, bool]:
    """(connection, what was recovered, whether everything was checked)."""
    path = data_dir / database.FILE
    try:
        recovery.finish(data_dir)
        noted = read_noted(data_dir)
        recovered = ""
        try:
            absence.refuse(data_dir, noted, now)
            connection, checked = _open_checked(path)
        except LedgerDamaged as exc:
            recovered = recovery.recover(data_dir, str(exc), now, noted)
            connection, checked = _open_checked(path)
        try:
            if checked:
                checking.trust(data_dir)
            if not recovered:
                recovered = _tell_vanished(connection, data_dir, noted, now)
            is_anew = bool(recovered)
            if checked and not is_anew:
                recovered = recovery.note_holes(connection, data_dir, now)
            _settle_identity(connection, data_dir, device, now, is_anew=is_anew)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as exc:
        raise database.as_ledger_error(exc, path) from exc
    except OSError as exc:
        kind = LedgerFull if exc.errno in NO_ROOM else LedgerError
        raise kind(f"{data_dir}: the ledger cannot be opened: {exc.strerror or exc}") from exc
    return connection, recovered, checked


def _open_checked(path: Path) -> tuple[sqlite3.Connection, bool]:
    if path.exists():
        refuse_newer(path, newest())
    database.make_file(path)
    connection = database.open_writer(path)
    try:
        checking.check_version(connection, path)
        migrate(connection, path)
        checking.check_schema(connection, path)
        checked = checking.check_at_start(connection, path)
        sync_folder(path.parent)
    except sqlite3.Error as exc:
        connection.close()
        if database.code_of(exc) == sqlite3.SQLITE_ERROR:  # the tables are not what they should be
            raise LedgerDamaged(f"{path}: {exc}") from exc
        raise database.as_ledger_error(exc, path) from exc
    except (OSError, EdgeRuntimeError):
        connection.close()
        raise
    return connection, checked


def _tell_vanished(connection: sqlite3.Connection, data_dir: Path, noted: Noted, now: Stamp) -> str:
    """Whether the database ends before what is noted of its own epoch; empty when it does not."""
    current = current_epoch(connection)
    if current is None:
        return ""
    top = noted.top((current,))
    if top <= max_seq(connection):
        return ""
    return recovery.note_vanished(connection, data_dir, top, now)


def _settle_identity(
    connection: sqlite3.Connection, data_dir: Path, device: str, now: Stamp, *, is_anew: bool
) -> None:
    """Device and epoch are those of this database at this place, or there is a new epoch.

    `is_anew`: there is one already.
    """
    with database.transaction(connection):
        first, reason = _new_epoch(connection, data_dir, device)
        if reason and not is_anew:
            begin_epoch(connection, first=first, reason=reason, now=now)
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('device', ?)", (device,))
        connection.execute(
            "INSERT INTO clock_anchors (boot_id, boottime_ns, wall_ns, origin) "
            "VALUES (?, ?, ?, 'start')",
            (now.boot_id, now.boottime_ns, now.wall_ns),
        )
    epoch, seq = current_epoch(connection), max_seq(connection)
    if epoch is not None and read_epoch(data_dir) != (epoch, seq):
        write_epoch(data_dir, epoch, seq)


def _new_epoch(connection: sqlite3.Connection, data_dir: Path, device: str) -> tuple[int, str]:
    """(first seq, reason) of the epoch that has to begin; the reason is empty when none has to.

    Rows of an old copy keep their epoch, under which the collector may know them. Rows that are
    unsent when the device gets a new name go to the new epoch: they will be sent under that name.
    """
    top = max_seq(connection)
    current = current_epoch(connection)
    if current is None:
        return 1, "created"
    owner = connection.execute("SELECT value FROM meta WHERE key = 'device'").fetchone()
    if owner is not None and owner[0] != device:
        return _first_unsent(connection), RENAMED + owner[0]
    beside, seq = read_epoch(data_dir)
    if beside == current and seq <= top:
        return 0, ""
    if not beside and top == 0:
        return 1, "created"
    return top + 1, "another copy of this ledger was here" if beside else "the epoch file is gone"


def _first_unsent(connection: sqlite3.Connection) -> int:
    """Behind everything that the collector has: that is there under the old name, for ever.

    What is unsent below it stays with the old name, too.
    """
    acked = load_ranges(connection, "acked").ranges
    return max(load_settled(connection).head(1), acked[-1][1] if acked else 0) + 1
