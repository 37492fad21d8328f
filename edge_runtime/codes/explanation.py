"""What is known about one kind of finding, and the register of all kinds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Severity(StrEnum):
    """How bad it is."""

    FAULT = "fault"
    """The station does not do all that it is for: ``status`` exits 1."""
    WARNING = "warning"
    """It does, and somebody should look."""
    NOTE = "note"
    """It happened, and is written down."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """One kind of finding."""

    code: str
    title: str
    severity: Severity
    """As a rule; a finding may say otherwise of its own case, and then says why."""
    cause: str
    """What brings it about."""
    confirm: str
    """How to see that it is this."""
    cure: str
    """What to do."""
    line: str
    """What the line does meanwhile: what the outputs are told."""


EXPLANATIONS: Final[dict[str, Explanation]] = {}
"""By code."""

FAULT, WARNING, NOTE = Severity.FAULT, Severity.WARNING, Severity.NOTE


def define(code: str, title: str, severity: Severity, **texts: str) -> str:
    """Register a kind of finding under `code`, which is given back."""
    if code in EXPLANATIONS:
        msg = f"{code} has a meaning already: {EXPLANATIONS[code].title}"
        raise ValueError(msg)
    EXPLANATIONS[code] = Explanation(code=code, title=title, severity=severity, **texts)
    return code
