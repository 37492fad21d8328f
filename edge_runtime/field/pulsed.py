"""One output that pulses a coil, holds a safe coil, counts a heartbeat: what to write when.  Pure.

Time and answers come in, orders go out; the far side's thread carries them.  Invariants:

* Every request is answered: within the ack time-out (and 50 ms) after it is due, or at once while
  the far side is known to be away.  A pulse is acknowledged when the far side confirmed, in that
  time, the write that switches the coil on; pulses that overlap are one long one, each is
  acknowledged by itself, and told and counted as merged.
* A pulse is due when it is asked for, or `delay_ms` after its part.  The coil is on for at least
  `pulse_ms` from the confirmation, and no pulse is made later than its ack time-out: the part would
  be gone, and the next one hit.
* After every (re)connection all coils are written as they should be now.  A fault that was told
  while the far side was away is driven then.
* The safe state is wanted from the beginning, until somebody says otherwise.  Whether the far side
  has seen it is told: whoever says otherwise waits for that.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from edge_runtime.clock import NS_PER_MS, NS_PER_S
from edge_runtime.field.pulses import Coils
from edge_runtime.field.requests import Report, Request, Tally
from edge_runtime.field.wire import Kind, Order

if TYPE_CHECKING:
    from concurrent.futures import Future

    from edge_runtime.config import ModbusOutput
    from edge_runtime.types import Actuation

WRITE_MIN_NS = 50 * NS_PER_MS
"""A write gets at least so long: less would take a healthy far side for a dead one."""
REFUSED_AGAIN_NS = NS_PER_S
"""A write that was refused is tried again after so long."""
CLOSE_NS = 5 * NS_PER_S
"""All that a closing output takes; the last half second is for the coils to be left right."""
CLOSE_AWAY_NS = 2 * NS_PER_S
"""A far side that is away is waited for so long, to be left safe."""
LAST_WRITES_NS = NS_PER_S // 2
REGISTER_VALUES = 1 << 16


class PulsedOutput:
    """Owned by the far side's thread, but for `wants_safe`, `may_beat`, `bypassed` and `report`."""

    def __init__(self, name: str, settings: ModbusOutput) -> None:
        """Nothing is known of the far side."""
        self.name = name
        self.settings = settings
        self.wants_safe = True
        """What was said last.  Anybody writes it: it holds even where a request was lost."""
        self.may_beat = False
        self.bypassed = False
        self.closing = False
        self._closing_ns = 0
        self._ack_ns = settings.ack_timeout_ms * NS_PER_MS
        self._coils = Coils(
            coil=settings.coil,
            safe_coil=settings.coil if settings.safe_coil is None else settings.safe_coil,
            pulse_ns=settings.pulse_ms * NS_PER_MS,
            faulted=True,
        )
        self._on = Order(Kind.WRITE_COIL, settings.coil, 1)
        self._pulses: list[Request] = []
        self._settling: list[Request] = []
        self._flying: dict[Order, Request | None] = {}
        self._not_before_ns: dict[Order, int] = {}
        self._refusals: dict[tuple[Kind, int], str] = {}
        self._beat = 0
        self._beat_ns = 0
        self._beat_period_ns = int(settings.heartbeat_s * NS_PER_S)
        self._bypass_known: bool | None = None
        self._safe_shown_ns: int | None = None
        self._tally = Tally()

    # What is asked of it.

    def request(self, action: str, answer: Future[Actuation], now_ns: int, at_ns: int) -> Request:
        """A request that is due now, or so long after its part as is configured.  Any thread."""
        due_ns = now_ns
        if action == "pulse" and self.settings.delay_ms:
            due_ns = at_ns + self.settings.delay_ms * NS_PER_MS
        return Request(action, now_ns, due_ns, due_ns + self._ack_ns, answer)

    def take(self, request: Request) -> None:
        """Carry it out when it is due."""
        if request.action == "pulse":
            self._pulses.append(request)
            self._pulses.sort(key=lambda pulse: pulse.due_ns)
        else:
            self._settling.append(request)

    def close(self, *, safe: bool, now_ns: int) -> None:
        """Take no more, finish pulses, leave the safe state or let go of it."""
        self.closing = True
        self._closing_ns = now_ns
        self.wants_safe = safe

    def is_closed(self, now_ns: int, *, connected: bool) -> bool:
        """Whether it has closed: all is left as it should be, or the time is over."""
        if not self.closing:
            return False
        self._coils.faulted = self.wants_safe
        since_ns = now_ns - self._closing_ns
        if since_ns >= CLOSE_NS - LAST_WRITES_NS:
            self._coils.end_pulses()
            self._give_up("the output was closed", now_ns, everything=True)
        if since_ns >= CLOSE_NS:
            return True
        if self._pulses:
            return False
        if not connected:
            return not self.wants_safe or since_ns >= CLOSE_AWAY_NS
        return not (self._flying or self._coils.pulse_left_ns(now_ns) or self._due(now_ns))

    # What it wants to be sent.

    def urgent(self, now_ns: int) -> Order | None:
        """A coil that has to be written now."""
        self._expire(now_ns)
        self._settled(now_ns)
        return self._ready(now_ns)

    def _ready(self, now_ns: int) -> Order | None:
        """At most one write to a coil is under way: two might overtake each other."""
        flying = {order.address for order in self._flying if order.kind is Kind.WRITE_COIL}
        if self._pulse_due(now_ns) and self._on.address not in flying:
            return self._on
        return next((order for order in self._due(now_ns) if order.address not in flying), None)

    def idle(self, now_ns: int) -> tuple[int, Order] | None:
        """What may wait for a quiet moment, and since when it does."""
        bypass = self._bypass_order(now_ns)
        if bypass is not None:
            return 0, bypass
        if now_ns < self._beat_ns:
            return None
        if self.settings.heartbeat_register is None or not self.may_beat:
            return self._beat_ns, Order(Kind.READ_COIL, self.settings.coil)
        beat = (self._beat + 1) % REGISTER_VALUES
        return self._beat_ns, Order(Kind.WRITE_REGISTER, self.settings.heartbeat_register, beat)

    def sent(self, order: Order, now_ns: int) -> int:
        """It is under way; CLOCK_BOOTTIME, ns, until when it is waited for."""
        request = None
        if order.kind is Kind.WRITE_COIL:
            self._coils.writing(order.address)
            if order == self._on and self._pulse_due(now_ns):
                request = self._pulses.pop(0)
        elif order.address == self.settings.heartbeat_register or order.kind is Kind.READ_COIL:
            self._beat_ns = now_ns + self._beat_period_ns
            if order.kind is Kind.WRITE_REGISTER:
                self._beat = order.value
        self._flying[order] = request
        deadline_ns = now_ns + self._ack_ns if request is None else request.deadline_ns
        return max(now_ns + WRITE_MIN_NS, deadline_ns)

    def next_ns(self, now_ns: int) -> int:
        """When something has to be done without being asked."""
        if self._bypass_order(now_ns) is not None:
            return now_ns
        return min(self._beat_ns, self.next_coil_ns(now_ns))

    def next_coil_ns(self, now_ns: int) -> int:
        """When a coil has to be written, or somebody to be answered, without being asked."""
        times = [now_ns + NS_PER_S]
        times += [pulse.due_ns for pulse in self._pulses[:1] if self._on not in self._flying]
        times += [request.deadline_ns for request in (*self._settling, *self._pulses)]
        if left_ns := self._coils.pulse_left_ns(now_ns):
            times.append(now_ns + left_ns)
        times += [at_ns for at_ns in self._not_before_ns.values() if at_ns > now_ns]
        return min(times)

    def first_deadline_ns(self, now_ns: int) -> int | None:
        """When the first of the requests that wait now has to be answered."""
        waiting = [pulse for pulse in self._pulses if pulse.due_ns <= now_ns] + self._settling
        return min((request.deadline_ns for request in waiting), default=None)

    def urgent_ns(self, now_ns: int) -> int:
        """When the next coil has to be written; now, where one is waiting to be."""
        return self.next_coil_ns(now_ns) if self._ready(now_ns) is None else now_ns

    # What came of it.

    def confirmed(self, order: Order, _value: int, _sent_ns: int, now_ns: int) -> None:
        """The far side did as told."""
        request = self._flying.pop(order, None)
        self._refusals.pop((order.kind, order.address), None)
        self._tally.last_ack_ns = now_ns
        if order.kind is Kind.WRITE_COIL:
            self._tally.well(now_ns)
            self._coils.confirm(order.address, value=bool(order.value))
            if order == Order(Kind.WRITE_COIL, self._coils.safe_coil, 1):
                self._shown(now_ns)
        elif order.kind is Kind.WRITE_REGISTER:
            if order.address == self.settings.bypass_register:
                self._bypass_known = bool(order.value)
            else:
                self.count("heartbeats")
        if request is not None:
            self._pulsed(request, now_ns)
        self._settled(now_ns)

    def refused(self, order: Order, why: str, now_ns: int) -> None:
        """The far side said no."""
        request = self._flying.pop(order, None)
        if order.kind is Kind.READ_COIL:  # it was asked for a sign of life, and this is one
            return
        self.count("refused")
        self._refusals[order.kind, order.address] = why
        self._not_before_ns[order] = now_ns + REFUSED_AGAIN_NS
        if request is not None:
            self.answer(request, now_ns, why)
        if order.address == self._coils.safe_coil and order.kind is Kind.WRITE_COIL:
            self._fail_settling(why, now_ns)

    def lost(self, why: str, now_ns: int, unanswered: Order | None) -> None:
        """The connection is gone; `unanswered`: for want of an answer to this order of ours.

        What only shared the connection with the trouble is tried once more, while there is time.
        """
        for order, request in self._flying.items():
            if request is None:
                continue
            if order == unanswered or request.was_tried or now_ns >= request.deadline_ns:
                self.answer(request, now_ns, why)
            else:
                self._pulses.insert(0, replace(request, was_tried=True))
        self._flying.clear()
        self._coils.forget()
        self._owe_safe()
        self._bypass_known = None
        if unanswered is not None and unanswered.address == self._coils.safe_coil:
            self._fail_settling(why, now_ns)

    def away(self, why: str, now_ns: int) -> None:
        """The far side is known to be away: nobody waits for it."""
        self._coils.faulted = self.wants_safe
        self._owe_safe()
        self._give_up(why, now_ns, everything=False)

    def answer(
        self, request: Request, now_ns: int, trouble: str | None, detail: str | None = None
    ) -> None:
        """Tell who asked.  Any thread, once a request."""
        self._tally.answer(self.name, request, now_ns, trouble, detail)

    def end(self, why: str, now_ns: int) -> None:
        """Nothing will be carried out any more: answer whoever waits."""
        self._give_up(why, now_ns, everything=True)

    def count(self, what: str) -> None:
        """Add one to a counter."""
        self._tally.count(what)

    def report(self, address: str, away: str | None, *, is_tried: bool) -> Report:
        """How it is now.  Any thread."""
        refusal = next(iter(list(self._refusals.values())), "")
        return self._tally.report(
            address, away, refusal, is_tried=is_tried, safe_shown_ns=self._safe_shown_ns
        )

    def _owe_safe(self) -> None:
        """Nobody is there to see the safe state."""
        if self.wants_safe:
            self._safe_shown_ns = None

    def _shown(self, now_ns: int) -> None:
        if self._safe_shown_ns is None and self._coils.faulted:
            self._safe_shown_ns = now_ns

    def _bypass_order(self, now_ns: int) -> Order | None:
        register = self.settings.bypass_register
        if register is None or self._bypass_known is self.bypassed:
            return None
        order = Order(Kind.WRITE_REGISTER, register, int(self.bypassed))
        is_possible = order not in self._flying and now_ns >= self._not_before_ns.get(order, 0)
        return order if is_possible else None

    def _pulse_due(self, now_ns: int) -> bool:
        return bool(self._pulses) and self._pulses[0].due_ns <= now_ns

    def _due(self, now_ns: int) -> list[Order]:
        orders = [
            Order(Kind.WRITE_COIL, coil, int(value)) for coil, value in self._coils.due(now_ns)
        ]
        return [order for order in orders if now_ns >= self._not_before_ns.get(order, 0)]

    def _pulsed(self, request: Request, now_ns: int) -> None:
        merged = self._coils.pulse(now_ns)
        if merged:
            self.count("pulses_merged")
        late_ms = (now_ns - request.deadline_ns) / NS_PER_MS
        trouble = f"confirmed {late_ms:.0f} ms too late" if late_ms > 0 else None
        detail = "merged with the pulse before it" if merged else None
        self.answer(request, now_ns, trouble, detail)

    def _settled(self, now_ns: int) -> None:
        """Answer who waits for the safe coil, once it is as it should be."""
        self._coils.faulted = self.wants_safe
        safe_coil = self._coils.safe_coil
        if not self._settling or any(coil == safe_coil for coil, _ in self._coils.due(now_ns)):
            return
        waiting, self._settling = self._settling, []
        for request in waiting:
            as_asked = (request.action == "safe") is self._coils.faulted
            self.answer(request, now_ns, None if as_asked else "overtaken by what was said next")

    def _expire(self, now_ns: int) -> None:
        limit = f"{self.settings.ack_timeout_ms} ms"
        for pulse in [pulse for pulse in self._pulses if now_ns >= pulse.deadline_ns]:
            self._pulses.remove(pulse)
            self.answer(pulse, now_ns, f"waited more than {limit}: not pulsed any more")
        for request in [request for request in self._settling if now_ns >= request.deadline_ns]:
            self._settling.remove(request)
            self.answer(request, now_ns, f"not confirmed within {limit}")

    def _fail_settling(self, why: str, now_ns: int) -> None:
        waiting, self._settling = self._settling, []
        for request in waiting:
            self.answer(request, now_ns, why)

    def _give_up(self, why: str, now_ns: int, *, everything: bool) -> None:
        self._fail_settling(why, now_ns)
        for pulse in [p for p in self._pulses if everything or p.due_ns <= now_ns]:
            self._pulses.remove(pulse)
            self.answer(pulse, now_ns, why)
