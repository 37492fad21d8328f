"""The gate of live cameras and videos: every frame, or at most one in an interval.

Pure; one thread.  A folder that waits keeps the interval by itself and has no such gate, which
would skip pictures that can wait.

Time is the frame's own: its place in a recording, so that a replay gives the same frames at any
speed, else the stamp of its capture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_runtime.clock import NS_PER_S
from edge_runtime.types import Stamp

if TYPE_CHECKING:
    from edge_runtime.types import Frame


class IntervalGate:
    """Takes the first frame, then one each time the interval has passed."""

    def __init__(self, interval_s: float | None) -> None:
        """None: every frame."""
        self._interval_ns = round((interval_s or 0.0) * NS_PER_S)
        self._due_ns: int | None = None

    def wants(self, picture: Frame | Stamp) -> bool:
        """Whether this frame goes on; one that does not is for the caller to count.

        The stamp alone stands for a picture that could not be decoded.
        """
        now = _time_ns(picture)
        if self._due_ns is not None and now < self._due_ns:
            return False
        # From the due time, not from this frame: a late frame does not slow the line's rhythm.
        on_time = self._due_ns is not None and now - self._due_ns < self._interval_ns
        start = self._due_ns if on_time and self._due_ns is not None else now
        self._due_ns = start + self._interval_ns
        return True


def _time_ns(frame: Frame | Stamp) -> int:
    if isinstance(frame, Stamp):
        return frame.boottime_ns
    if frame.position_s is not None:
        return round(frame.position_s * NS_PER_S)
    return frame.captured.boottime_ns
