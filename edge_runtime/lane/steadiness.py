"""Whether a source that gives something again is back, or comes and goes.  Pure.

One that is lost soon after it came back, again and again, must not open the gate each time: it has
to give for a while before it counts as back, the longer the more often it was lost.
"""

from __future__ import annotations

from edge_runtime.clock import NS_PER_S

STEADY_S = 3.0
"""A source that gave for so long was back."""
PROBATION_MAX_S = 8.0
FORGOTTEN_S = 60.0
"""What was so long ago tells nothing of a source that gives again."""


class Steadiness:
    """Owned by one ``capture`` thread."""

    def __init__(self) -> None:
        """Nothing has come."""
        self._short = 0
        self._since_ns: int | None = None
        self._last_ns: int | None = None

    def seen(self, now_ns: int) -> bool:
        """Something came; whether the source is back."""
        if self._last_ns is not None and now_ns - self._last_ns > FORGOTTEN_S * NS_PER_S:
            self._short = 0
        if self._since_ns is None:
            self._since_ns = now_ns
        self._last_ns = now_ns
        # Once is an accident: a camera that was unplugged is seen at once when it is back.
        probation_s = min(2.0 ** (self._short - 2), PROBATION_MAX_S) if self._short > 1 else 0.0
        return now_ns - self._since_ns >= probation_s * NS_PER_S

    def lost(self) -> None:
        """The source is away."""
        if self._since_ns is None or self._last_ns is None:
            return
        is_short = self._last_ns - self._since_ns < STEADY_S * NS_PER_S
        self._short = self._short + 1 if is_short else 0
        self._since_ns = None
