"""Versions of installed packages, by the names of their folders: reading all metadata is slow."""

from __future__ import annotations

import functools
import re
import sys
from pathlib import Path

_DIST_INFO = re.compile(r"(?P<name>.+?)-(?P<version>[^-]+)\.dist-info")


def version_of(package: str) -> str:
    """Such as ``1.32.0``; empty where the package is not installed."""
    return _installed().get(_plain(package), "")


@functools.cache
def _installed() -> dict[str, str]:
    """Name -> version; what comes first on the path wins, as it does when it is imported."""
    found: dict[str, str] = {}
    for entry in sys.path:
        try:
            names = sorted(path.name for path in Path(entry or ".").iterdir())
        except OSError:
            continue
        for name in names:
            if match := _DIST_INFO.fullmatch(name):
                found.setdefault(_plain(match["name"]), match["version"])
    return found


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
