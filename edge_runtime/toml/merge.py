"""One table out of several TOML files, and which file said what.

Later files win, table by table.  A problem found in the merged table is told with the file that
the key is written in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge_runtime.toml.table import TableError, Unreadable, read_toml

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Origins = dict[tuple[str, ...], "Path"]


def read_merged(path: Path, extra_folder: Path) -> tuple[dict[str, Any], Origins]:
    """`path` and then each ``*.toml`` of `extra_folder` by name, merged; and each key's file.

    Raises `TableError` with what is wrong in any of the files, `Unreadable` where it is only that.
    """
    problems: list[str] = []
    wrong = False
    merged: dict[str, Any] = {}
    origins: Origins = {}
    for file in [path, *_extras(extra_folder, problems)]:
        try:
            table = read_toml(file)
        except TableError as exc:
            problems += exc.problems
            wrong |= not isinstance(exc, Unreadable)
            continue
        _merge(merged, table, file, (), origins)
    if problems:
        raise TableError(problems) if wrong else Unreadable(problems)
    return merged, origins


def file_of(key: str, origins: Origins, default: Path) -> Path:
    """The file that says most of a dotted `key`; `default` where no file says any of it."""
    wanted = key.split(".")
    best, best_length = default, 0
    for path, file in origins.items():
        length = _common(wanted, path)
        if length > best_length:
            best, best_length = file, length
    return best


def _extras(folder: Path, problems: list[str]) -> list[Path]:
    try:
        if not folder.is_dir():
            return []
        return sorted(file for file in folder.iterdir() if file.suffix == ".toml")
    except OSError as exc:
        problems.append(f"{folder}: cannot be read: {exc.strerror}")
        return []


def _merge(
    base: dict[str, Any], extra: dict[str, Any], file: Path, at: tuple[str, ...], origins: Origins
) -> None:
    for key, value in extra.items():
        path = (*at, key)
        if isinstance(value, dict) and isinstance(base.get(key, {}), dict):
            _merge(base.setdefault(key, {}), value, file, path, origins)
        else:
            base[key] = value
        origins[path] = file  # the last that said anything of it


def _common(wanted: Sequence[str], path: Sequence[str]) -> int:
    length = 0
    for one, other in zip(wanted, path, strict=False):
        if one != other:
            break
        length += 1
    return length
