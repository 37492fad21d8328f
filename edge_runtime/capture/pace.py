"""Gives items of a replay out at the speed of their recording."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from edge_runtime.clock import NS_PER_S

if TYPE_CHECKING:
    from edge_runtime.clock import Clock


class Pace:
    """Owned by the capture thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._never = threading.Event()
        self._start_ns: int | None = None

    def wait_until(self, position_s: float) -> None:
        """Return when this position of the recording is due; at once when it is over.

        The first call starts the clock at its position.
        """
        now = self._clock.boottime_ns()
        if self._start_ns is None:
            self._start_ns = now - int(position_s * NS_PER_S)
        due_ns = self._start_ns + int(position_s * NS_PER_S)
        if due_ns > now:
            self._clock.wait(self._never, (due_ns - now) / NS_PER_S)
