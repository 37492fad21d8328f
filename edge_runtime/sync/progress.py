"""How the way to the collector is: what sync tells beside its `Progress`.

Written by the uploader's thread, read by the heartbeat's.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from edge_runtime.clock import NS_PER_S
from edge_runtime.codes import (
    SYNC_AUTH_FAILED,
    SYNC_HELD_BACK,
    SYNC_MEDIA_UNPROVED,
    SYNC_OFFLINE,
    SYNC_STRANGER,
    SYNC_UNSTEADY,
)
from edge_runtime.progress import Progress

if TYPE_CHECKING:
    from edge_runtime.clock import Clock
    from edge_runtime.link.messages import Heartbeat

LOOP = "uploader"


class SyncStatus(StrEnum):
    """How the way to the collector is."""

    CONNECTED = "connected"
    OFFLINE = "offline"
    AUTH_FAILED = "auth_failed"
    UNSTEADY = "unsteady"
    """It answers, and takes back again and again what it acknowledged."""
    STRANGER = "stranger"
    """Somebody answers in its place, or it says what the protocol does not allow."""


_CODES = {
    SyncStatus.OFFLINE: SYNC_OFFLINE,
    SyncStatus.AUTH_FAILED: SYNC_AUTH_FAILED,
    SyncStatus.UNSTEADY: SYNC_UNSTEADY,
    SyncStatus.STRANGER: SYNC_STRANGER,
}


class SyncProgress:
    """The one loop of sync, its counters, and its last contact with the collector."""

    def __init__(self, clock: Clock) -> None:
        """Offline until proven otherwise."""
        self._clock = clock
        self._progress = Progress(clock)
        self._last_contact_ns = 0
        self._unsteady = ""
        self._troubles: dict[str, str] = {}
        """Code -> what is wrong although the collector answers."""
        self.status = SyncStatus.OFFLINE
        self.detail = "not yet connected"
        self.busy(0.0)
        self._say()

    def busy(self, seconds: float) -> None:
        """The loop turns now, and next within so many seconds."""
        self._progress.busy(LOOP, seconds)

    def count(self, name: str, number: int = 1) -> None:
        """Add to a counter."""
        self._progress.count(name, number)

    def gauge(self, name: str, value: float) -> None:
        """Set a gauge."""
        self._progress.gauge(name, value)

    def contact(self, unsteady: str | None = None) -> None:
        """The collector answered as it should.

        `unsteady`: why it is not to be relied on all the same; empty: it is; None: as before.
        """
        self._last_contact_ns = self._clock.boottime_ns()
        if unsteady is not None:
            self._unsteady = unsteady
        self.status = SyncStatus.UNSTEADY if self._unsteady else SyncStatus.CONNECTED
        self.detail = self._unsteady
        self._say()

    def held_back(self, why: str) -> None:
        """Entries that were not taken and wait for another try; empty: there are none."""
        self._trouble(SYNC_HELD_BACK, why)

    def media_paused(self, why: str) -> None:
        """Media that nobody proves to have taken; empty: they go."""
        self._trouble(SYNC_MEDIA_UNPROVED, why)

    def _trouble(self, code: str, why: str) -> None:
        if self._troubles.get(code, "") != why:
            self._troubles[code] = why
            self._say()

    def failed(self, status: SyncStatus, detail: str) -> None:
        """It did not."""
        self.status, self.detail = status, detail
        self.count("failures")
        self._say()

    def heartbeat(self, extra_counters: dict[str, int]) -> Heartbeat:
        """A snapshot; `extra_counters` are kept elsewhere."""
        if self._last_contact_ns:
            age_ns = self._clock.boottime_ns() - self._last_contact_ns
            self.gauge("last_contact_age_s", age_ns / NS_PER_S)
        return self._progress.heartbeat(extra_counters)

    def _say(self) -> None:
        code, detail = _CODES.get(self.status, ""), self.detail
        if not code:
            code, detail = next(((c, why) for c, why in self._troubles.items() if why), ("", ""))
        self._progress.set_state(self.status.value, detail, code)
