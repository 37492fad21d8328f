"""The only reader of time.

Order, time-outs and back-off use `boottime_ns` (CLOCK_BOOTTIME: monotonic, counts suspend); the
wall clock is only ever recorded.
"""

from __future__ import annotations

import functools
import os
import re
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from edge_runtime.types import Stamp

if TYPE_CHECKING:
    import threading

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
BOOT_ID = "EDGE_RUNTIME_BOOT_ID"
"""This boot's id for where /proc does not tell it; our unit sets it (`%b`), children inherit it."""
_KERNELS = Path("/proc/sys/kernel/random/boot_id")
_HEX_DIGITS = re.compile(r"[0-9a-f]{32}")


class Clock(Protocol):
    """What the rest of the program may know about time."""

    def boottime_ns(self) -> int:
        """CLOCK_BOOTTIME in ns."""
        ...

    def stamp(self) -> Stamp:
        """Now, in every clock we record."""
        ...

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Wait until `stop` is set or `seconds` have passed; True when `stop` is set."""
        ...


@functools.cache
def boot_id() -> str:
    """This boot's random id (32 hex digits): the kernel's, or else what `BOOT_ID` says.

    A sandbox may hide the kernel's (``ProcSubset=pid``).  Where nothing tells, one is drawn for
    this process and, through its environment, those that it starts: an id too many only means that
    times before and after a restart are not compared; one too few would compare two boots.
    """
    try:
        told = _KERNELS.read_text("ascii")
    except OSError:
        told = os.environ.get(BOOT_ID, "")
    told = told.strip().replace("-", "").lower()
    if not _HEX_DIGITS.fullmatch(told):
        told = uuid.uuid4().hex
    os.environ[BOOT_ID] = told
    return told


def boottime_offset_ns() -> int:
    """CLOCK_BOOTTIME minus CLOCK_MONOTONIC, which drivers stamp by; constant but for suspends.

    Good to about a microsecond, whatever interrupts it: of three tries the quickest counts.
    """
    tries = []
    for _ in range(3):
        before = time.monotonic_ns()
        boottime = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        after = time.monotonic_ns()
        tries.append((after - before, boottime - (before + after) // 2))
    return min(tries)[1]


class SystemClock:
    """The machine's clocks.  Stateless; any thread."""

    def boottime_ns(self) -> int:
        """CLOCK_BOOTTIME in ns."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def stamp(self) -> Stamp:
        """Now, in every clock we record."""
        return Stamp(time.time_ns(), self.boottime_ns(), boot_id())

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Wait until `stop` is set or `seconds` have passed; True when `stop` is set."""
        return stop.wait(seconds)


SYSTEM_CLOCK = SystemClock()
