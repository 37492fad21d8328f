"""A Modbus TCP server that stands in for a PLC: for the demo, for tests, for a bench without one.

It keeps coils and holding registers 0..4095 (others are refused, as a real one would) and tells
each write with its time.  The only user of the pymodbus server.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from edge_runtime.errors import AddressInUse

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymodbus.server import ModbusTcpServer
    from pymodbus.simulator import SimDevice

    from edge_runtime.clock import Clock

SIZE = 4096
START_TIMEOUT_S = 10.0
_COIL_WRITES = (5, 15)
_REGISTER_WRITES = (6, 16)


@dataclass(frozen=True, slots=True)
class Write:
    """One value written by a client."""

    boottime_ns: int
    """When the server took it, before it answered."""
    kind: str
    """``coil`` or ``register``."""
    address: int
    value: int


class PlcSimulator:
    """The server in a thread of its own (``plc``).  A context manager."""

    def __init__(
        self, host: str, port: int, *, on_write: Callable[[Write], None], clock: Clock
    ) -> None:
        """`port` 0: any free one.  `on_write` is called by the server's thread."""
        self._address = (host, port)
        self._on_write = on_write
        self._clock = clock
        self._loop = asyncio.new_event_loop()
        self._stopping: asyncio.Event | None = None
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="plc", daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._address[1]

    def start(self) -> None:
        """Returns once it listens.  Raises `AddressInUse`."""
        self._thread.start()
        if not self._ready.wait(START_TIMEOUT_S):
            raise AddressInUse(f"{self._address[0]}:{self.port}: the server did not start")
        if self._failure is not None:
            self._thread.join()
            raise self._failure

    def close(self) -> None:
        """Close every connection and stop.  Idempotent."""
        if self._thread.is_alive() and self._stopping is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as exc:  # noqa: BLE001 - raised again by start()
            self._failure = exc
        finally:
            self._loop.close()
            self._ready.set()

    async def _serve(self) -> None:
        from pymodbus.server import ModbusTcpServer

        self._stopping = asyncio.Event()
        self._address = (self._address[0], _free(*self._address))
        server = ModbusTcpServer(self._device(), address=self._address)
        await _listen(server, self._address)
        self._ready.set()
        try:
            await self._stopping.wait()
        finally:
            await server.shutdown()  # type: ignore[no-untyped-call]
            await asyncio.sleep(0)  # its transports close in their own turn of the loop

    def _device(self) -> SimDevice:
        from pymodbus.simulator import DataType, SimData, SimDevice

        bits = SimData(0, count=SIZE // 16, values=[False] * 16, datatype=DataType.BITS)
        words = SimData(0, count=SIZE, values=0, datatype=DataType.REGISTERS)
        return SimDevice(0, simdata=([bits], [bits], [words], [words]), action=self._tell)

    async def _tell(
        self,
        function: int,
        _start: int,
        address: int,
        _count: int,
        _current: list[int],
        values: list[Any] | None,
    ) -> None:
        if values is None or function not in _COIL_WRITES + _REGISTER_WRITES:
            return
        now = self._clock.boottime_ns()
        kind = "coil" if function in _COIL_WRITES else "register"
        for offset, value in enumerate(values):
            self._on_write(Write(now, kind, address + offset, int(value)))


async def _listen(server: ModbusTcpServer, address: tuple[str, int]) -> None:
    try:
        await server.serve_forever(background=True)
    except RuntimeError as exc:  # it tells the reason to its log only
        raise AddressInUse(
            f"{address[0]}:{address[1]}: cannot listen there; "
            "is the port taken, or below 1024 without the right?"
        ) from exc


def _free(host: str, port: int) -> int:
    """`port`, or one that is free now: the library cannot tell which the kernel chose."""
    if port:
        return port
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
