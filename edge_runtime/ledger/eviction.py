"""Media that go to make room, and media that are found gone.  Owned by the ledger's thread."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from edge_runtime import failpoint
from edge_runtime.ledger.apply import WHOLE_LEDGER
from edge_runtime.ledger.media import is_unfinished, mime_of
from edge_runtime.ledger.retention import MediaItem, Usage, choose_media
from edge_runtime.types import Stamp, Tombstone, TombstoneReason

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from edge_runtime.ledger.apply import Tables
    from edge_runtime.ledger.media import MediaStore

log = logging.getLogger(__name__)

FILES_AT_ONCE = 500
LOSS = "loss"
"""A key of ``meta``: the tombstone of rows that were lost, until their media were looked for."""
ON_DISK_BYTES = "SELECT coalesce(sum(size_bytes), 0) FROM media WHERE state != 'evicted'"
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


def sweep(
    tables: Tables, media: MediaStore, files: list[tuple[Path, int]], given_up: Collection[str] = ()
) -> Iterator[None]:
    """After a start: files without a row go, and rows without a file say so.  In pieces.

    `files` is the folder as it was before any lane could write; one that was put since is let be.
    After rows were lost to damage a file without a row may be of one of them: it stays, and hangs
    on the tombstone that tells of the loss.  `given_up`: the hashes of what went at the start, for
    there was no room at all.
    """
    loss = _loss(tables)
    removed = kept = 0
    for at in range(0, len(files), FILES_AT_ONCE):
        some = files[at : at + FILES_AT_ONCE]
        unknown = [
            (path, mtime_ns)
            for path, mtime_ns in some
            if is_unfinished(path) or not _is_known(tables, path.stem)
        ]
        if loss:
            of_lost = [found for found in unknown if not is_unfinished(found[0])]
            kept += _adopt(tables, of_lost, loss)
            unknown = [found for found in unknown if is_unfinished(found[0])]
        removed += sum(media.remove_unless_put(path, mtime_ns) for path, mtime_ns in unknown)
        yield
    if removed:
        log.info("orphans_swept files=%d", removed)
    if loss:
        log.warning("media_kept files=%d tombstone=%d", kept, loss)
        with tables.transaction():
            tables.connection.execute("DELETE FROM meta WHERE key = ?", (LOSS,))
    yield from _find_missing(tables, media, {path.stem for path, _ in files}, given_up)


def _loss(tables: Tables) -> int:
    """The tombstone of a loss whose media were not looked at yet; 0 for none."""
    row = tables.connection.execute("SELECT value FROM meta WHERE key = ?", (LOSS,)).fetchone()
    return int(row[0]) if row and str(row[0]).isdecimal() else 0


def _adopt(tables: Tables, files: list[tuple[Path, int]], loss: int) -> int:
    """Files that no row is known of any more belong to the tombstone from now on."""
    connection = tables.connection
    with tables.transaction():
        for path, mtime_ns in files:
            try:
                size = path.stat().st_size
            except OSError:
                continue
            mime = mime_of(path)
            kind = "segment" if mime.startswith("audio/") else "frame"
            connection.execute(
                "INSERT OR REPLACE INTO media "
                "(sha256, kind, mime, size_bytes, state, seq, value, mtime_ns) "
                "VALUES (?, ?, ?, ?, 'kept', ?, 0, ?)",
                (path.stem, kind, mime, size, loss, mtime_ns),
            )
            connection.execute(
                "INSERT INTO entry_media SELECT ?1, (SELECT count(*) FROM entry_media "
                "WHERE seq = ?1), id FROM media WHERE sha256 = ?2",
                (loss, path.stem),
            )
    return len(files)


def _candidates(tables: Tables) -> list[MediaItem]:
    """The next to go: some that the collector has; else some of lost rows; else any other."""
    for state in ("stored", "kept", "local"):
        rows = tables.connection.execute(
            f"{_ITEM} WHERE state = ? AND {_SOUND} ORDER BY value, seq LIMIT ?",
            (state, FILES_AT_ONCE),
        ).fetchall()
        if rows:
            return [_item(row) for row in rows]
    return []


def _find_missing(
    tables: Tables, media: MediaStore, present: set[str], given_up: Collection[str]
) -> Iterator[None]:
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
            gone = [item for item in lost if item.sha256 in given_up]
            if gone:
                _set_evicted(tables, gone, "to make room, for there was none at the start")
            lost = [item for item in lost if item.sha256 not in given_up]
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
