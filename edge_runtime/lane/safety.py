"""Whether this lane can judge, and so whether its outputs hold their safe state.  Pure.

One part that cannot be judged acts once, like a reject.  The held state is for a lane that cannot
judge: a source that is away, `no_read` so many times running, no room where the config says stop,
an output that does not acknowledge where the config says hold.  It is let go after so many parts
that were judged, once none of these reasons is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime import codes
from edge_runtime.types import VerdictKind

if TYPE_CHECKING:
    from edge_runtime.config import Rules

_UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the lane cannot judge."""

    text: str
    code: str


class Safety:
    """Owned by the lane's ``decide`` thread."""

    def __init__(self, rules: Rules) -> None:
        """Nothing is wrong."""
        self._limit = rules.no_read_limit
        self._needed = rules.good_parts
        self._reasons: dict[str, Reason] = {}
        self._no_reads = 0
        self._good = 0
        self._held: Reason | None = None

    @property
    def held(self) -> Reason | None:
        """Why the safe state is held; None when it is not."""
        return self._held

    @property
    def reason(self) -> Reason | None:
        """What is wrong now, the first of several; None when parts alone are awaited."""
        return next(iter(self._reasons.values()), None)

    def fault(self, key: str, text: str, code: str) -> bool:
        """Something is wrong; whether that is new and the safe state is to be driven (again)."""
        before = self._reasons.get(key)
        now = self._reasons[key] = Reason(text, code)
        if self._held is None or before is None:
            self._held, self._good = now, 0
            return True
        if self._held == before:  # the same fault, as it is now
            self._held = now
        return False

    def told(self, key: str) -> str:
        """What was said last of a fault that lasts; empty without one."""
        reason = self._reasons.get(key)
        return "" if reason is None else reason.text

    def well(self, key: str) -> bool:
        """It is not wrong any more; whether it was.  Only parts let go of the safe state."""
        if self._reasons.pop(key, None) is None:
            return False
        if self._held is not None:
            self._held = self.reason or _over(self._held)
        return True

    def judged(self, kind: VerdictKind, why: str = "") -> bool | None:
        """A part was closed: True: drive the safe state, False: let it go, None: neither.

        `why` a part could not be judged.
        """
        if kind is VerdictKind.NO_READ:
            return self._unread(why)
        self._no_reads = 0
        self._reasons.pop(_UNREADABLE, None)
        if self._held is None or self._reasons:
            return None
        self._good += 1
        if self._good < self._needed:
            return None
        self._held, self._good = None, 0
        return False

    def _unread(self, why: str) -> bool | None:
        self._no_reads += 1
        self._good = 0
        if self._no_reads < self._limit:
            return None
        last = f", the last: {why}" if why else ""
        text = f"{self._no_reads} parts running could not be judged{last}"
        return True if self.fault(_UNREADABLE, text, codes.LANE_UNREADABLE) else None


def _over(held: Reason) -> Reason:
    """For a fault that is over, while the safe state waits for a part that is judged."""
    if held.code == codes.LANE_AWAITS_PART:
        return held
    text = f"held until a part has been judged; over is: {held.text}"
    return Reason(text, codes.LANE_AWAITS_PART)
