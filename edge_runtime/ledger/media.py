"""Media on disk: content-addressed files, durable before any row refers to them.  No SQLite here.

Lanes write, the ledger's thread evicts and sweeps, sync reads; a file is never changed.
Order of `put`: write beside the target, fsync, rename to the hash, fsync the folder.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime import failpoint
from edge_runtime.errors import LedgerError, LedgerFull
from edge_runtime.types import Media

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FOLDER = "media"
_EXTENSIONS = {"image/jpeg": ".jpg", "image/png": ".png", "audio/flac": ".flac"}
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class MediaStore:
    """``DATA/media/ab/<sha256>.<ext>``.  Stateless; any thread of any process."""

    def __init__(self, data_dir: Path) -> None:
        """Nothing is created before the first `put`."""
        self._root = data_dir / FOLDER

    def path(self, sha256: str, mime: str) -> Path:
        """Where a file is, or would be."""
        return self._root / sha256[:2] / (sha256 + _EXTENSIONS.get(mime, ".bin"))

    def put(self, data: bytes, *, kind: str, mime: str) -> Media:
        """Write `data` durably and say under which hash.

        Raises `LedgerFull` when the disk has no room, `LedgerError` for any other failure.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        target = self.path(sha256, mime)
        try:
            # Written again even if it is there: an eviction under way must not win over a new row.
            target.parent.mkdir(parents=True, exist_ok=True)
            self._write(target, data)
        except OSError as exc:
            if exc.errno in _NO_ROOM:
                raise LedgerFull(f"{self._root}: no room for {len(data)} bytes of media") from exc
            raise LedgerError(f"{target}: cannot be written: {exc.strerror}") from exc
        return Media(sha256=sha256, kind=kind, mime=mime, size_bytes=len(data))

    def remove(self, sha256: str, mime: str) -> None:
        """Delete a file; one that is not there is fine."""
        self.path(sha256, mime).unlink(missing_ok=True)

    def sweep(self, is_known: Callable[[str], bool], before_wall_s: float) -> int:
        """Delete files older than `before_wall_s` that no row refers to; how many.

        Younger ones may belong to a row that is on its way.
        """
        removed = 0
        for path in self._files():
            with contextlib.suppress(OSError):  # somebody else removed it
                orphan = path.name.startswith(".") or not is_known(path.stem)
                if orphan and path.stat().st_mtime < before_wall_s:
                    path.unlink()
                    removed += 1
        return removed

    def _files(self) -> Iterator[Path]:
        if self._root.is_dir():
            for folder in self._root.iterdir():
                yield from folder.iterdir()

    def _write(self, target: Path, data: bytes) -> None:
        descriptor, name = tempfile.mkstemp(prefix=".", dir=target.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                failpoint.reached("media_written")
                os.fsync(file.fileno())
            failpoint.reached("media_synced")
            Path(name).rename(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        failpoint.reached("media_renamed")
        sync_folder(target.parent)
        failpoint.reached("media_folder_synced")


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
