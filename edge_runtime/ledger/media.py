"""Media on disk: content-addressed files, durable before any row refers to them.  No SQLite here.

Lanes write, the ledger's thread evicts and sweeps, sync reads; a file is never changed.
Order of `put`: write beside the target, fsync, rename to the hash, fsync the folder.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime import failpoint
from edge_runtime.errors import LedgerError, LedgerFull, StorageReadOnly
from edge_runtime.ledger.folder import NO_ROOM, sync_folder
from edge_runtime.types import Media

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = "media"
SHA256 = re.compile(r"[0-9a-f]{64}")
_WORD = re.compile(r"[\w./+-]+", re.ASCII)
_EXTENSIONS = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "audio/flac": ".flac",
    "audio/wav": ".wav",
}
_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)


def is_media(sha256: object, kind: object, mime: object, size_bytes: object) -> bool:
    """Whether a row of the table of media says which file it is about."""
    words = all(isinstance(value, str) and _WORD.fullmatch(value) for value in (kind, mime))
    return words and isinstance(size_bytes, int) and is_sha256(sha256)


def is_sha256(value: object) -> bool:
    """Whether it can be the name of a file of media."""
    return isinstance(value, str) and SHA256.fullmatch(value) is not None


class MediaStore:
    """``DATA/media/ab/<sha256>.<ext>``.  Any thread of any process."""

    def __init__(self, data_dir: Path) -> None:
        """Nothing is created before the first `put`."""
        self._root = data_dir / FOLDER
        self._durable: set[Path] = set()

    def path(self, sha256: str, mime: str) -> Path:
        """Where a file is, or would be.  Raises ValueError for what is no hash."""
        if not SHA256.fullmatch(sha256):
            raise ValueError(f"'{sha256[:80]}' is not a sha256")
        return self._root / sha256[:2] / (sha256 + _EXTENSIONS.get(mime, ".bin"))

    def put(self, data: bytes, *, kind: str, mime: str) -> Media:
        """Write `data` durably and say under which hash.

        A file that is there already is written again: its new time of change tells an eviction that
        is under way to leave it alone.

        Raises `LedgerFull` when the disk has no room, `StorageReadOnly` when it cannot be written,
        `LedgerError` for any other failure.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        target = self.path(sha256, mime)
        try:
            self._make_folder(target.parent)
            _write(target, data)
        except OSError as exc:
            if exc.errno in NO_ROOM:
                raise LedgerFull(f"{self._root}: no room for {len(data)} bytes of media") from exc
            kind_of_error = StorageReadOnly if exc.errno in _READ_ONLY else LedgerError
            raise kind_of_error(f"{target}: cannot be written: {exc.strerror}") from exc
        return Media(sha256=sha256, kind=kind, mime=mime, size_bytes=len(data))

    def mtime_ns(self, sha256: str, mime: str) -> int | None:
        """When the file was last put; None when it is not there."""
        try:
            return self.path(sha256, mime).stat().st_mtime_ns
        except OSError:
            return None

    def remove(self, sha256: str, mime: str) -> None:
        """Delete a file; one that is not there is fine."""
        self.path(sha256, mime).unlink(missing_ok=True)

    def remove_unless_put(self, path: Path, mtime_ns: int) -> bool:
        """Delete a file, but not one that was put again since `mtime_ns`; whether it is gone.

        It is first taken off its name: a `put` before that is seen by its time and the file goes
        back, a `put` after it makes a new file that is not touched.
        """
        aside = path.with_name(f".{path.name}.evict")
        try:
            path.rename(aside)
        except FileNotFoundError:
            return True
        if aside.stat().st_mtime_ns != mtime_ns:
            aside.rename(path)
            return False
        aside.unlink()
        return True

    def listing(self) -> list[tuple[Path, int]]:
        """(path, time of change in ns) of every file, unfinished ones too."""
        found = []
        for path in self._files():
            with contextlib.suppress(OSError):  # a lane's unfinished file, finished meanwhile
                found.append((path, path.stat().st_mtime_ns))
        return found

    def _files(self) -> Iterator[Path]:
        if self._root.is_dir():
            for folder in self._root.iterdir():
                if folder.is_dir():
                    yield from folder.iterdir()

    def _make_folder(self, folder: Path) -> None:
        """Durable, too, whoever made it: a file in a folder that is lost is lost."""
        if folder not in self._durable:
            folder.mkdir(parents=True, exist_ok=True)
            sync_folder(folder.parent)
            sync_folder(folder.parent.parent)
            self._durable.add(folder)


def _write(target: Path, data: bytes) -> None:
    descriptor, name = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=target.parent)
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
