"""When to restart a child, and when to give it up for stuck.  Pure: time comes in as numbers."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from edge_runtime.clock import NS_PER_S

CRASH_WINDOW_S = 60
CRASH_LOOP = 3
"""So many crashes within the window are a crash loop."""


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """Exponential back-off between `min_s` and `max_s`."""

    min_s: float
    max_s: float

    def delay_s(self, recent_crashes: int) -> float:
        """How long to wait after the so-many-eth crash within the window (1, 2, ...)."""
        exponent = min(max(recent_crashes - 1, 0), 32)  # 2**32 is far beyond any max_s
        return min(self.max_s, self.min_s * float(2**exponent))


@dataclass(slots=True)
class CrashHistory:
    """When a child crashed lately."""

    crashes_ns: deque[int] = field(default_factory=lambda: deque(maxlen=64))
    total: int = 0

    def add(self, now_ns: int) -> int:
        """Note a crash; the number of crashes within the window, this one included."""
        self.crashes_ns.append(now_ns)
        self.total += 1
        return self.recent(now_ns)

    def recent(self, now_ns: int) -> int:
        """Crashes within the last `CRASH_WINDOW_S` seconds."""
        return sum(now_ns - at < CRASH_WINDOW_S * NS_PER_S for at in self.crashes_ns)

    def is_loop(self, now_ns: int) -> bool:
        """Whether it crashes again and again."""
        return self.recent(now_ns) >= CRASH_LOOP


def stalled(loops: dict[str, float], heartbeat_age_s: float, stall_s: float) -> str | None:
    """Which loop of a child has not turned for `stall_s`, or None when all have.

    `loops` is as the last heartbeat told, `heartbeat_age_s` how old that is.
    """
    if heartbeat_age_s > stall_s:
        return f"no heartbeat for {heartbeat_age_s:.1f} s"
    stuck = {name: age for name, age in loops.items() if age > stall_s}
    if not stuck:
        return None
    name = max(stuck, key=stuck.__getitem__)
    return f"loop '{name}' has not turned for {stuck[name]:.1f} s"
