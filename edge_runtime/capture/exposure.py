"""When a camera exposed a picture, by its driver's stamp.  Pure.

V4L2 drivers stamp each buffer by CLOCK_MONOTONIC, at the start of the exposure or at the end of
the frame (USB cameras: its start).  The stamp is taken where it can be one; a driver set to another
clock, or one that copies stamps from elsewhere, gives numbers that cannot.
"""

from __future__ import annotations

import math
from typing import Final

from edge_runtime.clock import NS_PER_MS, NS_PER_S
from edge_runtime.types import Stamp

OLDEST_NS: Final = 10 * NS_PER_S
"""A picture older than this is not handed over by a driver that was asked for its newest."""
ROUNDING_NS: Final = NS_PER_MS // 10
"""The driver's stamp is in microseconds, and the clocks are read one after the other."""


def exposure_stamp(
    driver_ms: float, offset_ns: int, handed: Stamp, last_ns: int | None = None
) -> Stamp | None:
    """The exposure's own stamp; None where the driver's number cannot be one.

    `driver_ms`: CLOCK_MONOTONIC as the driver told.  `offset_ns`: CLOCK_BOOTTIME minus that clock.
    `handed`: when the picture was handed over.  `last_ns`: CLOCK_BOOTTIME of the exposure before,
    None for the first: a stamp that does not move tells nothing of this picture.
    """
    if not math.isfinite(driver_ms) or driver_ms <= 0:
        return None
    at_ns = round(driver_ms * NS_PER_MS) + offset_ns
    age_ns = handed.boottime_ns - at_ns
    if not -ROUNDING_NS <= age_ns <= OLDEST_NS:
        return None
    if last_ns is not None and at_ns <= last_ns + ROUNDING_NS:
        return None
    age_ns = max(0, age_ns)
    return Stamp(handed.wall_ns - age_ns, handed.boottime_ns - age_ns, handed.boot_id)
