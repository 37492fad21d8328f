"""When to restart a child, when to give it up for stuck, which item to bury.

Pure: time comes in as numbers.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from edge_runtime.clock import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Mapping

CRASH_WINDOW_S = 60
CRASH_LOOP = 3
"""So many crashes within the window are a crash loop."""
_SUSPECTS: Final = ("infer", "gate", "capture")
"""Whose item is blamed first where several stages have one in hand: a model does more than a
decoder, and capture reads ahead of it."""


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


@dataclass(slots=True)
class Suspects:
    """How often a lane died with which item in hand."""

    bury_after: int
    crashes: Counter[str] = field(default_factory=Counter)

    def add(self, in_hand: Mapping[str, str]) -> str | None:
        """The lane died with these in hand (stage -> item); the one to bury, if there is one."""
        items = [in_hand[stage] for stage in _SUSPECTS if stage in in_hand]
        for item in dict.fromkeys(items):
            self.crashes[item] += 1
        guilty = next((item for item in items if self.crashes[item] >= self.bury_after), None)
        if guilty is not None:
            del self.crashes[guilty]
        return guilty

    def clear(self, item: str | None) -> None:
        """This one became a result: it was in the wrong place, no more."""
        if item is not None:
            self.crashes.pop(item, None)


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
