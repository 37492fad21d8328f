"""Modbus TCP as a `Line`.  The only user of the pymodbus client.

pymodbus's own reconnecting is kept out: it would send a stale write on a fresh connection, and it
says why a connection failed to its log only.  So the socket is made here and handed over.
"""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING

from edge_runtime.field.line import LineDown, NoAnswer, Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymodbus.client import ModbusTcpClient
    from pymodbus.pdu import ModbusPDU

ILLEGAL = {
    1: "does not know this function",
    2: "has no such address",
    3: "does not take this value",
    4: "failed inside",
    6: "is busy",
    10: "is a gateway without a path to the unit",
    11: "is a gateway, and the unit does not answer",
}
"""Exception codes of the Modbus application protocol V1.1b3, section 7."""


class ModbusLine:
    """Satisfies `line.Line`."""

    def __init__(self, host: str, port: int, unit: int) -> None:
        """`unit`: the Modbus unit identifier, 0..255.  Nothing is connected yet."""
        self._host = host
        self._port = port
        self._unit = unit
        self._client: ModbusTcpClient | None = None

    @property
    def address(self) -> str:
        """``modbus://host:port``."""
        return f"modbus://{self._host}:{self._port}"

    @property
    def connected(self) -> bool:
        """Whether a connection is open as far as is known."""
        return self._client is not None and self._client.connected

    def connect(self, timeout_s: float) -> None:
        """Connect.  Raises `LineDown`."""
        from pymodbus.client import ModbusTcpClient

        self.close()
        try:
            connection = socket.create_connection((self._host, self._port), timeout_s)
        except OSError as exc:
            raise LineDown(f"{self.address}: {_reason(exc)}") from exc
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # It logs every failed request as an error; we tell each once, as the output's own.
        logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
        client = ModbusTcpClient(self._host, port=self._port, timeout=timeout_s, retries=0)
        client.socket = connection
        self._client = client

    def write_coil(self, coil: int, *, value: bool, timeout_s: float) -> None:
        """Returns once confirmed.  Raises `LineDown`, `NoAnswer`, `Refused`."""
        self._ask(
            f"coil {coil}",
            timeout_s,
            lambda client: client.write_coil(coil, value, device_id=self._unit),
        )

    def write_register(self, register: int, value: int, timeout_s: float) -> None:
        """Returns once confirmed.  Raises `LineDown`, `NoAnswer`, `Refused`."""
        self._ask(
            f"register {register}",
            timeout_s,
            lambda client: client.write_register(register, value, device_id=self._unit),
        )

    def probe(self, coil: int, timeout_s: float) -> None:
        """Read one coil.  Raises `LineDown`, `NoAnswer`."""
        try:
            self._ask(
                f"coil {coil}",
                timeout_s,
                lambda client: client.read_coils(coil, count=1, device_id=self._unit),
            )
        except Refused:
            return  # a refusal comes from somebody alive

    def close(self) -> None:
        """Idempotent."""
        if self._client is not None:
            self._client.close()  # type: ignore[no-untyped-call]
            self._client = None

    def _ask(
        self, what: str, timeout_s: float, request: Callable[[ModbusTcpClient], ModbusPDU]
    ) -> None:
        from pymodbus.exceptions import ConnectionException, ModbusException

        client = self._client
        if client is None or not client.connected:
            raise LineDown(f"{self.address}: not connected")
        client.comm_params.timeout_connect = timeout_s  # the only one there is, also for answers
        try:
            answer = request(client)
        except (ConnectionException, OSError) as exc:
            self.close()
            why = _reason(exc) if isinstance(exc, OSError) else "the connection was closed"
            raise LineDown(f"{self.address}: {why}") from exc
        except ModbusException as exc:
            self.close()
            told = f"{self.address}: {what} not confirmed within {timeout_s * 1000:.0f} ms"
            raise NoAnswer(told) from exc
        if answer.isError():
            code = int(getattr(answer, "exception_code", 0))
            told = ILLEGAL.get(code, f"answers with exception {code}")
            raise Refused(f"{self.address}: {what} refused: the far side {told}")


def _reason(exc: OSError) -> str:
    if isinstance(exc, TimeoutError):
        return "no connection in time"
    return str(exc.strerror or exc).lower()
