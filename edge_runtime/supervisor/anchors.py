"""When the wall clock was set: moments by which the times of older entries can be corrected.

The kernel's two clocks drift apart only when somebody sets the wall clock (a person, NTP, a power
cut's empty battery).  Each time that is seen, the moment is written down beside the entries.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edge_runtime.clock import NS_PER_S
from edge_runtime.ledger import ops

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.clock import Clock
    from edge_runtime.types import Stamp

log = logging.getLogger(__name__)

LOOK_S: Final = 5.0
_UNSYNCHRONISED: Final = 5
"""TIME_ERROR of adjtimex(2)."""
_TIMEX_BYTES: Final = 512
"""More than its struct has on any machine."""
_TIMESYNC: Final = Path("/run/systemd/timesync/synchronized")
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


async def watch_clock(
    clock: Clock,
    submit: Callable[[ops.Op], None],
    is_synchronised: Callable[[], bool] | None = None,
) -> None:
    """Write an anchor each time the wall clock was set, or began to be kept by others; for ever."""
    is_kept = is_synchronised or kept_by_ntp
    anchors, was_kept = Anchors(clock.stamp()), False
    while True:
        kept = is_kept()
        now = clock.stamp()
        moved_s = anchors.seen(now)
        if moved_s is not None:
            log.warning("clock_set by_s=%.1f", moved_s)
        if moved_s is not None or kept > was_kept:
            submit(ops.RecordAnchor(now, "ntp" if kept else "set"))
        was_kept = kept
        await asyncio.sleep(LOOK_S)


def kept_by_ntp() -> bool:
    """Whether the kernel, or the service manager, says that the clock is synchronised.

    Where a sandbox forbids to ask (`ProtectClock=`) the second is all there is.
    """
    room = ctypes.create_string_buffer(_TIMEX_BYTES)
    state = ctypes.CDLL(None).adjtimex(room)  # nothing is asked for but how it is
    return 0 <= state < _UNSYNCHRONISED or _TIMESYNC.exists()
