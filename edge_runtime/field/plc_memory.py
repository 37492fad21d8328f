"""What stands in a simulated PLC, and what it answers to a Modbus request.

Coils, inputs and holding registers 0..4095; input registers are the holding registers.
"""

from __future__ import annotations

import struct
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.field.ladder import GateState, Ladder

SIZE: Final = 4096
_ON: Final = 0xFF00
_READ_BITS: Final = (1, 2)
_READ_WORDS: Final = (3, 4)
_ILLEGAL_FUNCTION, _ILLEGAL_ADDRESS, _ILLEGAL_VALUE = 1, 2, 3
_AT_ONCE_MAX: Final = 123
"""Values in one request; no user of it needs more."""


class _Refusal(Exception):
    """Answered with an exception code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Memory:
    """Any thread; `answer` by the server's alone."""

    def __init__(self, on_write: Callable[[str, int, int], None]) -> None:
        """`on_write` is told of each value that a client writes: kind, address, value."""
        self._on_write = on_write
        self._coils = [False] * SIZE
        self._inputs = [False] * SIZE
        self._registers = [0] * SIZE
        self._lock = threading.Lock()

    def coil(self, address: int) -> bool:
        """What a coil is."""
        with self._lock:
            return self._coils[address]

    def register(self, address: int) -> int:
        """What a register holds."""
        with self._lock:
            return self._registers[address]

    def set_coil(self, address: int, *, value: bool) -> None:
        """As the PLC's own program would."""
        with self._lock:
            self._coils[address] = value

    def set_input(self, address: int, *, value: bool) -> None:
        """A light barrier, say."""
        with self._lock:
            self._inputs[address] = value

    def set_register(self, address: int, value: int) -> None:
        """As the PLC's own program would; 16 bits."""
        with self._lock:
            self._registers[address] = value & 0xFFFF

    def add(self, register: int, number: int) -> None:
        """Count up; 16 bits."""
        with self._lock:
            self._registers[register] = (self._registers[register] + number) & 0xFFFF

    def scan(self, ladder: Ladder, now_ns: int) -> GateState:
        """Run the rungs once on what stands here."""
        with self._lock:
            return ladder.scan(self._coils, self._registers, now_ns)

    def answer(self, request: bytes) -> bytes:
        """Carry out a request (function code and what belongs to it); the answer, or a refusal."""
        try:
            return self._carry_out(request)
        except _Refusal as exc:
            return bytes((request[0] | 0x80, exc.code))
        except struct.error:
            return bytes((request[0] | 0x80, _ILLEGAL_VALUE))

    def _carry_out(self, request: bytes) -> bytes:
        function, address, value = struct.unpack_from(">BHH", request)
        if function in _READ_BITS:
            values = self._read([self._coils, self._inputs][function - 1], address, value)
            bits = sum(int(bit) << place for place, bit in enumerate(values))
            size = (len(values) + 7) // 8
            return bytes((function, size)) + bits.to_bytes(size, "little")
        if function in _READ_WORDS:
            words = self._read(self._registers, address, value)
            return bytes((function, 2 * len(words))) + struct.pack(f">{len(words)}H", *words)
        if function == 5:
            if value not in (0, _ON):
                raise _Refusal(_ILLEGAL_VALUE)
            self._write("coil", address, [int(value == _ON)])
        elif function == 6:
            self._write("register", address, [value])
        elif function == 15:
            bits = int.from_bytes(request[6:], "little")
            self._write("coil", address, [(bits >> place) & 1 for place in range(value)])
        elif function == 16:
            self._write("register", address, list(struct.unpack(f">{value}H", request[6:])))
        else:
            raise _Refusal(_ILLEGAL_FUNCTION)
        return request[:5]

    def _read(self, values: list[bool] | list[int], address: int, count: int) -> list[int]:
        if not 1 <= count <= _AT_ONCE_MAX:
            raise _Refusal(_ILLEGAL_VALUE)
        if address + count > SIZE:
            raise _Refusal(_ILLEGAL_ADDRESS)
        with self._lock:
            return [int(value) for value in values[address : address + count]]

    def _write(self, kind: str, address: int, values: list[int]) -> None:
        if address + len(values) > SIZE:
            raise _Refusal(_ILLEGAL_ADDRESS)
        for place, value in enumerate(values, address):
            with self._lock:
                if kind == "coil":
                    self._coils[place] = bool(value)
                else:
                    self._registers[place] = value
            self._on_write(kind, place, value)
