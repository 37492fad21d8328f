"""What a child tells about itself: loops that turn, counters, rates and latencies.

Every thread of the child writes, one reads; one lock, held for a few additions.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from typing import TYPE_CHECKING

from edge_runtime.clock import NS_PER_MS, NS_PER_S
from edge_runtime.link.messages import Heartbeat

if TYPE_CHECKING:
    from edge_runtime.clock import Clock

WINDOW = 512
"""Decisions that rates and percentiles are taken over: 17 s at 30 per second."""
RATE_OVER_S = 10.0


class Progress:
    """Shared by all threads of one child process.

    A loop that waits inside a call with a time limit, or runs a model, is not stuck; it says
    beforehand for how long it may be silent (`busy`).
    """

    def __init__(self, clock: Clock) -> None:
        """Nothing has turned yet."""
        self._clock = clock
        self._lock = threading.Lock()
        self._silent_until_ns: dict[str, int] = {}
        self._counters: Counter[str] = Counter()
        self._set_gauges: dict[str, float] = {}
        self._decided_ns: deque[int] = deque(maxlen=WINDOW)
        self._latencies_ms: deque[float] = deque(maxlen=WINDOW)
        self._infer_ms: deque[float] = deque(maxlen=WINDOW)
        self._words: dict[str, str] = {}
        self._state = "running"
        self._detail = self._code = ""

    def tick(self, loop: str) -> None:
        """This loop has turned: it did its work, or found that there is none."""
        self.busy(loop, 0.0)

    def busy(self, loop: str, seconds: float) -> None:
        """This loop turns now, and next within so many seconds."""
        until_ns = self._clock.boottime_ns() + int(seconds * NS_PER_S)
        with self._lock:
            self._silent_until_ns[loop] = until_ns

    def end(self, loop: str) -> None:
        """This loop has ended in order and will turn no more."""
        with self._lock:
            self._silent_until_ns.pop(loop, None)

    def count(self, name: str, number: int = 1) -> None:
        """Add to a counter."""
        with self._lock:
            self._counters[name] += number

    def decided(self, latency_ms: float, infer_ms: float) -> None:
        """A verdict was given, so long after its capture."""
        with self._lock:
            self._decided_ns.append(self._clock.boottime_ns())
            self._latencies_ms.append(latency_ms)
            self._infer_ms.append(infer_ms)
            self._counters["decided"] += 1

    def set_state(self, state: str, detail: str = "", code: str = "") -> None:
        """One of `Heartbeat.state`'s words, why, and the fault's ``EDGE-…``."""
        with self._lock:
            self._state, self._detail, self._code = state, detail, code

    def gauge(self, name: str, value: float) -> None:
        """Set a gauge."""
        with self._lock:
            self._set_gauges[name] = value

    def say(self, words: dict[str, str]) -> None:
        """What the source tells in words, see `Heartbeat.words`."""
        with self._lock:
            self._words |= words

    def heartbeat(self, extra_counters: dict[str, int]) -> Heartbeat:
        """A snapshot; `extra_counters` are kept elsewhere (channels)."""
        now = self._clock.boottime_ns()
        with self._lock:
            return Heartbeat(
                state=self._state,
                loops={
                    name: max(0.0, (now - until) / NS_PER_S)
                    for name, until in self._silent_until_ns.items()
                },
                counters={**self._counters, **extra_counters},
                gauges=self._gauges(now),
                words=dict(self._words),
                detail=self._detail,
                code=self._code,
            )

    def _gauges(self, now_ns: int) -> dict[str, float]:
        recent = [at for at in self._decided_ns if now_ns - at < RATE_OVER_S * NS_PER_S]
        span_s = (now_ns - recent[0]) / NS_PER_S if recent else 0.0
        gauges = dict(self._set_gauges)
        if not self._decided_ns:
            return gauges
        gauges["rate_hz"] = len(recent) / max(span_s, 1.0)
        if self._latencies_ms:
            ordered = sorted(self._latencies_ms)
            gauges["latency_p50_ms"] = ordered[len(ordered) // 2]
            gauges["latency_p99_ms"] = ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
            gauges["infer_p50_ms"] = sorted(self._infer_ms)[len(self._infer_ms) // 2]
        return gauges


def elapsed_ms(since_ns: int, now_ns: int) -> float:
    """Milliseconds between two boottime stamps."""
    return (now_ns - since_ns) / NS_PER_MS
