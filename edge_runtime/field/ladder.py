"""The ten rungs that a PLC runs to be told of what no software survives.  Pure; time comes in.

They are those of docs/outputs.md, in its order, so that the simulated PLC shows what a real one
would do: the gate is open only while the heartbeat register counts and the safe coil is off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from edge_runtime.clock import NS_PER_S

BEATS: Final = 3
"""The register may stand for so many heartbeats."""


@dataclass(frozen=True, slots=True)
class GateTable:
    """Which places the rungs look at."""

    safe_coil: int
    register: int
    heartbeat_s: float = 1.0
    reject_coil: int | None = None
    bypass_register: int | None = None


@dataclass(frozen=True, slots=True)
class GateState:
    """What came of one scan."""

    is_open: bool
    """Parts may pass."""
    ejects: bool
    """The ejector is on: for this part, or because the gate is closed."""
    why: str
    """Why it is closed; empty while it is open."""
    is_bypassed: bool = False
    """The lamp."""


class Ladder:
    """One scan at a time, by one thread."""

    def __init__(self, table: GateTable) -> None:
        """As a PLC that has just been switched on: closed until the register has counted."""
        self.table = table
        self._last: int | None = None
        self._since_ns = 0
        self._is_seen = False

    def scan(self, coils: list[bool], registers: list[int], now_ns: int) -> GateState:
        """All rungs once."""
        table = self.table
        beat = registers[table.register]
        changed = self._last is not None and beat != self._last  # rung 1
        self._since_ns = now_ns if changed or self._last is None else self._since_ns  # rung 3
        self._last = beat  # rung 2
        standing = now_ns - self._since_ns >= BEATS * table.heartbeat_s * NS_PER_S  # rung 4
        self._is_seen = (self._is_seen or changed) and not standing  # rungs 5 and 6
        safe = coils[table.safe_coil]  # rung 7
        is_open = self._is_seen and not safe  # rung 8
        rejects = table.reject_coil is not None and coils[table.reject_coil]
        bypassed = table.bypass_register is not None and registers[table.bypass_register] == 1
        why = ""
        if not is_open:
            why = "the safe coil is on" if safe else "the heartbeat stands"
        return GateState(  # rungs 9 and 10
            is_open=is_open, ejects=rejects or not is_open, why=why, is_bypassed=bypassed
        )
