"""Which files `infer` takes of a folder, and what it leaves out.  Pure but for looking."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from edge_runtime.config import sound_names
from edge_runtime.files import image as image_file
from edge_runtime.files import video as video_file
from edge_runtime.files.left_out import kind_of, told_left_out
from edge_runtime.files.naming import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path


def files_in(
    path: Path, *, is_sound: bool, tell: Callable[[str], None] = lambda _: None
) -> list[Path]:
    """`path` itself, or the files below a folder that the model could take, sorted.

    Names that begin with a dot are left alone, as in a lane; `tell` hears what else is left out.
    """
    if path.is_file():
        return [path]
    wanted = sound_names.SOUNDS if is_sound else image_file.SUFFIXES | video_file.SUFFIXES
    return files_below(path, wanted, tell)


def files_below(
    folder: Path, wanted: Collection[str], tell: Callable[[str], None] = lambda _: None
) -> list[Path]:
    """Those with one of the endings `wanted`, sorted; `tell` hears of the others in one line."""
    found = []
    left_out: Counter[str] = Counter()
    for file in folder.rglob("*"):
        if any(part.startswith(".") for part in file.relative_to(folder).parts):
            continue
        if not file.is_file():
            continue
        suffix = file.suffix.lower()
        if suffix in wanted:
            found.append(file)
        elif kind := kind_of(suffix):
            left_out[kind] += 1
    if told := told_left_out(left_out):
        tell(f"{printable(folder)}: {told}")
    return sorted(found)


def why_nothing(path: Path, *, is_sound: bool) -> str:
    """Told where `files_in` finds nothing."""
    if not path.exists():
        return f"{path}: there is no such file or folder"
    if is_sound:
        return f"{path}: no sounds in this folder; {sound_names.KINDS}"
    return f"{path}: no pictures or videos in this folder"
