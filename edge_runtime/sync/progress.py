"""What sync tells about itself.  Written by the uploader's thread, read by the heartbeat's."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING

from edge_runtime.clock import NS_PER_S
from edge_runtime.link.messages import Heartbeat

if TYPE_CHECKING:
    from edge_runtime.clock import Clock

LOOP = "uploader"


class SyncStatus(StrEnum):
    """How the way to the collector is."""

    CONNECTED = "connected"
    OFFLINE = "offline"
    AUTH_FAILED = "auth_failed"


class Progress:
    """Counters, state, and whether the loop turns.

    A loop that waits inside a call with a time limit, or for work, is not stuck; it says beforehand
    until when it may be silent (`busy`).
    """

    def __init__(self, clock: Clock) -> None:
        """Offline until proven otherwise."""
        self._clock = clock
        self._silent_until_ns = clock.boottime_ns()
        self._last_contact_ns = 0
        self.status = SyncStatus.OFFLINE
        self.detail = "not yet connected"
        self.counters: Counter[str] = Counter()
        self.gauges: dict[str, float] = {}

    def busy(self, seconds: float) -> None:
        """The loop turns now, and next within so many seconds."""
        self._silent_until_ns = self._clock.boottime_ns() + int(seconds * NS_PER_S)

    def contact(self) -> None:
        """The collector answered as it should."""
        self._last_contact_ns = self._clock.boottime_ns()
        self.status, self.detail = SyncStatus.CONNECTED, ""

    def failed(self, status: SyncStatus, detail: str) -> None:
        """It did not."""
        self.status, self.detail = status, detail
        self.counters["failures"] += 1

    def heartbeat(self, extra_counters: dict[str, int]) -> Heartbeat:
        """A snapshot; `extra_counters` are kept elsewhere."""
        now = self._clock.boottime_ns()
        gauges = dict(self.gauges)
        if self._last_contact_ns:
            gauges["last_contact_age_s"] = (now - self._last_contact_ns) / NS_PER_S
        return Heartbeat(
            state=self.status.value,
            loops={LOOP: max(0.0, (now - self._silent_until_ns) / NS_PER_S)},
            counters={**self.counters, **extra_counters},
            gauges=gauges,
            detail=self.detail,
        )
