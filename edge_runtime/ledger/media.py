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
from dataclasses import dataclass
from pathlib import Path

from edge_runtime import failpoint
from edge_runtime.errors import LedgerError, LedgerFull, StorageReadOnly
from edge_runtime.ledger.folder import NO_ROOM, make_folder, sync_folder
from edge_runtime.types import Media

FOLDER = "media"
SHA256 = re.compile(r"[0-9a-f]{64}")
_SHARD = re.compile(r"[0-9a-f]{2}")
_NAME = re.compile(r"(?P<shard>[0-9a-f]{2})[0-9a-f]{62}\.(jpg|png|flac|wav|bin)")
_UNFINISHED = re.compile(
    r"\.put-[a-z0-9_]{8}\.tmp|\.[a-z0-9_]{8}\.tmp|\.[0-9a-f]{64}\.(jpg|png|flac|wav|bin)\.evict"
)
"""The second is what they were called up to 0.3."""
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


@dataclass(frozen=True, slots=True)
class Listing:
    """What lies in the folder of media."""

    files: list[tuple[Path, int]]
    """(path, time of change in ns) of what is ours."""
    example: tuple[Path, ...] = ()
    """One of the others."""
    foreign: int = 0
    """How many others there are; folders count as one."""


def is_ours(path: Path) -> bool:
    """Whether a file in a folder of the store has a name that the store gives."""
    whole = _NAME.fullmatch(path.name)
    return _UNFINISHED.fullmatch(path.name) is not None or (
        whole is not None and whole["shard"] == path.parent.name
    )


def is_unfinished(path: Path) -> bool:
    """Whether a file of ours was being written, or being removed, when its process ended."""
    return path.name.startswith(".")


def mime_of(path: Path) -> str:
    """As its ending says."""
    known = {ending: mime for mime, ending in _EXTENSIONS.items()}
    return known.get(path.suffix, "application/octet-stream")


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

    def listing(self) -> Listing:
        """Every file of ours, unfinished ones too; what else is there is only counted.

        A file is ours by its name and place (``ab/ab….jpg``); folders within folders and links are
        not. Nothing that is not ours is ever touched.
        """
        found: list[tuple[Path, int]] = []
        foreign: list[Path] = []
        for entry in _scan(self._root):
            if not _SHARD.fullmatch(entry.name) or not entry.is_dir():
                foreign.append(Path(entry.path))
                continue
            for file in _scan(Path(entry.path)):
                path = Path(file.path)
                if not is_ours(path) or not file.is_file(follow_symlinks=False):
                    foreign.append(path)
                    continue
                with contextlib.suppress(OSError):  # a lane's unfinished file, finished meanwhile
                    found.append((path, file.stat(follow_symlinks=False).st_mtime_ns))
        return Listing(found, tuple(foreign[:1]), len(foreign))

    def _make_folder(self, folder: Path) -> None:
        """Durable, too, whoever made it: a file in a folder that is lost is lost."""
        if folder not in self._durable:
            make_folder(folder.parent)
            make_folder(folder)
            sync_folder(folder.parent)
            sync_folder(folder.parent.parent)
            self._durable.add(folder)


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder; nothing where there is none, or it may not be read."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []


def _write(target: Path, data: bytes) -> None:
    descriptor, name = tempfile.mkstemp(prefix=".put-", suffix=".tmp", dir=target.parent)
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
