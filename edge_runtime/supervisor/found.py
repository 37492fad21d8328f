"""One finding about the station, before it is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_runtime.codes import EXPLANATIONS, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Found:
    """What was found where."""

    code: str
    where: str
    """``lane top``, ``output reject_gate``, ``field``, ``ledger``, ``sync``, ``config``,
    ``station``."""
    detail: str = ""
    count: int = 0
    """How often, of what does not pass by itself."""
    seen_as: str = ""
    """The name under which somebody may say that they have seen it; empty: it passes by itself."""
    severity: Severity | None = None
    """Where it is not the code's own."""

    def as_map(self, seen: Mapping[str, int]) -> dict[str, Any]:
        """As it is told; `seen`: name -> the count that somebody has seen."""
        known = EXPLANATIONS.get(self.code)  # a child may be of a newer version than we are
        severity = self.severity or (known.severity if known else Severity.FAULT)
        text = ": ".join(part for part in (known.title if known else "", self.detail) if part)
        told: dict[str, Any] = {"code": self.code, "severity": severity.value}
        if self.seen_as:
            told |= {"seen_as": self.seen_as, "count": self.count}
            if self.count <= seen.get(self.seen_as, 0):
                told["severity"], text = Severity.NOTE.value, f"{text} (seen)"
        return told | {"where": self.where, "text": text}
