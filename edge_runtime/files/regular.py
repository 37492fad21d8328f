"""Reads whole files that are files: never a pipe, which would wait for ever, nor a device."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.errors import ItemError
from edge_runtime.files.naming import printable

if TYPE_CHECKING:
    from pathlib import Path

KINDS = {
    stat.S_IFDIR: "folder",
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
    stat.S_IFLNK: "link",
}
"""What a name can be instead, for people."""


def other_kind(mode: int) -> str:
    """What `st_mode` says it is instead of a file; empty for a file."""
    return "" if stat.S_ISREG(mode) else KINDS.get(stat.S_IFMT(mode), "special file")


def not_a_file(path: Path, kind: str) -> str:
    """Told of something that is no file."""
    told = "a link that leads nowhere" if kind == "link" else f"a {kind} and no file"
    return f"{printable(path)}: cannot be read: it is {told}"


def read_regular(path: Path, max_bytes: int) -> bytes:
    """The bytes of `path`.  Raises `ItemError` for what is not there, no file, or too large."""
    return read_told(path, max_bytes).data


@dataclass(frozen=True, slots=True)
class Read:
    """A file's bytes, and what the system says of that very file."""

    data: bytes
    before: os.stat_result
    after: os.stat_result
    has_hole: bool
    """Whether some of it was never written: room that was kept for what comes."""

    @property
    def is_still(self) -> bool:
        """Whether nobody wrote while it was read."""
        before, after = self.before, self.after
        return (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)


def read_told(path: Path, max_bytes: int) -> Read:
    """As `read_regular`, and what is known of the file."""
    try:
        # Looked at first: a device may do something when it is opened.
        if kind := other_kind(path.stat().st_mode):
            raise ItemError(not_a_file(path, kind))
        # NONBLOCK: should a pipe have taken its place since, it opens at once and is refused below.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor
            told = os.fstat(descriptor)
            if kind := other_kind(told.st_mode):
                raise ItemError(not_a_file(path, kind))
            if told.st_size > max_bytes:
                raise ItemError(
                    f"{printable(path)}: {told.st_size} bytes; at most {max_bytes} are read"
                )
            # Python makes room for as much as is asked for, whatever the file has.
            data = file.read(min(told.st_size, max_bytes) + 1)
            return Read(data, told, os.fstat(descriptor), _has_hole(descriptor, told.st_size))
    except (OSError, ValueError) as exc:  # ValueError: a name with a zero byte
        reason = exc.strerror if isinstance(exc, OSError) else str(exc)
        raise ItemError(f"{printable(path)}: cannot be read: {reason}") from exc


def _has_hole(descriptor: int, size: int) -> bool:
    try:
        return size > 0 and os.lseek(descriptor, 0, os.SEEK_HOLE) < size
    except OSError:
        return False  # the file system does not say
