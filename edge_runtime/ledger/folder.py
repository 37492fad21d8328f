"""The data folder: names, the lock, small files written durably, the ballast.  No SQLite here."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import shutil
import stat
from typing import TYPE_CHECKING

from edge_runtime.errors import LedgerError, LedgerFull, LedgerLocked, StorageReadOnly

if TYPE_CHECKING:
    from pathlib import Path

LOCK = "lock"
BALLAST = "ballast"
QUARANTINE = "quarantine"
MIB = 1 << 20
MARGIN_BYTES = MIB
"""With less than this beside the ballast a disk is called full."""
_HELD = (errno.EWOULDBLOCK, errno.EACCES)
_OTHERS = 0o027
"""Everything of others, and writing of the group."""
_OWN_FOLDERS = ("media", "quarantine")
_OWN_NAMES = re.compile(
    r"lock|field\.lock|ballast|epoch|mark|suspect|media|quarantine|in_hand|verified|[a-z_]+\.sock|"
    r"ledger[a-z0-9-]*\.db(-wal|-shm|-journal|\.new)?|(epoch|suspect)\.new"
)
FAILED = (errno.EIO, errno.ENXIO, errno.ENODEV, errno.ESTALE, errno.EUCLEAN, errno.EREMOTEIO)
"""The disk itself."""
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class FolderLock:
    """That this process alone has the data folder.

    Held on the folder itself, which nobody can take away while there is anything in it; the file
    ``lock`` in it is for people (it names the process) and for older versions of this program.
    """

    def __init__(self, descriptors: list[int]) -> None:
        """Use `take_lock`."""
        self._descriptors = descriptors

    def close(self) -> None:
        """Let go.  Idempotent."""
        while self._descriptors:
            os.close(self._descriptors.pop())


def take_lock(data_dir: Path) -> FolderLock:
    """Create the folder and hold its lock, to be closed at the end.

    Raises `StorageReadOnly`, `LedgerLocked` naming the process that has it, or `LedgerFull` or
    `LedgerError` for what the disk says.
    """
    held: list[int] = []
    try:
        make_folder(data_dir)
        held.append(os.open(data_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        held.append(os.open(data_dir / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as exc:
        FolderLock(held).close()
        if exc.errno in FAILED:
            raise LedgerError(f"{data_dir}: the disk failed: {exc.strerror}; see to it") from exc
        if exc.errno in NO_ROOM:
            raise LedgerFull(f"{data_dir}: no room on the disk for the data folder") from exc
        raise StorageReadOnly(
            f"{data_dir}: the data folder cannot be written: {exc.strerror}; "
            "check [device] data_dir, its owner and that its disk is mounted read-write"
        ) from exc
    folder, file = held
    try:
        _lock(folder, or_else=file)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        owner = os.pread(file, 32, 0).decode("ascii", "replace").strip() or "unknown"
        FolderLock(held).close()
        raise LedgerLocked(
            f"{data_dir}: another daemon (pid {owner}) has this ledger; "
            "stop it, or give this one a data_dir of its own"
        ) from exc
    with contextlib.suppress(OSError):  # the number is for people; a full disk may refuse it
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode("ascii"), 0)
    return FolderLock(held)


def _lock(folder: int, *, or_else: int) -> None:
    """The folder, where its file system can lock one; OSError where somebody has it."""
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        if exc.errno in _HELD:
            raise
        fcntl.flock(or_else, fcntl.LOCK_EX | fcntl.LOCK_NB)


def make_folder(folder: Path) -> None:
    """Create a folder that others cannot look into, durably.  One that is there is left as it is.

    Raises OSError.
    """
    if folder.is_dir():
        return
    if not folder.parent.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o750, exist_ok=True)  # a group only where the umask lets it
    with contextlib.suppress(OSError):  # a parent that may not be read
        sync_folder(folder.parent)


def make_private(data_dir: Path) -> None:
    """Others may not read what an older version, or a generous umask, let them read.

    A group keeps what it may read.  Only what has a name of ours is touched, and the data folder
    itself only where nothing else is in it.
    """
    with contextlib.suppress(OSError), os.scandir(data_dir) as entries:
        names = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        for name, is_folder in names:
            if _OWN_NAMES.fullmatch(name):
                _close_to_others(data_dir / name)
                if is_folder and name in _OWN_FOLDERS:
                    for path in (data_dir / name).iterdir():
                        _close_to_others(path)
        if all(_OWN_NAMES.fullmatch(name) for name, _ in names):
            _close_to_others(data_dir)


def _close_to_others(path: Path) -> None:
    """What belongs to somebody else stays as it is."""
    with contextlib.suppress(OSError):
        found = path.lstat()
        mode = stat.S_IMODE(found.st_mode)
        odd = stat.S_ISLNK(found.st_mode) or stat.S_ISSOCK(found.st_mode) or mode & stat.S_ISVTX
        if odd or not mode & _OTHERS:
            return
        path.chmod(mode & ~_OTHERS)


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
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, size_bytes)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
