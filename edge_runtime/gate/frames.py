"""The camera's gates: every frame, or at most one in an interval.  Pure: time is the frame's stamp."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_runtime.clock import NS_PER_S

if TYPE_CHECKING:
    from edge_runtime.types import Frame


class IntervalGate:
    """Takes the first frame, then one each time the interval has passed.  One thread."""

    def __init__(self, interval_s: float | None) -> None:
        """None: every frame."""
        self._interval_ns = int((interval_s or 0.0) * NS_PER_S)
        self._due_ns: int | None = None

    def wants(self, frame: Frame) -> bool:
        """Whether this frame goes on."""
        now = frame.captured.boottime_ns
        if self._due_ns is not None and now < self._due_ns:
            return False
        # From the due time, not from this frame: a late frame does not slow the line's rhythm.
        behind = self._due_ns is None or now - self._due_ns >= self._interval_ns
        self._due_ns = (now if behind else self._due_ns or now) + self._interval_ns
        return True
