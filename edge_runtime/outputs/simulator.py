"""A Modbus TCP server that stands in for a PLC: for the demo, for tests, for a bench without one.

It keeps coils and holding registers, and tells every write with its time.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_runtime.errors import AddressInUse

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.clock import Clock

_SIZE = 4096
_WRITE_COIL, _WRITE_REGISTER, _WRITE_COILS, _WRITE_REGISTERS = 5, 6, 15, 16


@dataclass(frozen=True, slots=True)
class Write:
    """One value written by a client."""

    boottime_ns: int
    kind: str
    """``coil`` or ``register``."""
    address: int
    value: int


async def serve(
    host: str,
    port: int,
    *,
    on_write: Callable[[Write], None],
    ready: Callable[[], None],
    clock: Clock,
) -> None:
    """Serve until cancelled.  Raises `AddressInUse`."""
    from pymodbus.server import ModbusTcpServer
    from pymodbus.simulator import DataType, SimData, SimDevice

    def seen(sending: bool, pdu: Any) -> Any:  # noqa: ANN401, FBT001 - the library's callback
        if not sending:
            for write in _writes_of(pdu, clock.boottime_ns()):
                on_write(write)
        return pdu

    bits = [SimData(0, count=_SIZE, values=False, datatype=DataType.BITS)]
    words = [SimData(0, count=_SIZE, values=0, datatype=DataType.REGISTERS)]
    device = SimDevice(0, simdata=(bits, bits, words, words))
    server = ModbusTcpServer(device, address=(host, port), trace_pdu=seen)
    try:
        if not await server.listen():
            raise AddressInUse(f"{host}:{port}: cannot listen; is the port taken?")
        ready()
        await asyncio.Event().wait()
    finally:
        await server.shutdown()


def _writes_of(pdu: Any, now_ns: int) -> list[Write]:  # noqa: ANN401 - untyped library
    """What a request writes; nothing for any other request."""
    if pdu.function_code in (_WRITE_COIL, _WRITE_COILS):
        kind, values = "coil", pdu.bits
    elif pdu.function_code in (_WRITE_REGISTER, _WRITE_REGISTERS):
        kind, values = "register", pdu.registers
    else:
        return []
    return [
        Write(now_ns, kind, pdu.address + offset, int(value)) for offset, value in enumerate(values)
    ]
