"""What a folder holds and nobody reads, told in one line.  Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_runtime.files.naming import printable

if TYPE_CHECKING:
    from collections import Counter

UNFINISHED = frozenset({".tmp", ".part", ".partial", ".filepart", ".crdownload"})
"""Endings of what is still on its way: left alone, and never mentioned."""
SUB_FOLDER = "sub-folder"
_NAMELESS = "name without an ending"
_HINT = " (capture.subfolders = true reads them)"


def kind_of(suffix: str) -> str:
    """What a file with this ending counts as; empty for one that is never mentioned."""
    return "" if suffix in UNFINISHED else printable(suffix) or _NAMELESS


def told_left_out(left_out: Counter[str], hint: str = _HINT) -> str:
    """``left out: 12 .gif, 2 sub-folders (capture.subfolders = true reads them)``, or nothing.

    `hint`: how sub-folders are read.
    """
    if not left_out:
        return ""
    parts = []
    for kind, count in sorted(left_out.items(), key=lambda each: (-each[1], each[0])):
        parts.append(
            f"{count} {_plural(kind) if count > 1 else kind}{hint if kind == SUB_FOLDER else ''}"
        )
    return "left out: " + ", ".join(parts)


def _plural(kind: str) -> str:
    """Its first noun's; an ending has none."""
    noun, space, rest = kind.partition(" ")
    return kind if kind.startswith(".") else f"{noun}s{space}{rest}"
