"""Pulses a coil on a verdict, holds a safe coil while faulted, counts a heartbeat register.

One thread (``output-NAME``) owns the line and the coils; lanes ask through a bounded channel.
Invariants:

* Every request is answered: within the ack time-out (and 50 ms), or at once while the line is known
  to be down.  A pulse is acknowledged when the far side confirmed, in that time, the write that
  switches the coil on; pulses that overlap are one long one and each is acknowledged by itself.
* The coil is on for at least `pulse_ms` from that confirmation, and no pulse is made later than its
  ack time-out: the part would be gone, and the next one hit.
* After every (re)connection all coils are written as they should be now.  A fault that was told
  while the line was down is driven then.

The heartbeat shows that this process and the way to the far side live.  A lane that hangs is ended
by its supervisor, and the heartbeat with it: watch it in the PLC.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.channel import Channel, Closed, OnFull
from edge_runtime.clock import NS_PER_MS, NS_PER_S
from edge_runtime.field.line import LineDown, NoAnswer, Refused
from edge_runtime.field.pulses import Coils
from edge_runtime.types import Actuation, VerdictKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edge_runtime.clock import Clock
    from edge_runtime.config import Output as OutputConfig
    from edge_runtime.field.line import Line
    from edge_runtime.types import Verdict

log = logging.getLogger(__name__)

REQUESTS_MAX = 256
CONNECT_TIMEOUT_S = 2.0
RECONNECT_MIN_S = 0.2
RECONNECT_MAX_S = 5.0
WRITE_MIN_S = 0.05
"""A write gets at least so long: less would take a healthy far side for a dead one."""
CLOSE_PULSE_MAX_S = 5.0
REGISTER_VALUES = 1 << 16
IDLE_S = 1.0
COUNTERS = ("acknowledged", "unacknowledged", "reconnects", "heartbeats", "refused")


@dataclass(frozen=True, slots=True)
class _Request:
    action: str
    """``pulse``, ``safe`` or ``release``."""
    asked_ns: int
    answer: Future[Actuation]


class CoilOutput:
    """Satisfies `protocols.Output` over any `Line`."""

    def __init__(self, name: str, settings: OutputConfig, line: Line, *, clock: Clock) -> None:
        """Nothing is connected before `start`."""
        self._name = name
        self._settings = settings
        self._line = line
        self._clock = clock
        self._ack_ns = settings.ack_timeout_ms * NS_PER_MS
        self._ack_s = max(WRITE_MIN_S, settings.ack_timeout_ms / 1000)
        self._requests: Channel[_Request] = Channel(REQUESTS_MAX, OnFull.BLOCK)
        self._coils = Coils(
            coil=settings.coil,
            safe_coil=settings.coil if settings.safe_coil is None else settings.safe_coil,
            pulse_ns=settings.pulse_ms * NS_PER_MS,
        )
        self._faulted = False
        """What the lane said last; the thread takes it over even where a request was lost."""
        self._offline: str | None = f"{line.address}: not started"
        """Why nothing can be acknowledged now.  Written by the thread, read by anybody."""
        self._connects = 0
        self._retry_ns = 0
        self._retry_s = RECONNECT_MIN_S
        self._beat = 0
        self._beat_ns = 0
        self._beat_period_ns = int(settings.heartbeat_s * NS_PER_S)
        self._told: str | None = None
        """What was logged last: a far side that stays away is told once."""
        self._counters: Counter[str] = Counter()
        self._counting = threading.Lock()
        self._tried = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"output-{name}", daemon=True)

    @property
    def name(self) -> str:
        """As in the config."""
        return self._name

    def start(self) -> None:
        """Start the thread; it connects, again and again.

        Waits for the first attempt, for the ack time-out at most: what is asked next should not be
        refused only because a healthy far side was not connected yet.
        """
        self._thread.start()
        self._tried.wait(self._settings.ack_timeout_ms / 1000)

    def apply(self, verdict: Verdict) -> Future[Actuation] | None:
        """Pulse the coil for a verdict in `on`; `heard` only for a keyword over its threshold."""
        if verdict.kind.value not in self._settings.on:
            return None
        if verdict.kind is VerdictKind.HEARD and verdict.threshold is None:
            return None
        return self._ask("pulse")

    def fault(self, *, active: bool) -> Future[Actuation] | None:
        """Hold the safe coil, or let go of it; driven on reconnection where the line is down."""
        self._faulted = active
        return self._ask("safe" if active else "release")

    def counters(self) -> Mapping[str, int]:
        """``acknowledged``, ``unacknowledged``, ``reconnects``, ``heartbeats``, ``refused``."""
        with self._counting:
            return {key: self._counters[key] for key in COUNTERS}

    def close(self) -> None:
        """Carry out what was asked, finish pulses (5 s at most), release, disconnect.  Idempotent.

        While faulted the safe coil is left on.
        """
        self._requests.close()
        if self._thread.ident is not None:
            self._thread.join(CLOSE_PULSE_MAX_S + CONNECT_TIMEOUT_S + 2 * self._ack_s)

    def _ask(self, action: str) -> Future[Actuation]:
        request = _Request(action, self._clock.boottime_ns(), Future())
        trouble = self._offline
        if trouble is None:
            try:
                if self._requests.put(request, timeout_s=0):
                    return request.answer
                trouble = f"{REQUESTS_MAX} requests are waiting already"
            except Closed:
                trouble = "closed"
        self._answer(request, trouble)
        return request.answer

    def _answer(self, request: _Request, trouble: str | None) -> None:
        waited_ms = (self._clock.boottime_ns() - request.asked_ns) / NS_PER_MS
        self._count("unacknowledged" if trouble else "acknowledged")
        request.answer.set_result(
            Actuation(
                output=self._name,
                action=request.action,
                acknowledged=trouble is None,
                latency_ms=round(waited_ms, 3),
                detail=trouble,
            )
        )

    def _count(self, what: str) -> None:
        with self._counting:
            self._counters[what] += 1

    # From here on: the output's thread.

    def _run(self) -> None:
        try:
            while True:
                self._keep()
                self._tried.set()
                request = self._requests.get(self._pause_s())
                if request is not None:
                    self._serve(request)
        except Closed:
            self._finish()
        finally:  # also when this thread has a defect: nobody may wait for it for ever
            self._offline = f"{self._line.address}: closed"
            self._requests.close()
            for request in self._requests:
                self._answer(request, self._offline)
            self._line.close()

    def _serve(self, request: _Request) -> None:
        trouble: str | None = f"{self._line.address}: a defect, see the log"
        try:
            trouble = self._carry_out(request)
        finally:
            self._answer(request, trouble)

    def _pause_s(self) -> float:
        """Until something has to be done without being asked."""
        now = self._clock.boottime_ns()
        left = [int(IDLE_S * NS_PER_S)]
        if self._line.connected:
            left.append(self._beat_due_ns(now) - now)
            if pulse_left := self._coils.pulse_left_ns(now):
                left.append(pulse_left)
        else:
            left.append(self._retry_ns - now)
        return max(0, min(left)) / NS_PER_S

    def _keep(self) -> None:
        """Connect when it is time, end pulses, beat."""
        now = self._clock.boottime_ns()
        if self._requests.stats().depth == 0:
            self._coils.faulted = self._faulted
        if not self._line.connected and now >= self._retry_ns:
            self._connect(CONNECT_TIMEOUT_S)
        if self._line.connected:
            self._attempt(self._settle)
        if self._line.connected:
            self._attempt(self._beat_if_due)

    def _attempt(self, step: Callable[[], None]) -> LineDown | Refused | None:
        """Do a step on the line; what went wrong, after it was taken note of."""
        try:
            step()
        except LineDown as exc:
            self._lost(exc)
            return exc
        except Refused as exc:
            self._count("refused")
            if self._told != str(exc):  # once, not at every heartbeat
                log.warning("output_refused name=%s reason=%s", self._name, exc)
            self._told = str(exc)
            return exc
        return None

    def _carry_out(self, request: _Request) -> str | None:
        """None when the far side confirmed in time, else what went wrong."""
        deadline_ns = request.asked_ns + self._ack_ns
        if request.action == "pulse":
            if self._clock.boottime_ns() >= deadline_ns:
                return f"waited more than {self._settings.ack_timeout_ms} ms: not pulsed any more"
            failure = self._twice(lambda: self._pulse(deadline_ns), deadline_ns)
        else:
            self._coils.faulted = request.action == "safe"
            failure = self._twice(lambda: self._settle(deadline_ns), deadline_ns)
        late_ms = (self._clock.boottime_ns() - deadline_ns) / NS_PER_MS
        if failure is None and late_ms > 0:
            return f"confirmed {late_ms:.0f} ms too late"
        return failure

    def _twice(self, step: Callable[[], None], deadline_ns: int) -> str | None:
        """A far side may close an idle connection at any time: then once more on a new one."""
        if self._offline is not None:
            return self._offline
        failure = self._attempt(step)
        if isinstance(failure, LineDown) and not isinstance(failure, NoAnswer):
            self._connect(min(CONNECT_TIMEOUT_S, self._left_s(deadline_ns)))
            if self._offline is None:
                failure = self._attempt(step)
        return None if failure is None else str(failure)

    def _pulse(self, deadline_ns: int) -> None:
        # Written also where it is on already: each part's rejection is confirmed by itself.
        self._write(self._coils.coil, value=True, timeout_s=self._left_s(deadline_ns))
        self._coils.pulse(self._clock.boottime_ns())

    def _settle(self, deadline_ns: int | None = None) -> None:
        """Write what is not known to be as it should."""
        for coil, value in self._coils.due(self._clock.boottime_ns()):
            timeout_s = self._ack_s if deadline_ns is None else self._left_s(deadline_ns)
            self._write(coil, value=value, timeout_s=timeout_s)

    def _write(self, coil: int, *, value: bool, timeout_s: float) -> None:
        self._line.write_coil(coil, value=value, timeout_s=timeout_s)
        self._coils.confirm(coil, value=value)

    def _beat_due_ns(self, now_ns: int) -> int:
        # A slow far side would make a pulse longer: a beat waits for its end, for one period.
        return self._beat_ns + (self._beat_period_ns if self._coils.pulse_left_ns(now_ns) else 0)

    def _beat_if_due(self) -> None:
        now = self._clock.boottime_ns()
        if now < self._beat_due_ns(now):
            return
        self._beat_ns = now + self._beat_period_ns
        if self._settings.heartbeat_register is None:
            self._line.probe(self._coils.coil, self._ack_s)
            return
        self._beat = (self._beat + 1) % REGISTER_VALUES
        self._line.write_register(self._settings.heartbeat_register, self._beat, self._ack_s)
        self._count("heartbeats")

    def _connect(self, timeout_s: float) -> None:
        """Connect, and bring the coils to what they should be."""
        try:
            self._line.connect(timeout_s)
        except LineDown as exc:
            self._lost(exc)
            return
        if isinstance(self._attempt(self._settle), LineDown):
            return
        log.info("output_connected name=%s address=%s", self._name, self._line.address)
        if self._connects:
            self._count("reconnects")
        self._connects += 1
        self._retry_s = RECONNECT_MIN_S
        self._offline = self._told = None

    def _lost(self, why: LineDown) -> None:
        """The line is down: at once try again where it was up, else after the back-off."""
        self._line.close()
        self._coils.forget()
        self._retry_ns = self._clock.boottime_ns()
        if self._offline is not None:
            self._retry_ns += int(self._retry_s * NS_PER_S)
            self._retry_s = min(RECONNECT_MAX_S, self._retry_s * 2)
        self._offline = str(why)
        if self._told != str(why):
            log.warning("output_away name=%s reason=%s", self._name, why)
        self._told = str(why)

    def _left_s(self, deadline_ns: int) -> float:
        return max(WRITE_MIN_S, (deadline_ns - self._clock.boottime_ns()) / NS_PER_S)

    def _finish(self) -> None:
        """Let pulses under way have their time, then leave the coils as they should stay."""
        never = threading.Event()
        pulse_left_s = self._coils.pulse_left_ns(self._clock.boottime_ns()) / NS_PER_S
        if self._line.connected and pulse_left_s:
            self._clock.wait(never, min(pulse_left_s, CLOSE_PULSE_MAX_S))
        self._coils.end_pulses()
        self._coils.faulted = self._faulted
        if self._line.connected:
            self._attempt(self._settle)
