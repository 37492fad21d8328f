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
        is_new = key not in self._reasons
        self._reasons[key] = Reason(text, code)
        if self._held is None or is_new:
            self._held = self._reasons[key]
            self._good = 0
            return True
        return False

    def well(self, key: str) -> bool:
        """It is not wrong any more; whether it was.  Only parts let go of the safe state."""
        if self._reasons.pop(key, None) is None:
            return False
        self._held = self.reason or self._held
        return True

    def judged(self, kind: VerdictKind) -> bool | None:
        """A part was closed: True: drive the safe state, False: let it go, None: neither."""
        if kind is VerdictKind.NO_READ:
            return self._unread()
        self._no_reads = 0
        self._reasons.pop(_UNREADABLE, None)
        if self._held is None or self._reasons:
            return None
        self._good += 1
        if self._good < self._needed:
            return None
        self._held, self._good = None, 0
        return False

    def _unread(self) -> bool | None:
        self._no_reads += 1
        self._good = 0
        if self._no_reads < self._limit:
            return None
        text = f"{self._no_reads} parts running could not be judged"
        return True if self.fault(_UNREADABLE, text, codes.LANE_UNREADABLE) else None
