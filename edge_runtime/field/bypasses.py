"""Outputs that somebody has put out of use for a while, with a reason.  Pure; time comes in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from edge_runtime.clock import NS_PER_S

LONGEST_S: Final = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Bypass:
    """One of them."""

    until_ns: int
    """CLOCK_BOOTTIME."""
    why: str


class Bypasses:
    """Not thread-safe; its owner has the lock.  They end with the process: that is the safe way."""

    def __init__(self) -> None:
        """None."""
        self._bypasses: dict[str, Bypass] = {}

    def begin(self, output: str, seconds: float, why: str, now_ns: int) -> Bypass:
        """Put an output out of use; again: the new time and reason hold.

        Raises `ValueError` that says what is wrong.
        """
        if not 0 < seconds <= LONGEST_S:
            raise ValueError(f"for {seconds:g} s: more than 0, and at most {LONGEST_S:g} (a day)")
        if not why.strip():
            raise ValueError("say why: it is written down")
        bypass = Bypass(now_ns + int(seconds * NS_PER_S), " ".join(why.split()))
        self._bypasses[output] = bypass
        return bypass

    def end(self, output: str) -> bool:
        """Use it again now; False when it was in use."""
        return self._bypasses.pop(output, None) is not None

    def of(self, output: str, now_ns: int) -> Bypass | None:
        """The one under way."""
        bypass = self._bypasses.get(output)
        return bypass if bypass is not None and now_ns < bypass.until_ns else None

    def ended(self, now_ns: int) -> list[str]:
        """Outputs whose time is over, each told once."""
        over = [name for name, bypass in self._bypasses.items() if now_ns >= bypass.until_ns]
        for name in over:
            del self._bypasses[name]
        return over
