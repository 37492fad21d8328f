"""Outputs and triggers: the process that talks to far sides, and the lanes' dead man's handle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_runtime.types import VerdictKind

if TYPE_CHECKING:
    from edge_runtime.clock import Clock
    from edge_runtime.config import Output as OutputTable
    from edge_runtime.protocols import Output
    from edge_runtime.types import Verdict


def acts_on(settings: OutputTable, verdict: Verdict) -> bool:
    """Whether an output is for this verdict; `heard` only for a keyword over its threshold."""
    if verdict.kind.value not in settings.on:
        return False
    return verdict.kind is not VerdictKind.HEARD or verdict.threshold is not None


def open_output(name: str, settings: OutputTable, *, clock: Clock) -> Output:
    """One output by itself, for trying it; not started yet.  No field process holds it."""
    from edge_runtime.field.far_sides import Plan, key_of, open_far_side

    plan = Plan(key_of(name, settings), ((name, settings),), ())
    return open_far_side(plan, tell=None, clock=clock).outputs[name]
