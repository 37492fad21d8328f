"""Python, the machine, SQLite, the clock, systemd."""

from __future__ import annotations

import ctypes
import os
import platform
import sqlite3
import sys
import time
from pathlib import Path

from edge_runtime import codes
from edge_runtime.checks.probe import run_program
from edge_runtime.checks.result import CheckResult, Status
from edge_runtime.clock import NS_PER_S, SYSTEM_CLOCK

BUILT_S = 1_793_500_000
"""November 2026: a clock before this was never set."""
FIXED_SQLITE = (3, 51, 3)
MIN_GLIBC = (2, 28)
"""The oldest that onnxruntime's wheels run on."""
_TIMEX_BYTES = 256
_TIME_ERROR = 5


def python() -> CheckResult:
    """A version that we are tested with, 64 bit."""
    version = f"{platform.python_version()} ({sys.executable})"
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        return CheckResult("python", Status.FAIL, version, "use Python 3.11, 3.12 or 3.13")
    if sys.maxsize < 2**32:
        hint = "use a 64-bit Python: the model libraries have no 32-bit wheels"
        return CheckResult("python", Status.FAIL, f"{version} is 32 bit", hint)
    return CheckResult("python", Status.OK, version)


def machine() -> CheckResult:
    """A CPU and a C library that the wheels are made for."""
    libc, glibc = platform.libc_ver()
    architecture = platform.machine()
    detail = f"{architecture}, {os.cpu_count()} cores, Linux {platform.release()}, {libc} {glibc}"
    if architecture not in ("x86_64", "aarch64"):
        return CheckResult("machine", Status.FAIL, detail, "a 64-bit x86 or Arm system is needed")
    numbers = tuple(int(part) for part in glibc.split(".") if part.isdecimal())
    if libc != "glibc" or numbers < MIN_GLIBC:
        hint = "use a system with glibc 2.28 or newer (Debian 10, Ubuntu 20.04): the wheels need it"
        return CheckResult("machine", Status.WARN, detail, hint)
    if not Path("/proc/cpuinfo").is_file():
        hint = "take ProcSubset=pid out of the service: models run up to 200 times slower with it"
        told = f"{detail}; /proc/cpuinfo is hidden, so libraries do not know their fast kernels"
        return CheckResult("machine", Status.WARN, told, hint)
    return CheckResult("machine", Status.OK, detail)


def sqlite() -> CheckResult:
    """A version without the WAL-reset bug, or that it cannot bite us."""
    if sqlite3.sqlite_version_info >= FIXED_SQLITE:
        return CheckResult("sqlite", Status.OK, sqlite3.sqlite_version)
    return CheckResult(
        "sqlite",
        Status.WARN,
        f"{sqlite3.sqlite_version} has the WAL-reset bug (fixed in 3.51.3)",
        "nothing: one connection of ours alone writes and checkpoints, so that it cannot bite; "
        "do not write to the ledger with other programs",
    )


def clock() -> CheckResult:
    """A wall clock that was set, and that somebody keeps right."""
    now_s = SYSTEM_CLOCK.stamp().wall_ns // NS_PER_S
    told = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now_s))
    if now_s < BUILT_S:
        hint = (
            "set the clock (and see to the battery of its RTC); results are ordered by seq, "
            "and their times are corrected later"
        )
        return CheckResult("clock", Status.WARN, f"{told} is before this program was built", hint)
    if is_synchronised() is False:
        hint = "install chrony or systemd-timesyncd where there is a time server"
        return CheckResult("clock", Status.WARN, f"{told}, not synchronised", hint)
    return CheckResult("clock", Status.OK, told)


def is_synchronised() -> bool | None:
    """Whether the kernel believes its clock is kept by NTP or PTP; None when it will not say."""
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)  # modes = 0: only asks
    state = ctypes.CDLL(None).adjtimex(timex)
    return None if state < 0 else state != _TIME_ERROR


def systemd() -> CheckResult:
    """Whether systemd runs here, and our service in it."""
    if "NOTIFY_SOCKET" in os.environ:
        return CheckResult("systemd", Status.OK, "started by it, with a notify socket")
    if not Path("/run/systemd/system").is_dir():
        hint = "something else has to start and watch edge-runtime"
        return CheckResult("systemd", Status.SKIP, "not the init system here", hint)
    state = run_program("systemctl", "is-active", "edge-runtime.service") or "unknown"
    if state == "failed":
        hint = "journalctl -u edge-runtime.service -n 50"
        told, code = "edge-runtime.service: failed", codes.DAEMON_AWAY
        return CheckResult("systemd", Status.FAIL, told, hint, code)
    return CheckResult("systemd", Status.OK, f"edge-runtime.service: {state}")
