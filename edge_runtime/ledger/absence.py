"""A database that is not there, or of whose log a part is not believed: looked at before SQLite is.

SQLite makes a missing file anew and cuts a damaged log off, both without a word.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from edge_runtime.errors import EdgeRuntimeError, LedgerDamaged
from edge_runtime.ledger import database, wal
from edge_runtime.ledger.folder import BALLAST, QUARANTINE
from edge_runtime.ledger.noted import EPOCH_FILE, MARK_FILE

if TYPE_CHECKING:
    from pathlib import Path

    from edge_runtime.ledger.noted import Noted
    from edge_runtime.types import Stamp

_LEFT: Final = (EPOCH_FILE, MARK_FILE, BALLAST, QUARANTINE)
"""Each of them says that a ledger was here."""


def refuse(data_dir: Path, noted: Noted, now: Stamp) -> None:
    """Look.  Raises `LedgerDamaged`, OSError; nothing where no ledger ever was."""
    path = data_dir / database.FILE
    size = path.stat().st_size if path.exists() else -1
    if size >= database.PAGE_BYTES:
        if damage := _damaged_log(path, noted, now):
            raise LedgerDamaged(damage)
    elif any((data_dir / name).exists() for name in _LEFT):
        raise LedgerDamaged(f"{path}: the file {'is gone' if size < 0 else f'has {size} bytes'}")


def _damaged_log(path: Path, noted: Noted, now: Stamp) -> str:
    """Whether more was committed than SQLite believes."""
    log = wal.read_log(path.with_name(path.name + "-wal"))
    if log is None:
        return ""
    try:
        reader = database.open_reader(path)
    except EdgeRuntimeError:
        return ""  # the database itself: found out by who opens it next
    with contextlib.closing(reader):
        last = wal.believed(path.with_name(path.name + "-shm"))
    may_be_torn = noted.boot != now.boot_id
    lost = wal.lost_commits(log, last, may_be_torn=may_be_torn)
    if not lost:
        return ""
    return f"{log.path}: {len(lost)} commits stand behind a damaged place"
