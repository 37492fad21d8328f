"""A `Line` without a wire: does what it is told, remembers what was written."""

from __future__ import annotations

import threading
from collections import deque

from edge_runtime.field.line import LineDown


class FakeLine:
    """`troubles`: raised by the next writes or probes, one each; None lets one through."""

    def __init__(self, *, up: bool = True) -> None:
        self.up = up
        self.troubles: deque[Exception | None] = deque()
        self.writes: list[tuple[str, int, int]] = []
        self.connects = 0
        self.probes = 0
        self.hold = threading.Event()
        """Cleared: writes block until it is set."""
        self.hold.set()
        self.holding = threading.Event()
        """Set once a write blocks."""
        self._connected = False

    @property
    def address(self) -> str:
        return "fake://plc"

    @property
    def connected(self) -> bool:
        return self._connected

    def connect(self, timeout_s: float) -> None:
        if not self.up:
            raise LineDown("fake://plc: connection refused")
        self._connected = True
        self.connects += 1

    def write_coil(self, coil: int, *, value: bool, timeout_s: float) -> None:
        self._next(timeout_s)
        self.writes.append(("coil", coil, int(value)))

    def write_register(self, register: int, value: int, timeout_s: float) -> None:
        self._next(timeout_s)
        self.writes.append(("register", register, value))

    def probe(self, coil: int, timeout_s: float) -> None:
        self._next(timeout_s)
        self.probes += 1

    def close(self) -> None:
        self._connected = False

    def coils(self) -> list[tuple[int, int]]:
        return [(address, value) for kind, address, value in self.writes if kind == "coil"]

    def _next(self, timeout_s: float) -> None:
        if not self.hold.is_set():
            self.holding.set()
            self.hold.wait(30)
        trouble = self.troubles.popleft() if self.troubles else None
        if trouble is not None:
            self._connected = self._connected and not isinstance(trouble, LineDown)
            raise trouble
