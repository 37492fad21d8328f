"""Modbus TCP: a coil pulsed on a verdict, a safe state, a heartbeat register.  The only user of pymodbus.

One thread an output: requests come over a channel, and everything that goes over the wire is written by that
thread.  A pulse is acknowledged when the other side has confirmed the write that switches the coil on.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_runtime.channel import Channel, Closed, OnFull
from edge_runtime.clock import NS_PER_MS, NS_PER_S
from edge_runtime.outputs.coil import CoilPlan
from edge_runtime.types import Actuation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_runtime.clock import Clock
    from edge_runtime.config import Output as OutputConfig
    from edge_runtime.types import Verdict

log = logging.getLogger(__name__)

REQUESTS_MAX = 256
RECONNECT_MIN_S = 0.25
RECONNECT_MAX_S = 5.0
TURN_S = 0.25
REGISTER_VALUES = 1 << 16


@dataclass(frozen=True, slots=True)
class _Request:
    action: str
    asked_ns: int
    future: Future[Actuation]


class ModbusOutput:
    """Satisfies `protocols.Output`."""

    def __init__(self, name: str, settings: OutputConfig, *, clock: Clock) -> None:
        """Nothing is connected before `start`."""
        self._name = name
        self._settings = settings
        self._clock = clock
        self._requests: Channel[_Request] = Channel(REQUESTS_MAX, OnFull.BLOCK)
        self._plan = CoilPlan(settings.pulse_ms * NS_PER_MS)
        self._safe_coil = settings.coil if settings.safe_coil is None else settings.safe_coil
        self._written: dict[int, bool] = {}
        self._client: Any = None
        self._beat = 0
        self._beat_due_ns = 0
        self._reconnect_due_ns = 0
        self._reconnect_s = RECONNECT_MIN_S
        self._counters: Counter[str] = Counter()
        self._thread = threading.Thread(target=self._run, name=f"output-{name}", daemon=True)

    @property
    def name(self) -> str:
        """As in the config."""
        return self._name

    def start(self) -> None:
        """Start the thread; it connects by itself, again and again."""
        self._thread.start()

    def apply(self, verdict: Verdict) -> Future[Actuation] | None:
        """Pulse the coil for a verdict in `on`."""
        return self._ask("pulse") if verdict.kind.value in self._settings.on else None

    def fault(self, *, active: bool) -> Future[Actuation] | None:
        """Hold the safe coil on, or let go of it."""
        return self._ask("safe" if active else "release")

    def counters(self) -> Mapping[str, int]:
        """``acknowledged``, ``unacknowledged``, ``connects``, ``disconnects``, ``heartbeats``."""
        return dict(self._counters)

    def close(self) -> None:
        """Finish pulses under way, switch off unless faulted, disconnect.  Idempotent."""
        self._requests.close()
        if self._thread.ident is not None:
            self._thread.join(self._settings.pulse_ms / 1000 + self._ack_s * 4 + 1)

    @property
    def _ack_s(self) -> float:
        return self._settings.ack_timeout_ms / 1000

    def _ask(self, action: str) -> Future[Actuation]:
        request = _Request(action, self._clock.boottime_ns(), Future())
        try:
            taken = self._requests.put(request, timeout_s=0)
        except Closed:
            taken = False
        if not taken:
            self._answer(request, acknowledged=False, detail="too many requests wait, or closed")
        return request.future

    def _run(self) -> None:
        """The output's thread."""
        try:
            while True:
                request = self._requests.get(self._pause_s())
                if request is not None:
                    self._carry_out(request)
                self._keep()
        except Closed:
            self._finish()

    def _pause_s(self) -> float:
        now = self._clock.boottime_ns()
        return self._plan.wait_ns(now, int(TURN_S * NS_PER_S)) / NS_PER_S

    def _carry_out(self, request: _Request) -> None:
        now = self._clock.boottime_ns()
        if request.action == "pulse":
            self._plan.pulse(now)
        else:
            self._plan.faulted = request.action == "safe"
        late = (now - request.asked_ns) / NS_PER_S > self._ack_s
        error = "" if self._connected() else f"{self._address}: not connected"
        if not error:
            error = self._write_coils(now, again=request.action == "pulse")
        if error and request.action == "pulse":
            self._plan.on_until_ns = 0  # a part long gone must not be rejected after a reconnect
        if late and not error:
            error = f"confirmed, but later than {self._settings.ack_timeout_ms} ms"
        self._answer(request, acknowledged=not error, detail=error or None)

    def _answer(self, request: _Request, *, acknowledged: bool, detail: str | None) -> None:
        self._counters["acknowledged" if acknowledged else "unacknowledged"] += 1
        waited_ms = (self._clock.boottime_ns() - request.asked_ns) / NS_PER_MS
        request.future.set_result(
            Actuation(
                output=self._name,
                action=request.action,
                acknowledged=acknowledged,
                latency_ms=round(waited_ms, 3),
                detail=detail,
            )
        )

    def _keep(self) -> None:
        """Connect when it is time, end pulses, beat."""
        now = self._clock.boottime_ns()
        if not self._connected():
            self._connect_if_due(now)
        if self._connected():
            self._write_coils(now)
            self._beat_if_due(now)

    def _wanted(self, now_ns: int) -> dict[int, bool]:
        wanted = {self._settings.coil: self._plan.pulse_on(now_ns)}
        wanted[self._safe_coil] = wanted.get(self._safe_coil, False) or self._plan.faulted
        return wanted

    def _write_coils(self, now_ns: int, *, again: bool = False) -> str:
        """Write what differs from what was confirmed; `again`: the pulsed coil in any case.

        An error text, empty when all is confirmed.
        """
        for coil, value in self._wanted(now_ns).items():
            if self._written.get(coil) == value and not (again and value):
                continue
            error = self._call("write_coil", coil, value)
            if error:
                return error
            self._written[coil] = value
        return ""

    def _beat_if_due(self, now_ns: int) -> None:
        register = self._settings.heartbeat_register
        if register is None or now_ns < self._beat_due_ns:
            return
        self._beat_due_ns = now_ns + int(self._settings.heartbeat_s * NS_PER_S)
        self._beat = (self._beat + 1) % REGISTER_VALUES
        if not self._call("write_register", register, self._beat):
            self._counters["heartbeats"] += 1

    def _connected(self) -> bool:
        return self._client is not None

    def _connect_if_due(self, now_ns: int) -> None:
        if now_ns < self._reconnect_due_ns:
            return
        from pymodbus.client import ModbusTcpClient

        client = ModbusTcpClient(
            self._settings.host,
            port=self._settings.port,
            timeout=self._ack_s,
            retries=0,
            reconnect_delay=0,
        )
        if client.connect():
            log.info("output_connected name=%s address=%s", self._name, self._address)
            self._client, self._written = client, {}  # what it holds is not known: write it all
            self._reconnect_s = RECONNECT_MIN_S
            self._counters["connects"] += 1
            return
        client.close()
        if self._reconnect_s == RECONNECT_MIN_S:
            log.warning("output_away name=%s address=%s", self._name, self._address)
        self._reconnect_due_ns = self._clock.boottime_ns() + int(self._reconnect_s * NS_PER_S)
        self._reconnect_s = min(RECONNECT_MAX_S, self._reconnect_s * 2)

    def _call(self, function: str, address: int, value: bool | int) -> str:  # noqa: FBT001 - Modbus
        """One request; an error text, empty when it was confirmed."""
        from pymodbus.exceptions import ModbusException

        try:
            reply = getattr(self._client, function)(address, value, device_id=self._settings.unit)
        except (ModbusException, OSError) as exc:
            self._drop()
            return f"{self._address}: {str(exc).splitlines()[0][:120]}"
        if reply.isError():
            return f"{self._address}: refused {function} {address}: {reply}"
        return ""

    def _drop(self) -> None:
        self._counters["disconnects"] += 1
        self._client.close()
        self._client = None

    def _finish(self) -> None:
        """End of input: let pulses have their time, leave the coils as they should stay."""
        never = threading.Event()
        while self._connected() and self._plan.pulse_on(self._clock.boottime_ns()):
            self._clock.wait(never, self._pause_s())
        if self._connected():
            self._write_coils(self._clock.boottime_ns())
        if self._connected():
            self._client.close()
            self._client = None

    @property
    def _address(self) -> str:
        return f"modbus://{self._settings.host}:{self._settings.port}"
