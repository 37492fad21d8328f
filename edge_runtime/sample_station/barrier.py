"""The line's light barrier: it tells the PLC's coil of each part, and which one it is.

A thread of its own writes, by Modbus TCP, the part's number into a register and then an edge of a
coil, as the program of a real PLC would.  A PLC that is away is tried again at the next part.
"""

from __future__ import annotations

import socket
import struct
import threading
from typing import TYPE_CHECKING, Final

from edge_runtime.clock import NS_PER_MS, NS_PER_S, SYSTEM_CLOCK

if TYPE_CHECKING:
    from edge_runtime.sample_station.line import Schedule

TIMEOUT_S: Final = 1.0
HOLD_MS: Final = 100
"""The coil is on so long: some polls."""
_HEADER = struct.Struct(">HHHBBHH")
_WRITE_COIL, _WRITE_REGISTER = 5, 6
_ON = 0xFF00


class LightBarrier:
    """Sees the parts of one schedule.  `close` ends its thread."""

    def __init__(
        self, schedule: Schedule, port: int, *, coil: int, register: int, after_ms: float
    ) -> None:
        """At once.  `after_ms`: from the part's coming before the camera to its edge.

        `port`: of a PLC on this machine.  The register holds the part's number + 1.
        """
        self._schedule, self._port = schedule, port
        self._coil, self._register = coil, register
        self._after_ns = round(after_ms * NS_PER_MS)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="barrier", daemon=True)
        self.missed: list[int] = []
        """Numbers of parts that the PLC could not be told of."""
        self._thread.start()

    def edge_ns(self, number: int) -> int:
        """When part `number` crosses it, CLOCK_BOOTTIME."""
        return self._schedule.span_ns(number)[0] + self._after_ns

    def close(self) -> None:
        """End the thread.  Idempotent."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while self._schedule.parts is None or number < self._schedule.parts:
            if self._sleep_until(self.edge_ns(number)):
                return
            try:
                self._tell(number)
            except OSError:
                self.missed.append(number)
            number += 1

    def _tell(self, number: int) -> None:
        with socket.create_connection(("127.0.0.1", self._port), TIMEOUT_S) as plc:
            _write(plc, _WRITE_REGISTER, self._register, (number + 1) & 0xFFFF)
            _write(plc, _WRITE_COIL, self._coil, _ON)
            SYSTEM_CLOCK.wait(self._stop, HOLD_MS / 1000)
            _write(plc, _WRITE_COIL, self._coil, 0)

    def _sleep_until(self, at_ns: int) -> bool:
        """True: stopped meanwhile."""
        left_ns = at_ns - SYSTEM_CLOCK.boottime_ns()
        return SYSTEM_CLOCK.wait(self._stop, max(0.0, left_ns / NS_PER_S))


def _write(plc: socket.socket, function: int, address: int, value: int) -> None:
    """One write and its echo.  Raises `OSError` when it is not confirmed."""
    request = _HEADER.pack(1, 0, 6, 1, function, address, value)
    plc.sendall(request)
    echo = b""
    while len(echo) < len(request):
        got = plc.recv(len(request) - len(echo))
        if not got or (len(echo) + len(got) > 7 and (echo + got)[7] != function):
            raise OSError("the PLC did not confirm it")
        echo += got
