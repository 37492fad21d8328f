"""The newest collector that this ledger was sent to, as it is remembered.  Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

COLLECTOR = "collector"
"""A key of ``meta``."""


@dataclass(frozen=True, slots=True)
class NewestCollector:
    """What was refused before a newer one was met is worth another try."""

    version: tuple[int, ...] = ()
    """Of its software; empty where it has not told."""
    max_event_bytes: int = 0

    def meets(self, software: str, max_event_bytes: int) -> NewestCollector:
        """The newest of both; the same as before where nothing about it is newer."""
        version = tuple(int(number[:9]) for number in re.findall(r"[0-9]+", software)[:4])
        return NewestCollector(
            max(self.version, version), max(self.max_event_bytes, max_event_bytes)
        )

    def encoded(self) -> str:
        """For the ledger."""
        return json.dumps([list(self.version), self.max_event_bytes])


def decode_collector(text: str) -> NewestCollector:
    """What `encoded` wrote; a new one for anything else."""
    try:
        version, most = json.loads(text)
        return NewestCollector(tuple(int(number) for number in version), int(most))
    except (ValueError, TypeError):
        return NewestCollector()
