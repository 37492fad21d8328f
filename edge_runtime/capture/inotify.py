"""The kernel's word on what changes in a folder, so that one at rest costs nothing.

Owned by the ``capture`` thread.  Straight from the C library: what the kernel has queued is there
when it is asked for, without a thread between.  Only for file systems that this machine alone
writes: of what another one does to a share the kernel hears nothing.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# Where everything that is written goes through this kernel.
LOCAL = frozenset(
    {
        *("bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "reiserfs", "xfs", "zfs"),
        *("exfat", "msdos", "ntfs3", "vfat"),
        *("overlay", "ramfs", "tmpfs", "ubifs"),
    }
)
_MODIFIED, _ATTRIBUTES, _CLOSED = 0x2, 0x4, 0x8
_MOVED_FROM, _MOVED_TO, _CREATED, _DELETED = 0x40, 0x80, 0x100, 0x200
_SELF_GONE = 0x400 | 0x800
_OVERFLOW, _IGNORED, _IS_FOLDER = 0x4000, 0x8000, 0x4000_0000
_MASK = (
    _MODIFIED | _ATTRIBUTES | _CLOSED | _MOVED_FROM | _MOVED_TO | _CREATED | _DELETED | _SELF_GONE
)
_HEAD = struct.Struct("iIII")
_BUFFER_BYTES = 1 << 16


class Inotify:
    """Which paths changed since they were last asked for."""

    def __init__(self) -> None:
        """Raises `OSError` where there are no more of them."""
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise _error()
        self._folders: dict[int, str] = {}
        self._written: set[str] = set()

    def watch(self, folder: str) -> None:
        """Hear of `folder`, too.  Raises `OSError`, also where there are no more watches."""
        number = self._libc.inotify_add_watch(self._descriptor, os.fsencode(folder), _MASK)
        if number < 0:
            raise _error()
        self._folders[number] = folder

    def changes(self) -> set[str] | None:
        """Paths of files that something happened to; None where everything must be looked at."""
        found: set[str] = set()
        is_sure = True
        while True:
            try:
                data = os.read(self._descriptor, _BUFFER_BYTES)
            except BlockingIOError:
                return found if is_sure else None
            at = 0
            while at < len(data):
                number, what, _, length = _HEAD.unpack_from(data, at)
                name = data[at + _HEAD.size : at + _HEAD.size + length].rstrip(b"\0")
                at += _HEAD.size + length
                if what & (_OVERFLOW | _IGNORED | _IS_FOLDER | _SELF_GONE) or not name:
                    is_sure = False
                else:
                    folder = self._folders.get(number, "")
                    path = os.path.join(folder, os.fsdecode(name))  # noqa: PTH118
                    found.add(path)
                    self._note(path, what)
            if not is_sure:
                self._written.clear()  # that they were closed may be among what was lost

    def is_written(self, path: str) -> bool:
        """Whether somebody wrote to it and has not closed it yet, as of the last `changes`."""
        return path in self._written

    def _note(self, path: str, what: int) -> None:
        if what & _MODIFIED:
            self._written.add(path)
        elif what & (_CLOSED | _MOVED_FROM | _MOVED_TO | _DELETED):
            self._written.discard(path)

    def close(self) -> None:
        """Idempotent."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def hears_all(folder: Path, mounts: str) -> bool:
    """Whether the kernel hears of everything written below `folder`.

    `mounts`: what /proc/self/mountinfo says.
    """
    here = os.path.realpath(folder)
    best = ("", "")
    for line in mounts.splitlines():
        before, _, behind = line.partition(" - ")
        fields, kinds = before.split(" "), behind.split(" ")
        if len(fields) < 5 or not kinds[0]:
            continue
        point = _unescaped(fields[4])
        is_above = here == point or here.startswith(point.rstrip("/") + "/")
        if is_above and len(point) >= len(best[0]):  # a later one covers an earlier one
            best = (point, kinds[0])
    return best[1] in LOCAL


def _unescaped(field: str) -> str:
    r"""As the kernel writes it: ``\040`` for a space."""
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(code, char)
    return field


def _error() -> OSError:
    number = ctypes.get_errno()
    if number == errno.ENOSPC:
        return OSError(number, "no more watches; see fs.inotify.max_user_watches")
    return OSError(number, os.strerror(number))
