"""One output of a far side that may have several, as the station sees it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import Future

    from edge_runtime.field.far_sides.pulsed import PulsedFarSide
    from edge_runtime.field.pulsed import PulsedOutput
    from edge_runtime.field.requests import Report
    from edge_runtime.types import Actuation, Verdict

log = logging.getLogger(__name__)


class PulsedHandle:
    """Satisfies `protocols.Output`."""

    def __init__(self, far_side: PulsedFarSide, plan: PulsedOutput) -> None:
        """Made by the far side."""
        self._far_side = far_side
        self._plan = plan

    @property
    def name(self) -> str:
        """As in the config."""
        return self._plan.name

    def start(self) -> None:
        """Start the far side.

        Waits for the first attempt, for the ack time-out at most: what is asked next should not be
        refused only because a healthy far side was not connected yet.
        """
        self._far_side.start()
        self._far_side.wait_tried(self._plan.settings.ack_timeout_ms / 1000)

    def drive(self, verdict: Verdict, *, part: str, at_ns: int) -> Future[Actuation]:
        """Pulse the coil, now or `delay_ms` after `at_ns`."""
        log.debug("drive output=%s part=%s verdict=%s", self.name, part, verdict.kind)
        return self._far_side.ask(self._plan, "pulse", at_ns)

    def hold(self, *, active: bool) -> Future[Actuation]:
        """Hold the safe coil, or let go of it; driven on reconnection where it is away."""
        self._far_side.want(self._plan, safe=active)
        return self._far_side.ask(self._plan, "safe" if active else "release", 0)

    def beat(self, *, alive: bool) -> None:
        """Whether the heartbeat register may count."""
        self._plan.may_beat = alive

    def bypass(self, *, active: bool) -> None:
        """Tell the far side's `bypass_register`."""
        if self._plan.bypassed is not active:
            self._plan.bypassed = active
            self._far_side.poke()

    def state(self) -> Report:
        """How it is now."""
        return self._far_side.report(self._plan)

    def close(self, *, safe: bool) -> None:
        """Finish pulses (5 s at most), leave the safe state or let go of it.  Idempotent."""
        self._far_side.close_output(self._plan, safe=safe)
