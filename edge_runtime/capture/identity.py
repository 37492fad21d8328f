"""Whether a recording is still the one that was replayed before.  Loads no native library."""

from __future__ import annotations

import os
import stat


def identity(path: str | os.PathLike[str]) -> str:
    """What changes when another recording takes this one's place; empty for what is not there.

    A file: ``size:mtime_ns``.  A folder: ``folder:DEVICE:INODE``, which stays while pictures come
    and go, because each picture has an identity of its own (``name:size:mtime_ns``): a folder is
    gone on with by asking for each whether it is done (``is_done``).
    """
    try:
        told = os.stat(path)  # noqa: PTH116 - a string, as the config has it
    except (OSError, ValueError):
        return ""
    if stat.S_ISDIR(told.st_mode):
        return f"folder:{told.st_dev}:{told.st_ino}"
    return f"{told.st_size}:{told.st_mtime_ns}"
