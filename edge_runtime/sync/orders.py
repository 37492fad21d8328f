"""What the supervisor wants of sync: look again, stop, or (its end of the link gone) die."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from edge_runtime.clock import NS_PER_S

if TYPE_CHECKING:
    from edge_runtime.clock import Clock

DRAIN_RETRY_S = 1.0
"""While draining, a far side that is away is tried again this soon."""


class Orders:
    """Written by the link's thread, read by the uploader's."""

    def __init__(self, clock: Clock) -> None:
        """Nothing is ordered yet."""
        self._clock = clock
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._lost = threading.Event()
        self._hurried = threading.Event()
        self._drain_until_ns = 0

    def wake(self) -> None:
        """There may be something to do."""
        self._woken.set()

    def hurry(self) -> None:
        """Somebody asks for another try now: it ends every wait."""
        self._hurried.set()
        self._woken.set()

    @property
    def is_hurried(self) -> bool:
        """Whether that was asked and not yet taken."""
        return self._hurried.is_set()

    def take_hurry(self) -> bool:
        """Whether that was asked since it was taken last."""
        hurried = self._hurried.is_set()
        self._hurried.clear()
        return hurried

    def stop(self, drain_s: float) -> None:
        """Empty the backlog if that takes no longer than `drain_s`, then end."""
        self._drain_until_ns = self._clock.boottime_ns() + int(drain_s * NS_PER_S)
        self._stopping.set()
        self._woken.set()

    def lose(self) -> None:
        """There is nobody left to work for."""
        self._lost.set()
        self._stopping.set()
        self._woken.set()

    @property
    def is_lost(self) -> bool:
        """The supervisor is gone."""
        return self._lost.is_set()

    @property
    def is_stopping(self) -> bool:
        """We were told to stop."""
        return self._stopping.is_set()

    @property
    def is_time_up(self) -> bool:
        """We were told to stop, and the time to drain is over."""
        if self._lost.is_set():
            return True
        return self._stopping.is_set() and self._clock.boottime_ns() >= self._drain_until_ns

    def look(self) -> None:
        """What was ordered up to now will be seen by the step that begins."""
        self._woken.clear()

    def rest(self, seconds: float, *, for_rows: bool) -> None:
        """Wait so long; with `for_rows`, less when woken.  A stop ends every wait."""
        if for_rows:
            self._clock.wait(self._woken, self._within_drain(seconds))
        elif self._stopping.is_set():
            self._clock.wait(self._lost, self._within_drain(min(seconds, DRAIN_RETRY_S)))
        else:
            self._clock.wait(self._stopping, seconds)

    def _within_drain(self, seconds: float) -> float:
        if not self._stopping.is_set():
            return seconds
        left_s = (self._drain_until_ns - self._clock.boottime_ns()) / NS_PER_S
        return max(0.0, min(seconds, left_s))
