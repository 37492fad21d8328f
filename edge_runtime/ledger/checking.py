"""Whether the database is sound: quickly at the start, thoroughly beside the work.

A long ledger takes minutes to read from flash.  So a start looks at the small tables and the newest
rows only, and a thread of its own reads the rest afterwards, through a connection that cannot
write.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import sqlite3
import threading
from typing import TYPE_CHECKING

from edge_runtime.errors import LedgerDamaged, LedgerError
from edge_runtime.ledger import database
from edge_runtime.ledger.folder import write_durably
from edge_runtime.ledger.migrate import MOST_SCHEMAS, migrations, version_of
from edge_runtime.ledger.unreadable_search import unreadable_entries

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_runtime.ledger.rows import Entry

log = logging.getLogger(__name__)

SUSPECT = "suspect"
"""A file of this name says what was found wrong at work; the next start looks closely."""
WHOLE_BELOW_BYTES = 64 << 20
"""Up to here everything is read at the start: 0.1 s."""
_SMALL = ("meta", "epochs", "acked", "gone", "quarantine", "sources", "models", "tallies",
          "once", "pins", "source_identities")  # fmt: skip
_NEWEST_ROWS = 1000
_NAMES = "SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_stat%'"
_NAMES_SHOWN = 4
_NICE = 15


def check_version(connection: sqlite3.Connection, path: Path) -> None:
    """A schema's number that no version ever gave, or tables without one.  Raises `LedgerDamaged`.

    Raises sqlite3.Error.
    """
    found = version_of(connection)
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if found > MOST_SCHEMAS or found < 0 or (tables and not found):
        raise LedgerDamaged(f"{path}: {found} is no schema's number")


def check_schema(connection: sqlite3.Connection, path: Path) -> None:
    """Every table, index and view of ours is there.  Raises `LedgerDamaged`, sqlite3.Error."""
    there = set(connection.execute(_NAMES).fetchall())
    missing = [f"{kind} {name}" for kind, name in sorted(expected_schema() - there)]
    if missing:
        raise LedgerDamaged(f"{path}: there is no {', no '.join(missing[:_NAMES_SHOWN])}")


@functools.cache
def expected_schema() -> frozenset[tuple[str, str]]:
    """(kind, name) of all that a new ledger has."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for _, sql in migrations():
            connection.executescript(sql)
        return frozenset(connection.execute(_NAMES).fetchall())


def check_at_start(connection: sqlite3.Connection, path: Path) -> bool:
    """Look; whether that was everything.  Raises `LedgerDamaged`."""
    whole = path.stat().st_size <= WHOLE_BELOW_BYTES or (path.parent / SUSPECT).exists()
    try:
        if whole:
            _check(connection, "PRAGMA quick_check(1)", path)
        else:
            for table in _SMALL:
                _check(connection, f"PRAGMA quick_check({table})", path)
            connection.execute(
                "SELECT sum(length(body)) FROM "
                "(SELECT body FROM entries ORDER BY seq DESC LIMIT ?)",
                (_NEWEST_ROWS,),
            ).fetchone()
    except sqlite3.DatabaseError as exc:
        if database.is_damage(exc):
            raise LedgerDamaged(f"{path}: {exc}") from exc
        raise
    return whole


def suspect(data_dir: Path, finding: str) -> None:
    """Leave word for the next start."""
    with contextlib.suppress(OSError):  # a disk that fails altogether is found by its failing
        write_durably(data_dir / SUSPECT, finding + "\n")


def trust(data_dir: Path) -> None:
    """It was looked at closely."""
    (data_dir / SUSPECT).unlink(missing_ok=True)


class Inspection:
    """Reads the whole database once, in a thread of its own: first whether it is sound."""

    def __init__(
        self,
        path: Path,
        on_damage: Callable[[str], None],
        on_unreadable: Callable[[list[Entry]], None],
        *,
        is_checked: bool,
    ) -> None:
        """Both are called by that thread; `on_unreadable` with entries of one epoch each time.

        `is_checked`: it is sound, only rows are to be looked at.
        """
        self._path = path
        self._on_damage = on_damage
        self._on_unreadable = on_unreadable
        self._is_checked = is_checked
        self._connection: sqlite3.Connection | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ledger-check", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout_s: float | None = None) -> None:
        """Break off, wherever it is, waiting at most so long for it.  Idempotent."""
        self._stopped.set()
        connection = self._connection  # the thread lets go of it, and closes it, whenever it likes
        if connection is not None:
            with contextlib.suppress(sqlite3.ProgrammingError):
                connection.interrupt()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        with contextlib.suppress(OSError):  # behind everybody: it takes a minute of a long ledger
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        try:
            connection = database.open_reader(self._path)
        except LedgerError as exc:
            self._on_damage(str(exc))
            return
        with contextlib.closing(connection):
            connection.set_progress_handler(self._stopped.is_set, 10_000)
            self._connection = connection
            try:
                if not self._is_checked:
                    _check(connection, "PRAGMA quick_check(1)", self._path)
                for entries in unreadable_entries(connection, self._stopped.is_set):
                    self._on_unreadable(entries)
            except LedgerDamaged as exc:
                self._on_damage(str(exc))
            except sqlite3.DatabaseError as exc:
                if database.is_damage(exc):
                    self._on_damage(f"{self._path}: {exc}")
                elif not self._stopped.is_set():
                    log.exception("ledger_check_ended")
            finally:
                self._connection = None


def _check(connection: sqlite3.Connection, pragma: str, path: Path) -> None:
    verdict = connection.execute(pragma).fetchone()[0]
    if verdict != "ok":
        raise LedgerDamaged(f"{path}: {verdict}")
