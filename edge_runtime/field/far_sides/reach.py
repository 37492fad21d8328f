"""Whether a far side is reached, and when to try again.  Pure but for the log; time comes in."""

from __future__ import annotations

import logging

from edge_runtime.clock import NS_PER_S

log = logging.getLogger(__name__)

RECONNECT_MIN_S = 0.2
RECONNECT_MAX_S = 5.0


class Reach:
    """Written by the far side's thread; `away` is read by anybody."""

    def __init__(self, address: str) -> None:
        """Not tried yet."""
        self._address = address
        self.away: str | None = f"{address}: not connected yet"
        """Why nothing can be acknowledged now; None while it answers."""
        self.retry_ns = 0
        """CLOCK_BOOTTIME: not to be connected to before."""
        self._is_proved = False
        """Something was answered since the connection was made."""
        self._connects = 0
        self._retry_s = RECONNECT_MIN_S
        self._told: str | None = None
        """What was logged last: a far side that stays away is told once."""

    def proved(self) -> tuple[bool, bool]:
        """It has answered: whether that is new since the connection, and a reconnection."""
        if self._is_proved:
            return False, False
        log.info("far_side_connected address=%s", self._address)
        self._is_proved = True
        self._connects += 1
        self._retry_s = RECONNECT_MIN_S
        self.away = self._told = None
        return True, self._connects > 1

    def lost(self, why: str, now_ns: int) -> bool:
        """The connection is gone, or could not be made; whether the far side is away now.

        At once try again where it was well, else after the back-off.
        """
        was_proved, self._is_proved = self._is_proved, False
        self.retry_ns = now_ns
        if not was_proved:
            self.away = why
            self.retry_ns += int(self._retry_s * NS_PER_S)
            self._retry_s = min(RECONNECT_MAX_S, self._retry_s * 2)
        self._tell("far_side_away", why)
        return not was_proved

    def refused(self, why: str) -> None:
        """It answers, and says no; logged once, not at every heartbeat."""
        self._tell("far_side_refused", why)

    def _tell(self, event: str, why: str) -> None:
        if self._told != why:
            log.warning("%s reason=%s", event, why)
        self._told = why
