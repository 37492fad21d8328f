"""What somebody has seen: counts of what went wrong once, which are notes from then on.

One small JSON file in the data folder, ``seen.json``: name -> count.  Written by the daemon alone
(``status --acknowledge`` asks it), read by whoever draws the picture.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from edge_runtime.errors import StorageReadOnly

if TYPE_CHECKING:
    from pathlib import Path

FILE = "seen.json"


def read(data_dir: Path) -> dict[str, int]:
    """Name -> count; empty where nobody has said anything, or the file cannot be read."""
    try:
        found = json.loads((data_dir / FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: count for name, count in found.items() if isinstance(count, int)}


def acknowledge(data_dir: Path, findings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Somebody has seen these findings: those of them that this concerns.

    What is not among them is forgotten: its count began anew.  Durable on return.  Raises
    `StorageReadOnly`.
    """
    seen = {each["seen_as"]: each["count"] for each in findings if "seen_as" in each}
    unfinished = data_dir / f".{FILE}"
    try:
        with unfinished.open("w", encoding="utf-8") as file:
            json.dump(seen, file)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(data_dir / FILE)
    except OSError as exc:
        raise StorageReadOnly(f"{data_dir / FILE}: cannot be written: {exc.strerror}") from exc
    return [each for each in findings if "seen_as" in each and each["severity"] != "note"]
