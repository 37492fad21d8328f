"""When the station is ready, when a start is refused whole, and how that is said.  Pure.

READY says that the station holds the line, not that it sees: a lane that crashes or was refused
keeps the others from nothing, and a daemon that has exited holds no safe state.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.supervisor.states import ChildState

if TYPE_CHECKING:
    from collections.abc import Sequence

LEDGER_IS_WELL = ("ok", "full")
"""Full: rows wait or are counted, and lanes judge and act on."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a child at one moment."""

    name: str
    state: ChildState
    has_settled: bool
    """It has served, was refused or crashed at least once, or is over."""
    has_served: bool = False
    reason: str = ""
    exit_code: int = 0
    """A refusal's."""


def is_ready(children: Sequence[Standing], ledger_state: str) -> bool:
    """Whether nothing is still to be waited for."""
    return ledger_state in LEDGER_IS_WELL and all(child.has_settled for child in children)


def refused_at_start(children: Sequence[Standing]) -> list[Standing]:
    """Those for which the start of a new config is refused whole: they never served."""
    return [c for c in children if c.state is ChildState.REFUSED and not c.has_served]


def refusal(children: Sequence[Standing]) -> tuple[int, list[str]] | None:
    """(exit code, a line for each) of those that are refused; None where none is."""
    refused = [child for child in children if child.state is ChildState.REFUSED]
    if not refused:
        return None
    lines = [
        f"lane '{child.name}': {line}" for child in refused for line in child.reason.splitlines()
    ]
    return refused[0].exit_code, lines


def headline(children: Sequence[Standing]) -> str:
    """``1 of 2 lanes serve``, for the service manager."""
    serving = sum(child.state is ChildState.RUNNING for child in children)
    return f"{serving} of {len(children)} lanes serve"
