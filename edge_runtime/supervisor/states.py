"""Where a child is in its life, and what is known about it.  Values only."""

from __future__ import annotations

import contextlib
import signal
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from edge_runtime.supervisor.policy import CrashHistory

if TYPE_CHECKING:
    from edge_runtime.link.messages import Failed, Heartbeat, Hello


class ChildState(StrEnum):
    """Where a child is in its life."""

    STARTING = "starting"
    RUNNING = "running"
    """It said Hello and was told to serve."""
    WAITING = "waiting"
    """Dead; will be started again after a back-off."""
    DONE = "done"
    """Ended in order by itself: its source is exhausted."""
    REFUSED = "refused"
    """Its config, its model or its recording cannot be used; tried again slowly."""
    STOPPED = "stopped"
    """It was told to stop, and is gone."""


IS_OVER = (ChildState.DONE, ChildState.STOPPED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How one process of a child ended."""

    reason: str
    code: int = 0
    """The process's exit code; negative: the signal."""
    failed: Failed | None = None
    """Its own last words."""
    was_done: bool = False
    """It said that everything is drained."""
    had_served: bool = False
    never_ran: bool = False
    """There was no process, though one was wanted: it could not be started at all."""
    had_process: bool = False
    stuck: str = ""
    """It was ended by us, because of this."""


@dataclass(slots=True)
class ChildHealth:
    """What is known about a child now; read by ``status``."""

    state: ChildState = ChildState.STARTING
    pid: int | None = None
    hello: Hello | None = None
    """The last."""
    heartbeat: Heartbeat | None = None
    """The last of this process."""
    heartbeat_ns: int = 0
    started_ns: int = 0
    serving_since_ns: int | None = None
    crashes: CrashHistory = field(default_factory=CrashHistory)
    last_exit: str = ""
    failed: Failed | None = None
    """The last words of a process that refused; None once another serves."""
    code: str = ""
    """``EDGE-…`` of why it does not serve; empty while it does."""
    has_served: bool = False
    """One of its processes was told to serve."""
    has_settled: bool = False
    """It has served, was refused or crashed at least once, or is over."""


def describe_exit(code: int, failed: Failed | None, stuck: str) -> str:
    """One line for people."""
    if failed is not None:
        return failed.message
    how = f"exit={code}"
    if code < 0:
        with contextlib.suppress(ValueError):  # a real-time signal has no name
            how = f"signal={signal.Signals(-code).name}"
    return f"{how} because: {stuck}" if stuck else how
