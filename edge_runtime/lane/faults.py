"""What a station that cannot see says: ``no_read``, and the outputs' safe state."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from edge_runtime.clock import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from edge_runtime.clock import Clock
    from edge_runtime.progress import Progress
    from edge_runtime.protocols import Output
    from edge_runtime.types import Actuation

    Report = Callable[[str, tuple[Future[Actuation], ...]], None]

log = logging.getLogger(__name__)

REPEAT_S = 5.0
"""While the fault lasts, say so again this often: the ledger shows how long the line was blind."""


class FaultLine:
    """Owned by the ``capture`` thread.  `enter` and `leave` may be called again and again."""

    def __init__(
        self,
        outputs: Sequence[Output],
        report: Report,
        *,
        drive_outputs: bool,
        progress: Progress,
        clock: Clock,
    ) -> None:
        """`report` records a ``no_read`` with what the outputs answered."""
        self._outputs = outputs if drive_outputs else ()
        self._report = report
        self._progress = progress
        self._clock = clock
        self._active = False
        self._said_ns = 0

    @property
    def active(self) -> bool:
        """Whether the lane is without its source."""
        return self._active

    def enter(self, reason: str) -> None:
        """The source is away."""
        now = self._clock.boottime_ns()
        futures: tuple[Future[Actuation], ...] = ()
        if not self._active:
            log.warning("source_away reason=%s", reason)
            futures = self._drive(active=True)
        elif now - self._said_ns < REPEAT_S * NS_PER_S:
            return
        self._active = True
        self._said_ns = now
        self._progress.set_state("degraded", reason)
        self._report(reason, futures)

    def leave(self) -> None:
        """An item came: the source is there."""
        if self._active:
            log.info("source_back")
            self._active = False
            self._drive(active=False)
            self._progress.set_state("running")

    def _drive(self, *, active: bool) -> tuple[Future[Actuation], ...]:
        futures = (output.fault(active=active) for output in self._outputs)
        return tuple(future for future in futures if future is not None)
