"""A damaged database: what can be read goes into a new one, and the damaged one is kept.

Order: the new file is built beside the damaged one, complete and durable, and then gets the name
that says so; then the damaged one is moved to ``quarantine/``; then the new one takes its name.  A
crash before the first move leaves everything as it was; one after it is finished at the next start
(`finish`).  Nothing is ever recreated empty in silence, and no number is given out twice.
"""

from __future__ import annotations

import contextlib
import secrets
from typing import TYPE_CHECKING, Final

from edge_runtime.ledger import database
from edge_runtime.ledger.apply import WHOLE_LEDGER, Tables
from edge_runtime.ledger.carrying import carry_over
from edge_runtime.ledger.eviction import LOSS
from edge_runtime.ledger.folder import QUARANTINE, make_folder, sync_folder
from edge_runtime.ledger.media import MediaStore
from edge_runtime.ledger.migrate import migrate
from edge_runtime.ledger.seq_ranges import (
    add_ranges,
    begin_epoch,
    load_ranges,
    load_settled,
    max_seq,
    missing_rows,
)
from edge_runtime.types import Tombstone, TombstoneReason

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable
    from pathlib import Path

    from edge_runtime.ledger.carrying import Carried
    from edge_runtime.ledger.noted import Noted
    from edge_runtime.types import Stamp

REBUILT: Final = "ledger-recovered.db"
_BUILDING: Final = "ledger-recovering.db"
"""The same before it is complete."""
_RANGES_SHOWN: Final = 8


def recover(data_dir: Path, damage: str, now: Stamp, noted: Noted) -> str:
    """Replace the damaged database; what was done, for people.

    `noted`: what stands beside the database: rows whose own epoch is not readable get its, and what
    was noted and is not there is lost. Raises sqlite3.Error or OSError, with the damaged file where
    it was.
    """
    building = data_dir / _BUILDING
    for suffix in database.SUFFIXES:  # of an attempt that did not end
        building.with_name(_BUILDING + suffix).unlink(missing_ok=True)
    folder = data_dir / QUARANTINE / str(now.wall_ns)
    fresh = database.open_writer(building)
    try:
        migrate(fresh, building)
        carried = carry_over(data_dir / database.FILE, fresh, noted.top())
        lost, elsewhere = _settle(fresh, carried.top, noted.epoch, now)
        told = _words(damage, carried, lost, elsewhere, folder)
        is_known = carried.top > 0
        _bury(fresh, data_dir, told, lost if is_known else None, now)
        database.checkpoint(fresh, "TRUNCATE")
    finally:
        fresh.close()
    make_folder(folder)
    building.rename(data_dir / REBUILT)
    sync_folder(data_dir)
    _swap(data_dir, folder)
    return told


def note_vanished(connection: sqlite3.Connection, data_dir: Path, noted: int, now: Stamp) -> str:
    """A sound database ends before `noted`: tell it, and give none of those numbers again.

    An old copy that was put back, or a log that was cut off or thrown away.
    """
    top = max_seq(connection)
    with database.transaction(connection):
        _set_top(connection, noted)
        add_ranges(connection, "gone", [(top + 1, noted)])
        begin_epoch(connection, first=noted + 1, reason="rows are missing", now=now)
    told = (
        f"{data_dir / database.FILE}: it ends at seq {top}, and {noted} was stored: {noted - top} "
        "rows are missing (an old copy that was put back, or a damaged log)"
    )
    _bury(connection, data_dir, told, noted - top, now)
    return told


def note_holes(connection: sqlite3.Connection, data_dir: Path, now: Stamp) -> str:
    """Tell of rows that are in no place where rows may be missing; empty where there are none.

    Somebody deleted them, or their page. Reads every row's number.
    """
    settled = load_settled(connection)
    missing = missing_rows(connection, 1, max_seq(connection)).ranges
    holes = [part for a, b in missing for part in settled.missing(a, b)]
    if not holes:
        return ""
    count = _count(holes)
    with database.transaction(connection):
        add_ranges(connection, "gone", holes)
    told = f"{data_dir / database.FILE}: {count} rows are not there, and nothing says why"
    _bury(connection, data_dir, told, count, now)
    return told


def finish(data_dir: Path) -> None:
    """End a recovery that was cut off between its moves.  Harmless at any other time."""
    if (data_dir / database.FILE).exists() or not (data_dir / REBUILT).exists():
        return
    make_folder(data_dir / QUARANTINE)
    folders = sorted(path for path in (data_dir / QUARANTINE).iterdir() if path.is_dir())
    _swap(data_dir, folders[-1] if folders else data_dir / QUARANTINE)


def _swap(data_dir: Path, folder: Path) -> None:
    for suffix in database.SUFFIXES:  # the file itself first: its absence says that we are here
        with contextlib.suppress(FileNotFoundError):
            (data_dir / (database.FILE + suffix)).rename(folder / (database.FILE + suffix))
    sync_folder(folder)
    sync_folder(data_dir)
    (data_dir / REBUILT).rename(data_dir / database.FILE)
    sync_folder(data_dir)


def _words(damage: str, carried: Carried, lost: int, elsewhere: int, folder: Path) -> str:
    """`elsewhere`: how many are not here, and the collector has acknowledged them."""
    by_page = f" ({carried.by_page} of them from single pages)" if carried.by_page else ""
    not_there = f"{lost} not readable" if carried.top else "how many there were is not known"
    only_there = f", {elsewhere} more only at the collector" if elsewhere else ""
    return (
        f"{damage}; {carried.rows} rows carried over{by_page}, {not_there}{only_there}; "
        f"the damaged file is in {folder}"
    )


def _set_top(connection: sqlite3.Connection, top: int) -> None:
    """Numbers that were given out are not given out again."""
    connection.execute("DELETE FROM sqlite_sequence WHERE name = 'entries'")
    connection.execute("INSERT INTO sqlite_sequence VALUES ('entries', ?)", (top,))


def _settle(fresh: sqlite3.Connection, top: int, epoch: str, now: Stamp) -> tuple[int, int]:
    """Make the carried rows one whole again; see `_note_lost`."""
    with database.transaction(fresh):
        _set_top(fresh, top)
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
        found = _note_lost(fresh, top)
        _name_epochs(fresh, top, epoch, now)
    return found


def _name_epochs(fresh: sqlite3.Connection, top: int, beside: str, now: Stamp) -> None:
    """A new epoch for new rows; carried ones keep theirs, or get the one named beside."""
    begin_epoch(fresh, first=top + 1, reason="recovered", now=now)
    lowest = fresh.execute("SELECT min(first_seq) FROM epochs").fetchone()[0]
    if lowest > 1:
        known = fresh.execute("SELECT 1 FROM epochs WHERE epoch = ?", (beside,)).fetchone()
        name = beside if beside and known is None else secrets.token_hex(16)
        fresh.execute("INSERT INTO epochs VALUES (1, ?, 'unreadable', ?)", (name, now.wall_ns))


def _note_lost(fresh: sqlite3.Connection, top: int) -> tuple[int, int]:
    """How many numbers are lost for good; and of how many the collector has the row.

    Those may have made room here in order, before the damage: nobody can tell.
    """
    acked, known_gone = load_ranges(fresh, "acked"), load_ranges(fresh, "gone")
    settled = acked.union(known_gone)
    missing = missing_rows(fresh, 1, top)
    lost = [part for a, b in missing.ranges for part in settled.missing(a, b)]
    add_ranges(fresh, "gone", lost)
    not_acked = [part for a, b in missing.ranges for part in acked.missing(a, b)]
    return _count(lost), missing.count() - _count(not_acked)


def _count(ranges: Iterable[tuple[int, int]]) -> int:
    return sum(last - first + 1 for first, last in ranges)


def _bury(
    connection: sqlite3.Connection, data_dir: Path, what: str, lost: int | None, now: Stamp
) -> None:
    """One tombstone; media that no row is known of any more will hang on it (`eviction.sweep`)."""
    gone = load_ranges(connection, "gone").ranges
    shown = ", ".join(f"{a}-{b}" for a, b in gone[-_RANGES_SHOWN:])
    more = "... " if len(gone) > _RANGES_SHOWN else ""
    tombstone = Tombstone(
        lane=WHOLE_LEDGER,
        reason=TombstoneReason.RECOVERED_DAMAGE,
        first=now,
        last=now,
        count=lost,
        detail=f"{what}; seq not readable: {more}{shown}" if gone else what,
    )
    tables = Tables(connection, MediaStore(data_dir))
    with tables.transaction():
        seq = tables.put_tombstone(tombstone)
        connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (LOSS, str(seq)))
