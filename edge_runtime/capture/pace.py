"""When the next item of a replay is due: at the speed of its recording, or at intervals.

Owned by the ``capture`` thread.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from edge_runtime.clock import NS_PER_S

if TYPE_CHECKING:
    from edge_runtime.clock import Clock

WAIT_AT_MOST_S = 0.5
"""A slow recording must not look like a loop that hangs, nor hold up a stop."""


class Pace:
    """The first position asked for is due at once and starts the time."""

    def __init__(self, clock: Clock) -> None:
        """`clock` is both read and waited on."""
        self._clock = clock
        self._never = threading.Event()
        self._start_ns: int | None = None

    def is_due(self, position_s: float) -> bool:
        """Wait for this position of the recording, `WAIT_AT_MOST_S`; whether its time has come."""
        position_ns = round(position_s * NS_PER_S)
        now = self._clock.boottime_ns()
        if self._start_ns is None:
            self._start_ns = now - position_ns
        early_s = (self._start_ns + position_ns - now) / NS_PER_S
        if early_s <= 0:
            return True
        self._clock.wait(self._never, min(early_s, WAIT_AT_MOST_S))
        return early_s <= WAIT_AT_MOST_S


class Rhythm:
    """One item in each interval, at the first chance; after an absence they do not come in a burst.

    Unlike the frame gate it makes the next one wait, and leaves out none.
    """

    def __init__(
        self, clock: Clock, interval_s: float, stop: threading.Event | None = None
    ) -> None:
        """The first is due at once.  `stop` ends a wait."""
        self._clock = clock
        self._interval_ns = round(interval_s * NS_PER_S)
        self._never = stop or threading.Event()
        self._due_ns: int | None = None

    def is_due(self) -> bool:
        """Wait for the next one's time, `WAIT_AT_MOST_S`; True takes it."""
        now = self._clock.boottime_ns()
        due = now if self._due_ns is None else self._due_ns
        early_s = (due - now) / NS_PER_S
        if early_s > 0:
            self._clock.wait(self._never, min(early_s, WAIT_AT_MOST_S))
            if early_s > WAIT_AT_MOST_S:
                return False
        # From the due time, not from now: a late item does not slow the rhythm.
        is_on_time = now - due < self._interval_ns
        self._due_ns = (due if is_on_time else now) + self._interval_ns
        return True
