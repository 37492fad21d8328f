"""Room to start in, where there is not one byte: media go that the ledger would give up first.

The database cannot be written yet, so the files go first. Their rows say so as soon as there is a
writer (`eviction.sweep`): until then they are files that are not there.
"""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, Final

from edge_runtime.errors import EdgeRuntimeError
from edge_runtime.ledger import database
from edge_runtime.ledger.folder import MIB
from edge_runtime.ledger.media import MediaStore, is_sha256

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENOUGH_BYTES: Final = 4 * MIB
"""For the log, its index and the first checkpoint."""
_NEXT: Final = (
    "SELECT sha256, mime FROM media WHERE state != 'evicted' AND "
    "typeof(mime) = 'text' ORDER BY state = 'stored' DESC, state = 'kept' DESC, value, seq"
)


def give_up_media(data_dir: Path) -> set[str]:
    """Remove media until there is enough for a start; the hashes of what went, none where none may.

    In the order in which they would be evicted: what the collector has, the least valuable, the
    oldest.
    """
    media = MediaStore(data_dir)
    gone: set[str] = set()
    freed = 0
    for sha256, mime in _candidates(data_dir / database.FILE):
        if freed >= ENOUGH_BYTES:
            break
        if not is_sha256(sha256):
            continue
        path = media.path(sha256, mime)
        with contextlib.suppress(OSError):
            size = path.stat().st_size
            path.unlink()
            freed += size
            gone.add(sha256)
    return gone


def _candidates(path: Path) -> Iterator[tuple[str, str]]:
    """Read whatever way is open: with the log where its index fits, else without it."""
    try:
        connection = database.open_for_a_look(path)
    except (EdgeRuntimeError, sqlite3.Error):
        return
    with contextlib.closing(connection), contextlib.suppress(sqlite3.Error):
        yield from connection.execute(_NEXT)
