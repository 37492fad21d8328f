"""The data folder: names, the lock, small files written durably, the ballast.  No SQLite here."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
from typing import TYPE_CHECKING

from edge_runtime.errors import LedgerLocked, StorageReadOnly

if TYPE_CHECKING:
    from pathlib import Path

LOCK = "lock"
BALLAST = "ballast"
QUARANTINE = "quarantine"
MIB = 1 << 20
MARGIN_BYTES = MIB
"""With less than this beside the ballast a disk is called full."""
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def take_lock(data_dir: Path) -> int:
    """Create the folder and hold its lock; the descriptor to keep open.

    Raises `StorageReadOnly`, or `LedgerLocked` naming the process that has it.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(data_dir / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as exc:
        raise StorageReadOnly(
            f"{data_dir}: the data folder cannot be written: {exc.strerror}; "
            "check [device] data_dir, its owner and that its disk is mounted read-write"
        ) from exc
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        owner = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(descriptor)
        raise LedgerLocked(
            f"{data_dir}: another daemon (pid {owner}) has this ledger; "
            "stop it, or give this one a data_dir of its own"
        ) from exc
    with contextlib.suppress(OSError):  # the number is for people; a full disk may refuse it
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
    return descriptor


def write_durably(path: Path, text: str) -> None:
    """Replace a small file: the old content or the new one, whatever happens.  Raises OSError."""
    temporary = path.with_name(path.name + ".new")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def free_bytes(folder: Path) -> int:
    """Room that we may use on the disk of `folder`."""
    return shutil.disk_usage(folder).free


class Ballast:
    """A file that only takes room, given up so that a full disk can be emptied.

    SQLite cannot even delete on a full disk: its log has to grow first.  One thread.
    """

    def __init__(self, data_dir: Path, size_bytes: int) -> None:
        """Nothing is touched yet."""
        self._path = data_dir / BALLAST
        self._size_bytes = size_bytes

    @property
    def lacks_bytes(self) -> int:
        """What it should have and has not."""
        return max(0, self._size_bytes - self._laid_bytes())

    def is_laid(self) -> bool:
        """Whether there is anything to give up."""
        return self._laid_bytes() > 0

    def lay(self) -> None:
        """Take the room; half of what there is where that is less, so that rows have some too."""
        laid_bytes = self._laid_bytes()
        reachable = free_bytes(self._path.parent) + laid_bytes
        if laid_bytes >= self._size_bytes or (laid_bytes and reachable < self._size_bytes):
            return
        self.release()
        wanted = self._size_bytes if reachable >= self._size_bytes else reachable // 2
        try:
            self._allocate(wanted)
        except OSError as exc:
            self.release()
            if exc.errno not in (*NO_ROOM, errno.EINVAL):  # the latter: nothing at all is free
                raise

    def release(self) -> bool:
        """Give the room back; whether there was any."""
        try:
            self._path.unlink()
        except FileNotFoundError:
            return False
        return True

    def _laid_bytes(self) -> int:
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0

    def _allocate(self, size_bytes: int) -> None:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            os.posix_fallocate(descriptor, 0, size_bytes)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
