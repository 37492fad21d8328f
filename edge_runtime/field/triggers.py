"""What a far side says of parts: an edge of a coil or input, or a register that counts.  Pure.

The first look after a (re)connection is no trigger, whatever it shows: nobody knows when it became
so, and the part may be gone.  What has moved meanwhile is counted as missed.

An edge shorter than two polls cannot be seen.  A counter can be read at any time: moved by three it
is three triggers, of which two are counted as ``coalesced``, because they have one time.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Final

from edge_runtime.clock import NS_PER_MS
from edge_runtime.field.wire import Kind, Order

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.config import ModbusTrigger

log = logging.getLogger(__name__)

COUNTER_VALUES: Final = 1 << 16
STEP_MAX: Final = 64
"""More at once is no number of parts: the PLC was started anew, or the register is another."""
MISSED_MAX: Final = COUNTER_VALUES // 2
"""While nobody looked it may have gone so far; more is a counter that was set back."""
POLL_TIMEOUT_NS: Final = 500 * NS_PER_MS
REFUSED_AGAIN_NS: Final = 1000 * NS_PER_MS
COUNTERS: Final = ("seen", "debounced", "missed", "coalesced", "jumps", "refused", "undelivered")


class Watch:
    """One lane's trigger.  Owned by the far side's thread, but for `counters` (read by anybody)."""

    def __init__(
        self, lane: str, settings: ModbusTrigger, tell: Callable[[str, int, str | None], bool]
    ) -> None:
        """`tell(lane, at_ns, part)` is called by the far side's thread; False: nobody listens."""
        self.lane = lane
        self.settings = settings
        self.counters: Counter[str] = Counter(dict.fromkeys(COUNTERS, 0))
        self._tell = tell
        self._place = place(settings)
        self._last: int | None = None
        self._is_fresh = True
        """Nothing was read since the connection was made."""
        self._accepted_ns: int | None = None
        self._poll_ns = 0
        self._is_flying = False
        self._unnamed: list[int] = []
        """Times of triggers whose part is not read yet."""

    def idle(self, now_ns: int) -> tuple[int, Order] | None:
        """What to ask, and since when it is due."""
        if self._is_flying:
            return None
        if self._unnamed and self.settings.part_register is not None:
            return 0, Order(Kind.READ_REGISTER, self.settings.part_register)
        return (self._poll_ns, self._place) if now_ns >= self._poll_ns else None

    def sent(self, order: Order, now_ns: int) -> int:
        """It is under way; until when it is waited for."""
        self._is_flying = True
        if order == self._place:
            self._poll_ns = now_ns + self.settings.poll_ms * NS_PER_MS
        return now_ns + POLL_TIMEOUT_NS

    def next_ns(self, now_ns: int) -> int:
        """When it wants to look again."""
        return now_ns if self._unnamed and not self._is_flying else self._poll_ns

    def confirmed(self, order: Order, value: int, sent_ns: int, now_ns: int) -> None:
        """It was read between `sent_ns` and now."""
        self._is_flying = False
        if self._unnamed and order.address == self.settings.part_register:
            self._tell_unnamed(str(value))
        if order != self._place:
            return
        at_ns = (sent_ns + now_ns) // 2
        self._unnamed += [at_ns] * self.look(value, at_ns)
        if self.settings.part_register is None:
            self._tell_unnamed(None)

    def refused(self, order: Order, why: str, now_ns: int) -> None:
        """The far side has no such place."""
        self._is_flying = False
        if not self.counters["refused"]:
            log.warning("trigger_refused lane=%s reason=%s", self.lane, why)
        self.counters["refused"] += 1
        if order == self._place:
            self._poll_ns = now_ns + REFUSED_AGAIN_NS
        self._tell_unnamed(None)

    def lost(self, _why: str, _now_ns: int, _unanswered: Order | None) -> None:
        """The connection is gone."""
        self._is_flying = False
        self._is_fresh = True
        self._tell_unnamed(None)

    def look(self, value: int, at_ns: int) -> int:
        """How many triggers this reading is."""
        before, self._last = self._last, value
        is_fresh, self._is_fresh = self._is_fresh, False
        if before is None:
            return 0
        count = self._moved(before, value, MISSED_MAX if is_fresh else STEP_MAX)
        if is_fresh:
            self.counters["missed"] += count
            return 0
        if self.settings.counter is None and count and self._bounces(at_ns):
            self.counters["debounced"] += 1
            return 0
        self.counters["seen"] += count
        self.counters["coalesced"] += max(0, count - 1)
        return count

    def _moved(self, before: int, value: int, step_max: int) -> int:
        """So many parts have passed, as far as two readings can tell."""
        if self.settings.counter is None:
            wanted = 1 if self.settings.edge == "rising" else 0
            return int(before != value and value == wanted)
        step = (value - before) % COUNTER_VALUES
        if step <= step_max:
            return step
        self.counters["jumps"] += 1
        log.warning(
            "trigger_counter_jumped lane=%s register=%d from=%d to=%d",
            self.lane, self._place.address, before, value,
        )  # fmt: skip
        return 0

    def _bounces(self, at_ns: int) -> bool:
        limit_ns = self.settings.debounce_ms * NS_PER_MS
        if self._accepted_ns is not None and at_ns - self._accepted_ns < limit_ns:
            return True
        self._accepted_ns = at_ns
        return False

    def _tell_unnamed(self, part: str | None) -> None:
        waiting, self._unnamed = self._unnamed, []
        for number, at_ns in enumerate(waiting, 1):
            # Of several in one poll the register names the last.
            if not self._tell(self.lane, at_ns, part if number == len(waiting) else None):
                self.counters["undelivered"] += 1


def place(settings: ModbusTrigger) -> Order:
    """What is read again and again."""
    if settings.coil is not None:
        return Order(Kind.READ_COIL, settings.coil)
    if settings.discrete_input is not None:
        return Order(Kind.READ_INPUT, settings.discrete_input)
    assert settings.counter is not None  # the config's own check
    return Order(Kind.READ_REGISTER, settings.counter)


def origin(settings: ModbusTrigger) -> str:
    """``modbus://host:502 coil 3``, for the result."""
    return f"modbus://{settings.host}:{settings.port} {place(settings)}"
