"""Gives items of a replay out at the speed of their recording.  Owned by the ``capture`` thread."""

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
