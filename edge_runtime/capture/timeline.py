"""Places of samples in a microphone's own time, which losses and absences do not stop.  Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_runtime.clock import NS_PER_S

if TYPE_CHECKING:
    from edge_runtime.types import Stamp


class Timeline:
    """Between losses samples are counted; behind one the clock tells how many are missing."""

    def __init__(self, rate_hz: int) -> None:
        """Time starts with the first block."""
        self.rate_hz = rate_hz
        self._next = 0
        self._start_ns: int | None = None
        self._has_lost = False

    def reopened(self, rate_hz: int) -> None:
        """A new stream, perhaps at another rate; what was before it is lost."""
        self._next = self._next * rate_hz // self.rate_hz
        self.rate_hz = rate_hz
        self._has_lost = self._start_ns is not None

    def lost(self) -> None:
        """Samples are missing before the next block."""
        self._has_lost = True

    def place(self, count: int, end: Stamp) -> tuple[bool, int]:
        """(is there a gap before, position) of the next `count` samples, which ended at `end`."""
        if self._start_ns is None:
            self._start_ns = end.boottime_ns - count * NS_PER_S // self.rate_hz
        had_lost, self._has_lost = self._has_lost, False
        if had_lost:
            past_ns = end.boottime_ns - self._start_ns
            # Never backwards: a sound card's clock may run ahead of ours.
            self._next = max(self._next, past_ns * self.rate_hz // NS_PER_S - count)
        position, self._next = self._next, self._next + count
        return had_lost, position
