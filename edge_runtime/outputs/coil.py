"""What a coil should be now.  Pure: pulses and the safe state come in with their times.

Two parts to be rejected 50 ms apart with a pulse of 80 ms need one pulse of 130 ms: the coil is on until the last
pulse has had its time.  While faulted the safe coil is held on, whatever the pulses.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class CoilPlan:
    """Owned by the output's thread."""

    pulse_ns: int
    on_until_ns: int = 0
    faulted: bool = False

    def pulse(self, now_ns: int) -> None:
        """Another part to be rejected."""
        self.on_until_ns = max(self.on_until_ns, now_ns + self.pulse_ns)

    def pulse_on(self, now_ns: int) -> bool:
        """Whether a pulse is under way."""
        return now_ns < self.on_until_ns

    def wait_ns(self, now_ns: int, at_most_ns: int) -> int:
        """How long nothing changes by itself."""
        if self.pulse_on(now_ns):
            return min(at_most_ns, self.on_until_ns - now_ns)
        return at_most_ns
