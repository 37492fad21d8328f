"""Media that go to make room, and media that are found gone.  Owned by the ledger's thread."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from edge_runtime import failpoint
from edge_runtime.ledger.apply import WHOLE_LEDGER
from edge_runtime.ledger.retention import MediaItem, Usage, choose_media
from edge_runtime.types import Stamp, Tombstone, TombstoneReason

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edge_runtime.ledger.apply import Tables
    from edge_runtime.ledger.media import MediaStore

log = logging.getLogger(__name__)

FILES_AT_ONCE = 500
ON_DISK_BYTES = "SELECT coalesce(sum(size_bytes), 0) FROM media WHERE state IN ('local', 'stored')"
_ITEM = "SELECT sha256, mime, size_bytes, state = 'stored', value, seq, mtime_ns FROM media"

_SOUND = (
    "length(sha256) = 64 AND sha256 NOT GLOB '*[^0-9a-f]*' AND typeof(seq) = 'integer' AND "
    "typeof(size_bytes) = 'integer' AND typeof(mtime_ns) = 'integer' AND typeof(mime) = 'text'"
)
"""A row that says which file it is about: others are left alone."""


def media_bytes(tables: Tables) -> int:
    """What the media on the disk take."""
    return int(tables.connection.execute(ON_DISK_BYTES).fetchone()[0])


def evict(tables: Tables, media: MediaStore, usage: Usage) -> int:
    """One run of bounded length; how many files went.

    The state goes first, committed, then the file: a crash between leaves an orphan.
    """
    if usage.excess_bytes <= 0:
        return 0
    chosen = choose_media(_candidates(tables), usage)
    if not chosen:
        return 0
    _set_evicted(tables, chosen, "to make room")
    failpoint.reached("eviction_committed")
    for item in chosen:
        media.remove_unless_put(media.path(item.sha256, item.mime), item.mtime_ns)
    return len(chosen)


def sweep(tables: Tables, media: MediaStore, files: list[tuple[Path, int]]) -> Iterator[None]:
    """After a start: files without a row go, and rows without a file say so.  In pieces.

    `files` is the folder as it was before any lane could write; one that was put since is let be.
    """
    removed = 0
    for at in range(0, len(files), FILES_AT_ONCE):
        for path, mtime_ns in files[at : at + FILES_AT_ONCE]:
            if path.name.startswith(".") or not _is_known(tables, path.stem):
                removed += media.remove_unless_put(path, mtime_ns)
        yield
    if removed:
        log.info("orphans_swept files=%d", removed)
    yield from _find_missing(tables, media, {path.stem for path, _ in files})


def _candidates(tables: Tables) -> list[MediaItem]:
    """The next to go: some that the collector has or, when there are none, some that it has not."""
    for state in ("stored", "local"):
        rows = tables.connection.execute(
            f"{_ITEM} WHERE state = ? AND {_SOUND} ORDER BY value, seq LIMIT ?",
            (state, FILES_AT_ONCE),
        ).fetchall()
        if rows:
            return [_item(row) for row in rows]
    return []


def _find_missing(tables: Tables, media: MediaStore, present: set[str]) -> Iterator[None]:
    at = 0
    while True:
        numbers = tables.connection.execute(
            "SELECT id FROM media WHERE id > ? ORDER BY id LIMIT ?", (at, FILES_AT_ONCE)
        ).fetchall()
        if not numbers:
            return
        rows = tables.connection.execute(
            f"{_ITEM} WHERE id > ? AND id <= ? AND state != 'evicted' AND {_SOUND}",
            (at, numbers[-1][0]),
        ).fetchall()
        at = numbers[-1][0]
        items = [_item(row) for row in rows if row[0] not in present]
        lost = [item for item in items if media.mtime_ns(item.sha256, item.mime) is None]
        if lost:
            log.error("media_missing files=%d", len(lost))
            _set_evicted(tables, lost, "not on the disk at the start")
        yield


def _set_evicted(tables: Tables, items: list[MediaItem], why: str) -> None:
    """One tombstone for all that the collector did not have."""
    unsynced = [item for item in items if not item.stored]
    with tables.transaction():
        tables.connection.executemany(
            "UPDATE media SET state = 'evicted' WHERE sha256 = ?", [(i.sha256,) for i in items]
        )
        if unsynced:
            tables.put_tombstone(_tombstone(tables, unsynced, why))
    log.warning("media_evicted files=%d unsynced=%d why=%s", len(items), len(unsynced), why)


def _tombstone(tables: Tables, items: list[MediaItem], why: str) -> Tombstone:
    seqs = sorted(item.seq for item in items)
    size = sum(item.size_bytes for item in items)
    return Tombstone(
        lane=WHOLE_LEDGER,
        reason=TombstoneReason.MEDIA_EVICTED,
        first=_stamp_of(tables, seqs[0]),
        last=_stamp_of(tables, seqs[-1]),
        count=len(items),
        detail=f"{size} bytes of media of results {seqs[0]} to {seqs[-1]}: {why}",
    )


def _stamp_of(tables: Tables, seq: int) -> Stamp:
    row = tables.connection.execute(
        "SELECT wall_ns, boottime_ns, name FROM entries JOIN boots ON boots.id = boot "
        "WHERE seq = ?",
        (seq,),
    ).fetchone()
    return Stamp(*row) if row else Stamp(0, 0, "unknown")


def _is_known(tables: Tables, sha256: str) -> bool:
    row = tables.connection.execute(
        "SELECT 1 FROM media WHERE sha256 = ? AND state != 'evicted'", (sha256,)
    ).fetchone()
    return row is not None


def _item(row: tuple[str, str, int, int, int, int, int]) -> MediaItem:
    sha256, mime, size, stored, value, seq, mtime_ns = row
    return MediaItem(
        sha256=sha256, mime=mime, size_bytes=size, stored=bool(stored), value=value, seq=seq,
        mtime_ns=mtime_ns,
    )  # fmt: skip
