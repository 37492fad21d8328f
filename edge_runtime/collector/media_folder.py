"""A folder of content-addressed files: ``<first two digits>/<sha256>``.

Write to a name of its own in the same folder, fsync, rename, fsync the folder: a file that carries
its hash as a name is whole, whatever happened to the power.  Any thread, but one at a time for each
`MediaWriter`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import stat
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pathlib import Path

_TEMPORARY = ".part"


class MediaMismatch(Exception):
    """What came is not what its name says."""


class MediaFolder:
    """Where the media are."""

    def __init__(self, root: Path) -> None:
        """`root` need not exist yet."""
        self._root = root

    def open(self) -> None:
        """Make the folder and sweep what an interrupted upload left behind.  Raises OSError."""
        self._root.mkdir(parents=True, exist_ok=True)
        for part in self._root.glob(f"*/*{_TEMPORARY}"):
            part.unlink(missing_ok=True)

    def path(self, sha256: str) -> Path:
        """Where media of this hash are, or would be."""
        return self._root / sha256[:2] / sha256

    def size_bytes(self, sha256: str) -> int | None:
        """Of the file; None where there is none."""
        try:
            found = self.path(sha256).stat()
        except OSError:
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def begin(self, sha256: str) -> MediaWriter:
        """Start to write a file.  Raises OSError."""
        target = self.path(sha256)
        if not target.parent.is_dir():
            if not self._root.is_dir():  # somebody took it away under us
                self._root.mkdir(parents=True, exist_ok=True)
                _fsync_folder(self._root.parent)
            target.parent.mkdir(exist_ok=True)
            _fsync_folder(self._root)
        return MediaWriter(target)


class MediaWriter:
    """One file on its way in.  `commit` or `abort` ends it."""

    def __init__(self, target: Path) -> None:
        """Opens a temporary file beside `target`, whose name is the expected hash."""
        self.target = target
        self._part = target.with_name(f"{target.name}.{secrets.token_hex(8)}{_TEMPORARY}")
        self._file: BinaryIO = self._part.open("xb")
        self._hash = hashlib.sha256()
        self._size_bytes = 0

    def write(self, data: bytes | bytearray) -> None:
        """Add bytes.  Raises OSError."""
        self._file.write(data)
        self._hash.update(data)
        self._size_bytes += len(data)

    def commit(self) -> int:
        """Make it durable under its name; its size in bytes.

        Raises `MediaMismatch` (nothing is kept) and OSError.
        """
        found = self._hash.hexdigest()
        if found != self.target.name:
            self.abort()
            raise MediaMismatch(f"the sha256 of the {self._size_bytes} bytes that came is {found}")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.rename(self.target)
        _fsync_folder(self.target.parent)
        return self._size_bytes

    def abort(self) -> None:
        """Keep nothing.  Idempotent; does nothing after `commit`."""
        with contextlib.suppress(OSError):  # a full disk can fail the flush; it goes anyway
            self._file.close()
        self._part.unlink(missing_ok=True)


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
