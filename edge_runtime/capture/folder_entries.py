"""What stands in a folder of pictures, and what of it is left out.

Owned by the ``capture`` thread.  By scandir and one stat a file: a folder may hold many thousands.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.errors import SourceUnavailable
from edge_runtime.files.image import SUFFIXES
from edge_runtime.files.left_out import SUB_FOLDER, kind_of
from edge_runtime.files.naming import as_text, printable
from edge_runtime.files.regular import other_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


@dataclass(frozen=True, slots=True)
class Entry:
    """Something with a picture's name."""

    name: str
    """As text, from the folder on: what it is sorted and known by."""
    path: Path
    item: str
    kind: str = ""
    """What it is instead of a file; empty for a file."""
    inode: int = 0
    changed_ns: int = 0
    """The system's own time of its last change, which nobody can put back."""


@dataclass(slots=True)
class Names:
    """What is there, by name alone."""

    paths: list[str] = field(default_factory=list)
    """Those that end as a picture's."""
    left_out: Counter[str] = field(default_factory=Counter)
    """How many of each kind are not looked at."""


def names_in(
    folder: Path, *, subfolders: bool, entering: Callable[[str], None] = lambda _: None
) -> Names:
    """Look through `folder`.  `entering` is told of each folder before it is looked through.

    Raises `SourceUnavailable` where `folder` cannot be read; a sub-folder that cannot is left out.
    """
    found = Names()
    waiting = [os.fspath(folder)]
    while waiting:
        here = waiting.pop()
        try:
            entering(here)
            with os.scandir(here) as entries:
                waiting += _sort(entries, found, subfolders=subfolders)
        except OSError as exc:
            if here == os.fspath(folder):
                raise away(folder, exc) from exc
            found.left_out["sub-folder that cannot be read"] += 1
    return found


def _sort(entries: Iterable[os.DirEntry[str]], found: Names, *, subfolders: bool) -> list[str]:
    """Put each where it belongs; the folders to look through."""
    inner = []
    for entry in entries:
        if entry.name.startswith("."):
            continue
        suffix = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122 - many thousand times
        if suffix in SUFFIXES:
            found.paths.append(entry.path)
        elif entry.is_dir(follow_symlinks=False):
            if subfolders:
                inner.append(entry.path)
            else:
                found.left_out[SUB_FOLDER] += 1
        elif kind := kind_of(suffix):
            found.left_out[kind] += 1
    return inner


def away(folder: Path, exc: OSError) -> SourceUnavailable:
    """What is told of a folder that cannot be read."""
    reason = (exc.strerror or str(exc)).lower()
    return SourceUnavailable(
        f"{printable(folder)}: the folder cannot be read: {reason}; check the lane's source"
    )


def entry_of(folder: Path, path: str) -> Entry | None:
    """What stands at `path` below `folder`; None for what was removed meanwhile."""
    name = name_of(folder, path)
    try:
        told = os.stat(path)  # noqa: PTH116 - many thousand times
    except FileNotFoundError:
        # A link that leads nowhere; or it was removed between the two calls.
        is_link = os.path.islink(path)  # noqa: PTH114
        return Entry(name, Path(path), f"{name}:link:0", "link") if is_link else None
    except OSError:
        return Entry(name, Path(path), f"{name}:0:0")  # reading it tells why
    if kind := other_kind(told.st_mode):
        # Without the time: that of a folder or pipe changes whenever it is used.
        return Entry(name, Path(path), f"{name}:{kind}:0", kind)
    return Entry(name, Path(path), item_of(name, told), "", told.st_ino, told.st_ctime_ns)


def name_of(folder: Path, path: str) -> str:
    """As text, from `folder` on."""
    return as_text(path.removeprefix(os.path.join(folder, "")))  # noqa: PTH118 - many times


def item_of(name: str, told: os.stat_result) -> str:
    """The identity of a file's content: ``name:size:mtime_ns``."""
    return f"{name}:{told.st_size}:{told.st_mtime_ns}"
