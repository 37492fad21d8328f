"""What an output's coils should be now, and what they are known to be.  Pure; time comes in.

Two rejected parts 50 ms apart with a pulse of 80 ms: a gate needs both, so the coil stays on until
the last pulse's end, 130 ms in all.  While faulted the safe coil is held, whatever the pulses do.
The pulsed coil and the safe coil may be one and the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Coils:
    """Owned by the far side's thread."""

    coil: int
    safe_coil: int
    pulse_ns: int
    faulted: bool = False
    _pulse_until_ns: int = 0
    _confirmed: dict[int, bool] = field(default_factory=dict)
    """What the far side has confirmed since the connection was made."""

    def pulse(self, now_ns: int) -> bool:
        """A pulse begins: the coil was confirmed on at `now_ns`.

        True when another one was under way, so that the two are one long one.
        """
        merged = self.pulse_left_ns(now_ns) > 0
        self._pulse_until_ns = max(self._pulse_until_ns, now_ns + self.pulse_ns)
        return merged

    def end_pulses(self) -> None:
        """No pulse goes on."""
        self._pulse_until_ns = 0

    def pulse_left_ns(self, now_ns: int) -> int:
        """How long the pulse under way has to go on; 0 without one."""
        return max(0, self._pulse_until_ns - now_ns)

    def wanted(self, now_ns: int) -> dict[int, bool]:
        """What each coil should be."""
        wanted = {self.coil: self.pulse_left_ns(now_ns) > 0}
        wanted[self.safe_coil] = self.faulted or wanted.get(self.safe_coil, False)
        return wanted

    def due(self, now_ns: int) -> list[tuple[int, bool]]:
        """What has to be written: wanted, and not known to be so.  What goes on comes first."""
        differing = [
            (coil, value)
            for coil, value in self.wanted(now_ns).items()
            if self._confirmed.get(coil) is not value
        ]
        return sorted(differing, key=lambda write: not write[1])

    def writing(self, coil: int) -> None:
        """A write is under way: until it is confirmed nothing is known of this coil."""
        self._confirmed.pop(coil, None)

    def confirm(self, coil: int, *, value: bool) -> None:
        """The far side has confirmed a write."""
        self._confirmed[coil] = value

    def forget(self) -> None:
        """The connection is gone: nothing is known of the far side."""
        self._confirmed.clear()
