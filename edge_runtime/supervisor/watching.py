"""Whether a child makes progress.  Pure but for the clock that it is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.clock import NS_PER_S
from edge_runtime.supervisor.policy import stalled
from edge_runtime.supervisor.states import ChildState

if TYPE_CHECKING:
    from edge_runtime.clock import Clock
    from edge_runtime.supervisor.states import ChildHealth

CHECK_S = 0.25
SLEPT_S = 1.0
"""When a look comes so late, it is we who stood still (stopped, a frozen machine)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a child may take, in seconds."""

    start_s: float
    """From its start to Hello."""
    stall_s: float
    """Without a heartbeat, or with a loop that does not turn."""
    backoff_min_s: float
    backoff_max_s: float


class Watch:
    """Looks at one process, each `CHECK_S`.  Loop only."""

    def __init__(self, health: ChildHealth, patience: Patience, clock: Clock) -> None:
        """Begins now."""
        self._health = health
        self._patience = patience
        self._clock = clock
        self._looked_ns = clock.boottime_ns()
        self._drain_until_ns: int | None = None

    def drain_within(self, seconds: float) -> None:
        """It was told to drain, and may take so long."""
        self._drain_until_ns = self._clock.boottime_ns() + int(seconds * NS_PER_S)

    def look(self) -> str | None:
        """Why it has to be ended; None while it gets on."""
        health, now_ns = self._health, self._clock.boottime_ns()
        late_ns = now_ns - self._looked_ns
        self._looked_ns = now_ns
        if late_ns > (CHECK_S + SLEPT_S) * NS_PER_S:
            health.heartbeat_ns = now_ns  # what it said meanwhile is still to be read
            health.started_ns += late_ns
        if self._drain_until_ns is not None and now_ns > self._drain_until_ns:
            return "does not drain"
        if health.state is ChildState.STARTING:
            waited_s = (now_ns - health.started_ns) / NS_PER_S
            limit_s = self._patience.start_s
            return f"not ready after {waited_s:.0f} s" if waited_s > limit_s else None
        loops = health.heartbeat.loops if health.heartbeat else {}
        age_s = (now_ns - health.heartbeat_ns) / NS_PER_S
        return stalled(loops, age_s, self._patience.stall_s)
