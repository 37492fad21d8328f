"""What to tell somebody who may not read a file.  Any thread; raises nothing."""

from __future__ import annotations

import grp
import os
import pwd
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def denied(path: Path) -> str:
    """One line: `path`, that this user may not, and whose group or user may."""
    return f"{path}: permission denied for {user_name(os.geteuid())}; {_cure(path)}"


def user_name(uid: int) -> str:
    """As /etc/passwd has it, else the number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _cure(path: Path) -> str:
    found = _nearest(path)
    if found is None or not found.st_mode & 0o070 or found.st_gid == 0:
        return "use sudo"
    try:
        group = grp.getgrgid(found.st_gid).gr_name
    except KeyError:
        group = str(found.st_gid)
    if found.st_gid in (os.getegid(), *os.getgroups()):
        return "use sudo"
    user = user_name(os.geteuid())
    return f"use sudo, or join the group once: sudo usermod -aG {group} {user} (and log in again)"


def _nearest(path: Path) -> os.stat_result | None:
    """Of `path`, or of the lowest folder above it that can be seen."""
    for each in (path, *path.absolute().parents):
        try:
            return each.stat()
        except OSError:
            continue
    return None
