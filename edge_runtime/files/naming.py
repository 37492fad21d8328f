"""File names as text that can be shown, stored and sent, whatever bytes they are.  Pure.

A name on disk is bytes.  Python carries those that are not UTF-8 as lone surrogates, which neither
JSON nor MessagePack nor SQLite takes: such a name must never leave the module that found it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def as_text(name: str | Path) -> str:
    r"""Valid Unicode: bytes that are no UTF-8 are written ``\xNN``, others stay as they are."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def printable(name: str | Path) -> str:
    """As `as_text`, and fit for one line of a log: control characters are escaped too."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in as_text(name)
    )
