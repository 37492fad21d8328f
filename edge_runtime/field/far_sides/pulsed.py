"""One far side of coils and registers: one connection, one thread, both directions.

All outputs and triggers of one PLC share it.  Orders go one at a time, as the simplest PLC wants
it; but what a part or the safe state waits for is not kept longer than `PATIENCE_NS` by an answer
to something else: then it is sent behind it, and a pulse ends in time however slow an answer is.
"""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from edge_runtime.clock import NS_PER_MS, NS_PER_S
from edge_runtime.field.far_sides.handle import PulsedHandle
from edge_runtime.field.far_sides.reach import Reach
from edge_runtime.field.pulsed import CLOSE_NS, PulsedOutput
from edge_runtime.field.triggers import Watch
from edge_runtime.field.wire import LineDown, NoAnswer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge_runtime.clock import Clock
    from edge_runtime.config import ModbusOutput
    from edge_runtime.field.requests import Report, Request
    from edge_runtime.field.wire import Order, Wire
    from edge_runtime.progress import Progress
    from edge_runtime.types import Actuation

REQUESTS_MAX = 256
CONNECT_TIMEOUT_S = 2.0
CONNECT_MIN_S = 0.05
LOOK_UP_S = 20.0
"""A name that no server answers for: the resolver's own time-outs, which nobody can shorten."""
PATIENCE_NS = 15 * NS_PER_MS
IN_FLIGHT_MAX = 8
IDLE_S = 0.25
JOIN_S = CLOSE_NS / NS_PER_S + CONNECT_TIMEOUT_S + 1.0

Owner: TypeAlias = PulsedOutput | Watch


@dataclass(frozen=True, slots=True)
class _Flight:
    """An order under way."""

    owner: Owner
    order: Order
    sent_ns: int
    deadline_ns: int


class PulsedFarSide:
    """Satisfies `far_sides.FarSide`: a `Wire`, its thread, and what shares them."""

    def __init__(
        self,
        wire: Wire,
        outputs: Mapping[str, ModbusOutput],
        watches: Sequence[Watch] = (),
        *,
        clock: Clock,
        progress: Progress | None = None,
    ) -> None:
        """Nothing is connected before `start`."""
        self._wire = wire
        self._clock = clock
        self._progress = progress
        self._plans = {name: PulsedOutput(name, table) for name, table in outputs.items()}
        self._watches = list(watches)
        self._inbox: deque[tuple[PulsedOutput, Request]] = deque()
        self._lock = threading.Lock()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._flying: dict[int, _Flight] = {}
        self._reach = Reach(wire.address)
        self._tried = threading.Event()
        self._ending = False
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name=f"far-{wire.address}", daemon=True)
        self.outputs = {name: PulsedHandle(self, plan) for name, plan in self._plans.items()}

    @property
    def address(self) -> str:
        """For people."""
        return self._wire.address

    @property
    def name(self) -> str:
        """Of its loop, in heartbeats."""
        return self._thread.name

    def start(self) -> None:
        """Start the thread; it connects, again and again.  Idempotent."""
        if self._thread.ident is None:
            self._thread.start()

    def wait_tried(self, seconds: float) -> None:
        """Until the first attempt to connect has come to something, for so long at most."""
        self._tried.wait(seconds)

    def counters(self) -> dict[str, int]:
        """``trigger.LANE.seen`` and the like."""
        return {
            f"trigger.{watch.lane}.{what}": number
            for watch in self._watches
            for what, number in watch.counters.items()
        }

    def close(self) -> None:
        """Stop looking for triggers, and leave outputs safe that were not closed.  Idempotent.

        Returns when the thread has ended.
        """
        with self._lock:
            self._ending = True
            for plan in self._plans.values():
                if not plan.closing:
                    plan.close(safe=True, now_ns=self._clock.boottime_ns())
            self._poke()
            if self._thread.ident is None:
                self._let_go()
                return
        self._thread.join(JOIN_S)

    def ask(self, plan: PulsedOutput, action: str, at_ns: int) -> Future[Actuation]:
        """A request for one of its outputs.  Any thread, never blocks."""
        now = self._clock.boottime_ns()
        answer: Future[Actuation] = Future()
        request = plan.request(action, answer, now, at_ns)
        if trouble := self._hand_over(plan, request, now):
            plan.answer(request, now, trouble)
        return answer

    def want(self, plan: PulsedOutput, *, safe: bool) -> None:
        """What is held from now on, whatever becomes of the request.  Closing has the last word."""
        with self._lock:
            if not plan.closing:
                plan.wants_safe = safe

    def _hand_over(self, plan: PulsedOutput, request: Request, now_ns: int) -> str | None:
        away = self._reach.away
        if away is not None and request.due_ns <= now_ns:
            return away
        with self._lock:
            if self._is_over or plan.closing:
                return f"{self.address}: closed"
            if len(self._inbox) >= REQUESTS_MAX:
                self._poke()
                return f"{REQUESTS_MAX} requests are waiting already"
            self._inbox.append((plan, request))
            self._poke()
        return None

    def report(self, plan: PulsedOutput) -> Report:
        """How one of its outputs is."""
        return plan.report(self.address, self._reach.away, is_tried=self._tried.is_set())

    def close_output(self, plan: PulsedOutput, *, safe: bool) -> None:
        """Begin to close one of its outputs; after the last one, returns when all have closed."""
        with self._lock:
            if not plan.closing:
                plan.close(safe=safe, now_ns=self._clock.boottime_ns())
            self._poke()
            is_last = all(other.closing for other in self._plans.values()) and not self._watches
        if is_last:
            self.close()

    def poke(self) -> None:
        """Have the thread look again.  Any thread."""
        with self._lock:
            self._poke()

    def _poke(self) -> None:
        if not self._is_over:
            os.eventfd_write(self._wake, 1)

    # From here on: the far side's thread.

    def _run(self) -> None:
        try:
            while not self._has_ended():
                self._turn()
            if self._progress is not None:
                self._progress.end(self.name)
        finally:  # A defect: nobody may wait for it for ever.  Its loop stands, which is seen.
            self._reach.away = f"{self.address}: closed"
            with self._lock:
                self._let_go()
            now = self._clock.boottime_ns()
            for plan in self._plans.values():
                plan.lost(self._reach.away, now, None)
            while self._inbox:
                plan, request = self._inbox.popleft()
                plan.take(request)
            for plan in self._plans.values():
                plan.end(self._reach.away, now)
            self._wire.close()
            self._tried.set()

    def _let_go(self) -> None:
        if not self._is_over:
            self._is_over = True
            os.close(self._wake)

    def _has_ended(self) -> bool:
        now = self._clock.boottime_ns()
        connected = self._reach.away is None
        closed = [plan.is_closed(now, connected=connected) for plan in self._plans.values()]
        return all(closed) and (self._ending or (bool(closed) and not self._watches))

    def _turn(self) -> None:
        while self._inbox:
            plan, request = self._inbox.popleft()
            plan.take(request)
        now = self._clock.boottime_ns()
        if not self._wire.connected and now >= self._reach.retry_ns:
            self._connect(now)
        try:
            if self._wire.connected:
                self._send(self._clock.boottime_ns())
                self._time_out(self._clock.boottime_ns())
        except LineDown as exc:
            self._lost(exc, None)
        if self._reach.away is not None and self._tried.is_set():
            for plan in self._plans.values():
                plan.away(self._reach.away, self._clock.boottime_ns())
        self._wait()

    def _wait(self) -> None:
        """For an answer, a request, or until something has to be done."""
        now = self._clock.boottime_ns()
        seconds = max(0.0, min(IDLE_S, (self._next_ns(now) - now) / NS_PER_S))
        self._say_busy(seconds)
        waited_for = [self._wake, *([self._wire.fileno()] if self._wire.connected else [])]
        ready, _, _ = select.select(waited_for, [], [], seconds)
        if self._wake in ready:
            os.eventfd_read(self._wake)
        if len(ready) > (self._wake in ready):
            try:
                self._receive()
            except LineDown as exc:
                self._lost(exc, None)

    def _next_ns(self, now_ns: int) -> int:
        if not self._wire.connected:
            times = [plan.next_coil_ns(now_ns) for plan in self._plans.values()]
            return max(now_ns + NS_PER_MS, min([self._reach.retry_ns, *times]))
        if not self._flying:
            return min(owner.next_ns(now_ns) for owner in self._owners())
        oldest_ns = min(flight.sent_ns for flight in self._flying.values())
        times = [flight.deadline_ns for flight in self._flying.values()]
        if now_ns < oldest_ns + PATIENCE_NS:
            times.append(oldest_ns + PATIENCE_NS)
        else:  # what is idle waits for the answer
            times += [plan.urgent_ns(now_ns) for plan in self._plans.values()]
        return max(now_ns + NS_PER_MS // 2, min(times))

    def _owners(self) -> list[Owner]:
        return [*self._plans.values(), *self._watches]

    def _send(self, now_ns: int) -> None:
        """What may go now.  Raises `LineDown`."""
        while len(self._flying) < IN_FLIGHT_MAX:
            if self._flying:
                oldest_ns = min(flight.sent_ns for flight in self._flying.values())
                if now_ns < oldest_ns + PATIENCE_NS:
                    return
            wanted = self._urgent(now_ns) or (None if self._flying else self._idle(now_ns))
            if wanted is None:
                return
            owner, order = wanted
            number = self._wire.send(order)
            self._flying[number] = _Flight(owner, order, now_ns, owner.sent(order, now_ns))

    def _urgent(self, now_ns: int) -> tuple[Owner, Order] | None:
        """What goes on comes first."""
        wanted = [(plan, plan.urgent(now_ns)) for plan in self._plans.values()]
        orders = [(plan, order) for plan, order in wanted if order is not None]
        return max(orders, key=lambda pair: pair[1].value, default=None)

    def _idle(self, now_ns: int) -> tuple[Owner, Order] | None:
        """What has waited longest."""
        waiting: list[tuple[int, Owner, Order]] = []
        for owner in self._owners():
            found = owner.idle(now_ns)
            if found is not None:
                waiting.append((found[0], owner, found[1]))
        if not waiting:
            return None
        _, owner, order = min(waiting, key=lambda entry: entry[0])
        return owner, order

    def _receive(self) -> None:
        for answer in self._wire.receive():
            flight = self._flying.pop(answer.number, None)
            if flight is None:
                continue
            now = self._clock.boottime_ns()
            self._prove()
            if answer.refusal is None:
                flight.owner.confirmed(flight.order, answer.value, flight.sent_ns, now)
                continue
            self._reach.refused(answer.refusal)
            flight.owner.refused(flight.order, answer.refusal, now)

    def _prove(self) -> None:
        """It answers: from now on it may be asked."""
        is_new, is_again = self._reach.proved()
        if is_again:
            for plan in self._plans.values():
                plan.count("reconnects")
        if is_new:
            self._tried.set()

    def _connect(self, now_ns: int) -> None:
        deadlines = [plan.first_deadline_ns(now_ns) for plan in self._plans.values()]
        left_s = [(deadline - now_ns) / NS_PER_S for deadline in deadlines if deadline is not None]
        timeout_s = max(CONNECT_MIN_S, min([CONNECT_TIMEOUT_S, *left_s]))
        self._say_busy(timeout_s + LOOK_UP_S)
        try:
            self._wire.connect(timeout_s)
        except LineDown as exc:
            self._lost(exc, None)

    def _time_out(self, now_ns: int) -> None:
        """Give up a connection on which something was not answered in time."""
        for flight in self._flying.values():
            if now_ns >= flight.deadline_ns:
                waited_ms = (now_ns - flight.sent_ns) / NS_PER_MS
                why = f"{self.address}: {flight.order} not confirmed within {waited_ms:.0f} ms"
                self._lost(NoAnswer(why), flight)
                return

    def _lost(self, why: LineDown, unanswered: _Flight | None) -> None:
        """The wire is down; tell everybody who had something under way."""
        now = self._clock.boottime_ns()
        self._wire.close()
        self._flying.clear()
        if self._reach.lost(str(why), now):
            self._tried.set()
        for owner in self._owners():
            is_own = unanswered is not None and unanswered.owner is owner
            owner.lost(str(why), now, unanswered.order if unanswered and is_own else None)

    def _say_busy(self, seconds: float) -> None:
        if self._progress is not None:
            self._progress.busy(self.name, seconds)
