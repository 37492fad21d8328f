"""How often the collector may forget before we slow down and say so.  Pure.

One rewind is a restored backup.  One after the other is a collector that does not keep what it
acknowledges, or several without a common store behind one address: sending everything to each of
them in turn, as fast as the line allows, helps nobody.
"""

from __future__ import annotations

from collections import deque

from edge_runtime.clock import NS_PER_S

STEADY_AFTER_S = 900.0
"""So long without a rewind, and the next one is the first again."""
TOLD_FROM = 2
"""Rewinds in that time from which on it is told."""
MAX_NAMED = 3


class Rewinds:
    """Owned by the uploader's thread."""

    def __init__(self, min_s: float, max_s: float) -> None:
        """Waiting times grow from `min_s` to `max_s`, by twice."""
        self._min_s = min_s
        self._max_s = max_s
        self._at_ns: deque[int] = deque(maxlen=64)
        self._instances: deque[str] = deque(maxlen=MAX_NAMED)

    def met(self, instance: str) -> None:
        """This life of the collector was spoken to."""
        if instance and instance not in self._instances:
            self._instances.append(instance)

    def note(self, now_ns: int) -> float:
        """One more; for how long to send nothing, in seconds, before chance spreads it."""
        self._at_ns.append(now_ns)
        number = self._recent(now_ns)
        if number < TOLD_FROM:
            return 0.0
        return min(self._max_s, self._min_s * 2.0 ** (number - 1))

    def is_steady(self, now_ns: int) -> bool:
        """Whether what it acknowledges seems to stay there."""
        return self._recent(now_ns) < TOLD_FROM

    def reason(self, now_ns: int) -> str:
        """One line for people; empty while it is steady."""
        if self.is_steady(now_ns):
            return ""
        lives = ", ".join(instance[:8] for instance in self._instances)
        return (
            f"the collector took back what it had acknowledged, {self._recent(now_ns)} times in "
            f"{STEADY_AFTER_S / 60:.0f} min (instances {lives}): two collectors without a common "
            "store behind one address, or one that does not keep what it stores?"
        )

    def _recent(self, now_ns: int) -> int:
        since = now_ns - int(STEADY_AFTER_S * NS_PER_S)
        return sum(at >= since for at in self._at_ns)
