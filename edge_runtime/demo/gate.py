"""What the simulated PLC wrote down: which parts passed the gate, and what it did about a kill.

Pure.  All times are CLOCK_BOOTTIME in ns.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_runtime.clock import NS_PER_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True, slots=True)
class Killed:
    """A lane that was killed while the gate ejected, by the PLC's record."""

    pulse_ms: float | None
    """How long the pulse lasted that it was killed in; None: it never ended."""
    safe_after_ms: float | None
    """From the kill to the safe state; None: it was not held."""
    held_ms: float | None
    """How long it was held; None: to the end of the record."""


class Record:
    """What `output simulate --gate … --json` printed, line by line."""

    def __init__(self, told: Iterable[dict[str, Any]], *, coil: int, safe_coil: int) -> None:
        """`coil` is pulsed for a reject, `safe_coil` held while nobody can judge."""
        told = list(told)
        self.pulses = _times(told, coil)
        self.safe = _times(told, safe_coil)
        self._gate = [(t["boottime_ns"], t["open"]) for t in told if t.get("kind") == "gate"]

    def passes(self, at_ns: int) -> bool:
        """Whether a part that is at the gate at this time goes on to the good ones."""
        return self._is_open(at_ns) and not any(_within(at_ns, span) for span in self.pulses)

    def about_kill(self, killed_ns: int) -> Killed:
        """What the PLC saw of a lane that was killed then."""
        pulse = next((span for span in self.pulses if _within(killed_ns, span)), None)
        safe = next((span for span in self.safe if span[0] >= killed_ns), None)
        return Killed(
            pulse_ms=_long_ms(pulse),
            safe_after_ms=None if safe is None else (safe[0] - killed_ns) / NS_PER_MS,
            held_ms=_long_ms(safe),
        )

    def _is_open(self, at_ns: int) -> bool:
        """By the PLC's own rungs; before it had run them it was closed."""
        at = bisect.bisect_right([since for since, _ in self._gate], at_ns)
        return at > 0 and bool(self._gate[at - 1][1])


_Span = tuple[int, int | None]
"""From when until when; None: it never ended."""


def _times(told: Sequence[dict[str, Any]], coil: int) -> list[_Span]:
    """When the coil was on."""
    spans: list[_Span] = []
    for one in told:
        if one.get("kind") != "coil" or one["address"] != coil:
            continue
        is_on = bool(spans) and spans[-1][1] is None
        if one["value"] and not is_on:
            spans.append((one["boottime_ns"], None))
        elif not one["value"] and is_on:
            spans[-1] = (spans[-1][0], one["boottime_ns"])
    return spans


def _within(at_ns: int, span: _Span) -> bool:
    return span[0] <= at_ns and (span[1] is None or at_ns < span[1])


def _long_ms(span: _Span | None) -> float | None:
    return None if span is None or span[1] is None else (span[1] - span[0]) / NS_PER_MS
