"""How long to wait before the next try.  Pure: chance comes in as a number, no clock is read.

Never gives up: the waiting time grows to `max_s` and stays there for as long as it takes.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_runtime.errors import AuthFailed, SyncError, Throttled

RETRY_AFTER_MAX_S = 3600.0
"""A far side that asks for more is asked again after this."""
AUTH_PROBE_S = 60.0
"""A token that the collector's side corrects is found out within this; knocking faster would look
like an attack.  One that is corrected here is taken at once (`Transport.is_renewed`)."""
_MAX_EXPONENT = 62
"""2**62 times any `min_s` is beyond any `max_s`, and no float overflows."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Full-jitter exponential: anywhere from `min_s` to a ceiling that doubles up to `max_s`."""

    min_s: float
    max_s: float
    auth_probe_s: float = AUTH_PROBE_S

    def ceiling_s(self, attempt: int) -> float:
        """The longest wait after the so-many-eth failure in a row (1, 2, ...)."""
        exponent = min(max(attempt, 0), _MAX_EXPONENT)
        return min(self.max_s, self.min_s * float(2**exponent))

    def delay_s(self, error: SyncError, *, attempt: int, chance: float) -> float:
        """How long to wait after `error`.

        `attempt` counts failures in a row from 1; `chance` is uniform in 0..1 and spreads a
        fleet that lost the same server at the same instant.
        """
        if isinstance(error, Throttled):
            asked = min(max(error.retry_after_s, self.min_s), RETRY_AFTER_MAX_S)
            return asked + chance * self.min_s
        if isinstance(error, AuthFailed):
            return self.auth_probe_s * (0.9 + 0.2 * chance)
        return self.min_s + chance * (self.ceiling_s(attempt) - self.min_s)
