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


def exposure_stamp(
    driver_ms: float, monotonic_ns: int, handed: Stamp, last_ns: int | None = None
) -> Stamp | None:
    """The exposure's own stamp; None where the driver's number cannot be one.

    `driver_ms`: CLOCK_MONOTONIC as the driver told, `monotonic_ns`: that clock at `handed`.
    `last_ns`: CLOCK_BOOTTIME of the exposure before: a stamp that is not newer than the last one's
    by more than rounding tells nothing of this picture.
    """
    if not math.isfinite(driver_ms) or driver_ms <= 0:
        return None
    age_ns = monotonic_ns - round(driver_ms * NS_PER_MS)
    if not 0 <= age_ns <= OLDEST_NS:
        return None
    at_ns = handed.boottime_ns - age_ns
    if last_ns is not None and at_ns <= last_ns + NS_PER_MS // 10:
        return None
    return Stamp(handed.wall_ns - age_ns, at_ns, handed.boot_id)
