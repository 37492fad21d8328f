"""When the wall clock was set: moments by which the times of older entries can be corrected.

The kernel's two clocks drift apart only when somebody sets the wall clock (a person, NTP, a power
cut's empty battery).  Each time that is seen, the moment is written down beside the entries.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from edge_runtime.clock import NS_PER_S
from edge_runtime.ledger import ops

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.clock import Clock
    from edge_runtime.types import Stamp

log = logging.getLogger(__name__)

LOOK_S: Final = 5.0
SET_NS: Final = NS_PER_S // 2
"""Slewing moves a clock by 0.5 ms a second at most; more than this in one look is a setting."""


class Anchors:
    """Sees that the wall clock was set.  Pure; owned by the loop."""

    def __init__(self, now: Stamp) -> None:
        """The start has an anchor of its own."""
        self._offset_ns = now.wall_ns - now.boottime_ns

    def seen(self, now: Stamp) -> float | None:
        """By how many seconds it was set since the last look; None when it was not."""
        offset_ns = now.wall_ns - now.boottime_ns
        moved_ns = offset_ns - self._offset_ns
        self._offset_ns = offset_ns
        return moved_ns / NS_PER_S if abs(moved_ns) > SET_NS else None


async def watch_clock(clock: Clock, submit: Callable[[ops.Op], None]) -> None:
    """Write an anchor each time the wall clock was set; for ever."""
    anchors = Anchors(clock.stamp())
    while True:
        await asyncio.sleep(LOOK_S)
        now = clock.stamp()
        moved_s = anchors.seen(now)
        if moved_s is not None:
            log.warning("clock_set by_s=%.1f", moved_s)
            submit(ops.RecordAnchor(now, "set"))
