"""Which other programs hold a moment of the ledger, and keep its log from being moved."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_READ_LOCKS_FROM: Final = 123
"""SQLite locks a byte of the log's index for each moment that is read; these are the readers'."""
_READ_LOCKS_TO: Final = 127
_FIELDS: Final = 8


def holders(shm: Path, own: int) -> str:
    """``python3 (pid 123)``, several parted by commas; empty where nobody is seen.

    The process `own` and its children, which let go at once, are left out. Blocks for the disk.
    Where /proc tells of no other processes nobody is seen.
    """
    try:
        found = shm.stat()
        lines = Path("/proc/locks").read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return ""
    wanted = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    pids = {_reader_of(line, wanted) for line in lines} - {0, own}
    others = [pid for pid in sorted(pids) if _parent_of(pid) != own]
    return ", ".join(f"{_name_of(pid)} (pid {pid})" for pid in others)


def _reader_of(line: str, wanted: str) -> int:
    """``1: POSIX  ADVISORY  READ 4711 08:01:131 124 124``: the pid; 0 for any other lock."""
    fields = line.split()
    if len(fields) < _FIELDS or fields[1] != "POSIX" or fields[5] != wanted:
        return 0
    pid, first = fields[4], fields[6]
    within = first.isdecimal() and _READ_LOCKS_FROM <= int(first) <= _READ_LOCKS_TO
    return int(pid) if within and pid.isdecimal() else 0


def _name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text("utf-8", "replace").strip()
    except OSError:
        return "a program"


def _parent_of(pid: int) -> int:
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2]
        return int(after_name.split()[1])
    except (OSError, ValueError, IndexError):
        return 0
