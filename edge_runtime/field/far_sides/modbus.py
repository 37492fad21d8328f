"""Modbus TCP as a `Wire`: the few functions that coils, inputs and registers need.

Written to the application protocol V1.1b3 and the TCP guide V1.0b.  It is our own because an answer
that is slow must not keep a pulse's end: a blocking client cannot send while it waits.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
from typing import TYPE_CHECKING, Final

from edge_runtime.clock import NS_PER_S, SYSTEM_CLOCK
from edge_runtime.field.wire import Answer, Kind, LineDown, NoAnswer, Order, WriteRefused

if TYPE_CHECKING:
    from edge_runtime.config import ModbusOutput

ILLEGAL: Final = {
    1: "does not know this function",
    2: "has no such address",
    3: "does not take this value",
    4: "failed inside",
    6: "is busy",
    10: "is a gateway without a path to the unit",
    11: "is a gateway, and the unit does not answer",
}
"""Exception codes of the Modbus application protocol V1.1b3, section 7."""
FUNCTIONS: Final = {
    Kind.READ_COIL: 1,
    Kind.READ_INPUT: 2,
    Kind.READ_REGISTER: 3,
    Kind.WRITE_COIL: 5,
    Kind.WRITE_REGISTER: 6,
}
ON: Final = 0xFF00
_HEADER = struct.Struct(">HHHB")
"""Transaction, protocol (0), bytes that follow the length, unit."""
_REQUEST = struct.Struct(">BHH")
_MAX_FOLLOWING: Final = 254
_RECEIVE_BYTES: Final = 4096


class _Nonsense(Exception):
    """This is no Modbus."""


class ModbusWire:
    """Satisfies `wire.Wire`."""

    def __init__(self, host: str, port: int, unit: int) -> None:
        """`unit`: the Modbus unit identifier, 0..255.  Nothing is connected yet."""
        self._host = host
        self._port = port
        self._unit = unit
        self._socket: socket.socket | None = None
        self._number = 0
        self._waiting: dict[int, Order] = {}
        self._received = bytearray()

    @property
    def address(self) -> str:
        """``modbus://host:port``."""
        return f"modbus://{self._host}:{self._port}"

    @property
    def connected(self) -> bool:
        """Whether a connection is open as far as is known."""
        return self._socket is not None

    def fileno(self) -> int:
        """Readable when there is an answer; -1 while not connected."""
        return -1 if self._socket is None else self._socket.fileno()

    def connect(self, timeout_s: float) -> None:
        """Connect.  Raises `LineDown`."""
        self.close()
        try:
            connection = socket.create_connection((self._host, self._port), timeout_s)
        except OSError as exc:
            raise LineDown(f"{self.address}: {_reason(exc)}") from exc
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        self._socket = connection

    def send(self, order: Order) -> int:
        """Hand an order over; its number.  Raises `LineDown`."""
        if self._socket is None:
            raise LineDown(f"{self.address}: not connected")
        self._number = self._number % 0xFFFF + 1
        message = encode(self._number, self._unit, order)
        try:
            sent = self._socket.send(message)
        except OSError as exc:  # also one that would block: it has not read for very long
            raise self._down(_reason(exc)) from exc
        if sent != len(message):
            raise self._down("does not read what it is sent")
        self._waiting[self._number] = order
        return self._number

    def receive(self) -> list[Answer]:
        """What has come since; may be empty.  Raises `LineDown`."""
        if self._socket is None:
            raise LineDown(f"{self.address}: not connected")
        try:
            data = self._socket.recv(_RECEIVE_BYTES)
        except (BlockingIOError, InterruptedError):
            return []
        except OSError as exc:
            raise self._down(_reason(exc)) from exc
        if not data:
            raise self._down("the connection was closed")
        self._received += data
        try:
            return list(iter(self._next, None))
        except _Nonsense as exc:
            raise self._down(f"does not talk Modbus: {exc}") from exc

    def close(self) -> None:
        """Idempotent."""
        connection, self._socket = self._socket, None
        self._waiting.clear()
        self._received.clear()
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.close()

    def _down(self, why: str) -> LineDown:
        self.close()
        return LineDown(f"{self.address}: {why}")

    def _next(self) -> Answer | None:
        """The next whole answer; None when there is none yet.  Raises `_Nonsense`."""
        if len(self._received) < _HEADER.size:
            return None
        number, protocol, following, _unit = _HEADER.unpack_from(self._received)
        if protocol != 0 or not 3 <= following <= _MAX_FOLLOWING:
            raise _Nonsense(bytes(self._received[: _HEADER.size]).hex(" "))
        end = _HEADER.size - 1 + following
        if len(self._received) < end:
            return None
        body = bytes(self._received[_HEADER.size : end])
        del self._received[:end]
        order = self._waiting.pop(number, None)
        if order is None:
            raise _Nonsense(f"an answer to nothing that was asked ({number})")
        return self._read(number, order, body)

    def _read(self, number: int, order: Order, body: bytes) -> Answer:
        function = FUNCTIONS[order.kind]
        if body[0] == function | 0x80:
            told = ILLEGAL.get(body[1], f"answers with exception {body[1]}")
            return Answer(number, refusal=f"{self.address}: {order} refused: the far side {told}")
        if order.kind in (Kind.WRITE_COIL, Kind.WRITE_REGISTER):
            if body != _body(order):
                raise _Nonsense(f"{order} is confirmed as something else")
            return Answer(number, order.value)
        if order.kind is Kind.READ_REGISTER:
            if len(body) != 4 or body[:2] != bytes((function, 2)):
                raise _Nonsense(f"{order} is answered with {body.hex(' ')}")
            return Answer(number, int.from_bytes(body[2:], "big"))
        if len(body) != 3 or body[:2] != bytes((function, 1)):
            raise _Nonsense(f"{order} is answered with {body.hex(' ')}")
        return Answer(number, body[2] & 1)


def encode(number: int, unit: int, order: Order) -> bytes:
    """A request as it goes over the wire."""
    body = _body(order)
    return _HEADER.pack(number, 0, len(body) + 1, unit) + body


def _body(order: Order) -> bytes:
    """Function, address, and the value or how many to read."""
    value = 1
    if order.kind is Kind.WRITE_COIL:
        value = ON if order.value else 0
    elif order.kind is Kind.WRITE_REGISTER:
        value = order.value
    return _REQUEST.pack(FUNCTIONS[order.kind], order.address, value)


def ask(wire: ModbusWire, order: Order, timeout_s: float) -> int:
    """One order on a connected wire that has no other under way; what was read.  Blocks.

    Raises `LineDown`, `NoAnswer`, `WriteRefused`.
    """
    wire.send(order)
    until_ns = SYSTEM_CLOCK.boottime_ns() + int(timeout_s * NS_PER_S)
    while True:
        left_s = (until_ns - SYSTEM_CLOCK.boottime_ns()) / NS_PER_S
        if left_s <= 0 or not select.select([wire], [], [], left_s)[0]:
            wire.close()
            raise NoAnswer(f"{wire.address}: {order} not answered within {timeout_s * 1000:.0f} ms")
        for answer in wire.receive():
            if answer.refusal is not None:
                raise WriteRefused(answer.refusal)
            return answer.value


def exchange(output: ModbusOutput, timeout_s: float) -> str:
    """What is found at the places that an output writes to; nothing is written.

    For people.  Blocks for at most `timeout_s` a place, and as long for the connection.
    Raises `LineDown`, `NoAnswer`, `WriteRefused`.
    """
    wire = ModbusWire(output.host, output.port, output.unit)
    wire.connect(timeout_s)
    try:
        told = []
        for name, coil in (("coil", output.coil), ("safe coil", output.safe_coil)):
            if coil is not None:
                value = ask(wire, Order(Kind.READ_COIL, coil), timeout_s)
                told.append(f"{name} {coil} is {('off', 'on')[value]}")
        for name, register in (
            ("heartbeat register", output.heartbeat_register),
            ("bypass register", output.bypass_register),
        ):
            if register is not None:
                value = ask(wire, Order(Kind.READ_REGISTER, register), timeout_s)
                told.append(f"{name} {register} is {value}")
    finally:
        wire.close()
    return f"{wire.address}: " + ", ".join(told)


def _reason(exc: OSError) -> str:
    if isinstance(exc, TimeoutError):
        return "no connection in time"
    return str(exc.strerror or exc).lower()
