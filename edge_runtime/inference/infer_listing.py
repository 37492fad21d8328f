"""Which files `infer` takes of a folder, and what it leaves out, as a lane does.  Only looks."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.config import sound_names
from edge_runtime.errors import ItemError
from edge_runtime.files import image as image_file
from edge_runtime.files import video as video_file
from edge_runtime.files.left_out import SUB_FOLDER, kind_of, told_left_out
from edge_runtime.files.naming import printable
from edge_runtime.files.regular import not_a_file, other_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

_HINT = " (--subfolders reads them)"
_OF_A_FOLDER = image_file.SUFFIXES | (video_file.SUFFIXES - {".gif"})
"""A moving picture among still ones is left out, as a lane leaves it out."""


def files_in(
    path: Path,
    *,
    is_sound: bool,
    subfolders: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> list[Path]:
    """`path` itself, or what a folder holds with a name that the model could take, sorted.

    Names that begin with a dot are left alone, as in a lane; `tell` hears what else is left out.
    Among them may be what is no file (`why_no_file`).  Raises `ItemError` for a folder that cannot
    be read.
    """
    wanted = sound_names.SOUNDS if is_sound else _OF_A_FOLDER
    return files_below(path, wanted, subfolders=subfolders, tell=tell)


def files_below(
    path: Path,
    wanted: Collection[str],
    *,
    subfolders: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> list[Path]:
    """Those with one of the endings `wanted`, sorted; `tell` hears of the others in one line."""
    if not path.is_dir():
        return [path] if os.path.lexists(path) else []
    found: list[Path] = []
    left_out: Counter[str] = Counter()
    waiting = [path]
    while waiting:
        here = waiting.pop()
        try:
            entries = list(os.scandir(here))
        except OSError as exc:
            if here == path:
                reason = (exc.strerror or str(exc)).lower()
                raise ItemError(f"{printable(path)}: cannot be read: {reason}") from exc
            left_out["sub-folder that cannot be read"] += 1
            continue
        for entry in entries:
            _sort(entry, wanted, found, waiting if subfolders else None, left_out)
    if told := told_left_out(left_out, _HINT):
        tell(f"{printable(path)}: {told}")
    return sorted(found)


def _sort(
    entry: os.DirEntry[str],
    wanted: Collection[str],
    found: list[Path],
    inner: list[Path] | None,
    left_out: Counter[str],
) -> None:
    """Put it where it belongs; a sub-folder into `inner`, if there is one."""
    if entry.name.startswith("."):
        return
    suffix = Path(entry.name).suffix.lower()
    if suffix in wanted:
        found.append(Path(entry.path))
    elif not entry.is_dir(follow_symlinks=False):
        if kind := kind_of(suffix):
            left_out[kind] += 1
    elif inner is None:
        left_out[SUB_FOLDER] += 1
    else:
        inner.append(Path(entry.path))


def why_no_file(path: Path) -> str:
    """A pipe, a folder, a link that leads nowhere: what it is, in the words of a lane; or empty.

    Such a one is never opened.
    """
    try:
        kind = other_kind(path.stat().st_mode)
    except FileNotFoundError:
        kind = "link" if path.is_symlink() else ""
    except (OSError, ValueError):
        return ""  # reading it tells why
    return not_a_file(path, kind) if kind else ""


def why_nothing(path: Path, *, is_sound: bool) -> str:
    """Told where `files_in` finds nothing."""
    if not path.exists():
        return f"{path}: there is no such file or folder"
    if is_sound:
        return f"{path}: no sounds in this folder; {sound_names.KINDS}"
    return f"{path}: no pictures or videos in this folder"
