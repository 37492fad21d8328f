"""A Modbus TCP server that stands in for a PLC: for the demo, for tests, for a bench without one.

It keeps coils, inputs and holding registers 0..4095 (others are refused, as a real one would),
tells each write with its time, and runs the documented rungs (`ladder`).  It can be away, accept
and never answer, or answer late, on command.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Self

from edge_runtime.errors import AddressInUse
from edge_runtime.field.ladder import Ladder
from edge_runtime.field.plc_memory import Memory

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from edge_runtime.clock import Clock
    from edge_runtime.field.ladder import GateState, GateTable

START_TIMEOUT_S: Final = 10.0
SCAN_S: Final = 0.005
_HEADER = struct.Struct(">HHHB")


class Mode(StrEnum):
    """How it behaves towards its clients."""

    NORMAL = "normal"
    SILENT = "silent"
    """Accepts, and neither does as told nor answers."""
    AWAY = "away"
    """Its connections are closed, and new ones refused."""


@dataclass(frozen=True, slots=True)
class Write:
    """One value written by a client."""

    boottime_ns: int
    """When the server took it, before it answered."""
    kind: str
    """``coil`` or ``register``."""
    address: int
    value: int


@dataclass(frozen=True, slots=True)
class GateChange:
    """The gate has opened or closed, or its reason has changed."""

    boottime_ns: int
    state: GateState


class PlcSimulator:
    """The server in a thread of its own (``plc``).  A context manager."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        on_write: Callable[[Write], None] = lambda _: None,
        clock: Clock,
        gate: GateTable | None = None,
        on_gate: Callable[[GateChange], None] = lambda _: None,
    ) -> None:
        """`port` 0: any free one.  `on_write`, `on_gate` are called by the server's thread."""
        self._address = (host, port)
        self._on_write = on_write
        self._on_gate = on_gate
        self._clock = clock
        self._ladder = None if gate is None else Ladder(gate)
        self._memory = Memory(self._written)
        self._mode = Mode.NORMAL
        self._delay_s = 0.0
        self._slow: frozenset[int] | None = None
        self._loop = asyncio.new_event_loop()
        self._stopping: asyncio.Event | None = None
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="plc", daemon=True)
        self.writes: list[Write] = []
        """All of them, in their order."""
        self.gate: list[GateChange] = []
        """How it was from when on; empty without a gate."""

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

    # What stands in it.  Any thread.

    def coil(self, address: int) -> bool:
        """What a coil is."""
        return self._memory.coil(address)

    def register(self, address: int) -> int:
        """What a register holds."""
        return self._memory.register(address)

    def set_coil(self, address: int, *, value: bool) -> None:
        """As the PLC's own program would; not told as a write."""
        self._memory.set_coil(address, value=value)

    def set_input(self, address: int, *, value: bool) -> None:
        """A light barrier, say."""
        self._memory.set_input(address, value=value)

    def set_register(self, address: int, value: int) -> None:
        """As the PLC's own program would; not told as a write."""
        self._memory.set_register(address, value)

    def add(self, register: int, number: int = 1) -> None:
        """Count up."""
        self._memory.add(register, number)

    # How it behaves.  Any thread; in force when they return.

    def set_mode(self, mode: Mode) -> None:
        """Be there, be silent, or be away."""
        self._call(self._change_mode(mode))

    def answer_late(self, seconds: float, addresses: frozenset[int] | None = None) -> None:
        """Do as told at once, and answer so much later; `addresses`: only about these."""
        self._delay_s, self._slow = seconds, addresses

    def hang_up(self) -> None:
        """Close every connection; new ones are welcome."""
        self._call(self._drop_clients())

    def _call(self, work: Coroutine[object, object, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(START_TIMEOUT_S)

    async def _change_mode(self, mode: Mode) -> None:
        before, self._mode = self._mode, mode
        if mode is Mode.AWAY and self._server is not None:
            self._server.close()
            self._server = None
        if Mode.AWAY in (before, mode) or mode is Mode.NORMAL:
            await self._drop_clients()  # one that was silent does not answer late
        if mode is not Mode.AWAY and self._server is None:
            await self._listen()

    async def _drop_clients(self) -> None:
        for writer in list(self._clients):
            writer.transport.abort()
        await asyncio.sleep(0)

    # The server's thread.

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as exc:  # noqa: BLE001 - raised again by start()
            self._failure = exc
        finally:
            self._loop.close()
            self._ready.set()

    async def _serve(self) -> None:
        self._stopping = asyncio.Event()
        await self._listen()
        self._ready.set()
        try:
            await self._scan_until_stopped(self._stopping)
        finally:
            if self._server is not None:
                self._server.close()
            await self._drop_clients()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _listen(self) -> None:
        host, port = self._address
        try:
            self._server = await asyncio.start_server(self._client, host, port)
        except OSError as exc:
            raise AddressInUse(
                f"{host}:{port}: cannot listen there; "
                "is the port taken, or below 1024 without the right?"
            ) from exc
        self._address = (host, int(self._server.sockets[0].getsockname()[1]))

    async def _scan_until_stopped(self, stopping: asyncio.Event) -> None:
        if self._ladder is None:
            await stopping.wait()
            return
        while not stopping.is_set():
            self._scan()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), SCAN_S)

    def _scan(self) -> None:
        if self._ladder is None:
            return
        now = self._clock.boottime_ns()
        state = self._memory.scan(self._ladder, now)
        if not self.gate or self.gate[-1].state != state:
            change = GateChange(now, state)
            self.gate.append(change)
            self._on_gate(change)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._clients.add(writer)
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while True:
                header = await reader.readexactly(_HEADER.size)
                number, protocol, following, unit = _HEADER.unpack(header)
                if protocol != 0 or not 2 <= following <= 254:
                    return
                request = await reader.readexactly(following - 1)
                if self._mode is Mode.NORMAL:
                    self._answer(number, unit, request, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # it hung up, or we stop
        finally:
            self._tasks.discard(task)
            self._clients.discard(writer)
            writer.close()

    def _answer(self, number: int, unit: int, request: bytes, writer: asyncio.StreamWriter) -> None:
        body = self._memory.answer(request)
        answer = _HEADER.pack(number, 0, len(body) + 1, unit) + body
        address = int.from_bytes(request[1:3], "big")
        is_slow = self._delay_s > 0 and (self._slow is None or address in self._slow)
        if is_slow:
            self._loop.call_later(self._delay_s, _send, writer, answer)
        else:
            writer.write(answer)

    def _written(self, kind: str, address: int, value: int) -> None:
        write = Write(self._clock.boottime_ns(), kind, address, value)
        self.writes.append(write)
        self._on_write(write)
        self._scan()


def _send(writer: asyncio.StreamWriter, answer: bytes) -> None:
    if not writer.is_closing():
        writer.write(answer)
