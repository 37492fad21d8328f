"""What is asked of an output, its answer, and the count of both."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.clock import NS_PER_MS
from edge_runtime.types import Actuation

if TYPE_CHECKING:
    from concurrent.futures import Future

COUNTERS = (
    "acknowledged",
    "unacknowledged",
    "reconnects",
    "heartbeats",
    "refused",
    "pulses_merged",
)


@dataclass(slots=True)
class Request:
    """A pulse, or a change of the safe state, that somebody waits for."""

    action: str
    """``pulse``, ``safe`` or ``release``."""
    asked_ns: int
    due_ns: int
    deadline_ns: int
    answer: Future[Actuation]
    was_tried: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """Satisfies `protocols.OutputReport`."""

    connected: bool
    detail: str
    address: str
    last_ack_ns: int | None
    counters: dict[str, int]
    unacknowledged_running: int = 0
    """Since the last acknowledgement."""
    is_tried: bool = True
    """Anything is known of the far side."""
    safe_shown_ns: int | None = 0
    """See `protocols.OutputReport`; 0: it owes none."""


class Tally:
    """Counters of one output.  Any thread."""

    def __init__(self) -> None:
        """Nothing has happened."""
        self._lock = threading.Lock()
        self._counters: Counter[str] = Counter()
        self._running = 0
        self.last_ack_ns: int | None = None
        """CLOCK_BOOTTIME when the far side last did as told; written by its thread."""

    def answer(
        self, output: str, request: Request, now_ns: int, trouble: str | None, detail: str | None
    ) -> None:
        """Tell who asked, and count it; acknowledged where there was no `trouble`."""
        acknowledged = trouble is None
        with self._lock:
            self._counters["acknowledged" if acknowledged else "unacknowledged"] += 1
            self._running = 0 if acknowledged else self._running + 1
        waited_ms = (now_ns - max(request.asked_ns, request.due_ns)) / NS_PER_MS
        request.answer.set_result(
            Actuation(
                output=output,
                action=request.action,
                acknowledged=acknowledged,
                latency_ms=round(max(0.0, waited_ms), 3),
                detail=trouble or detail,
            )
        )

    def well(self, now_ns: int) -> None:
        """The far side did as told, asked by us: whatever went unacknowledged before is over."""
        self.last_ack_ns = now_ns
        with self._lock:
            self._running = 0

    def count(self, what: str) -> None:
        """Add one to a counter."""
        with self._lock:
            self._counters[what] += 1

    def report(
        self,
        address: str,
        away: str | None,
        refusal: str,
        *,
        is_tried: bool,
        safe_shown_ns: int | None,
    ) -> Report:
        """How it is now."""
        with self._lock:
            return Report(
                connected=away is None,
                detail=away or refusal,
                address=address,
                last_ack_ns=self.last_ack_ns,
                counters={name: self._counters[name] for name in COUNTERS},
                unacknowledged_running=self._running,
                is_tried=is_tried,
                safe_shown_ns=safe_shown_ns,
            )
