"""The data folder: can it be written, is there room, does the disk keep its promises."""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime import codes
from edge_runtime.checks.result import CheckResult, Status

if TYPE_CHECKING:
    from edge_runtime.config import Config

FSYNCS = 21
SUSPICIOUS_MS = 0.05
"""No flash and no disk puts a block down for good in less."""
SLOW_MS = 50.0
MIN_FREE_MIB = 512
BALLAST_MIB = 16
"""[ledger].ballast_mib, where there is no config."""
ROOM_MIB = 16
"""Beside the ballast: a ledger can begin."""
MIB = 1 << 20
_AS_OWNER = "run doctor with sudo: the folder is another user's, the service's perhaps"
IN_MEMORY = ("tmpfs", "ramfs")


def data_folder(config: Config | None) -> Path:
    """The config's data folder, or as much of the way to it as there is."""
    folder = config.data_dir if config else Path.cwd()
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    return folder


def space(folder: Path, ballast_mib: int = BALLAST_MIB) -> CheckResult:
    """Can be written, and has room."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as exc:
        if _is_anothers(folder):
            return CheckResult("disk", Status.SKIP, f"{folder}: {exc.strerror}", _AS_OWNER)
        hint = "give it to the user that the service runs as, or set data_dir"
        return CheckResult("disk", Status.FAIL, f"{folder}: {exc.strerror}", hint)
    free_mib = shutil.disk_usage(folder).free // MIB
    detail = f"{folder}: {free_mib} MiB free"
    if free_mib < ballast_mib + ROOM_MIB:
        hint = "make room: results cannot be stored"
        return CheckResult("disk", Status.FAIL, detail, hint, codes.LEDGER_FULL)
    if free_mib < MIN_FREE_MIB:
        hint = "make room: media are evicted first, and then results cannot be stored"
        return CheckResult("disk", Status.WARN, detail, hint, codes.DISK_LOW)
    return CheckResult("disk", Status.OK, detail)


def fsync(folder: Path) -> CheckResult:
    """How long the disk takes to promise that a block is down for good; every commit waits."""
    kind, filesystem = medium(folder)
    try:
        spent_ms = _fsync_ms(folder)
    except OSError as exc:
        if _is_anothers(folder):
            return CheckResult("fsync", Status.SKIP, f"{folder}: {exc.strerror}", _AS_OWNER)
        hint = "the ledger needs a disk that can sync"
        return CheckResult("fsync", Status.FAIL, f"{folder}: {exc.strerror}", hint)
    median = statistics.median(spent_ms)
    detail = f"median {median:.2f} ms, worst {max(spent_ms):.1f} ms of {FSYNCS}; {filesystem}{kind}"
    if filesystem in IN_MEMORY:
        hint = "this is memory: everything is gone with the power; put data_dir on a disk"
        return CheckResult("fsync", Status.WARN, detail, hint)
    if median < SUSPICIOUS_MS:
        hint = "too fast to be true: storage that does not honour flush loses results at power cuts"
        return CheckResult("fsync", Status.WARN, detail, hint)
    if median > SLOW_MS:
        hint = "slow: put data_dir on a better disk, or raise group_ms in [ledger]"
        return CheckResult("fsync", Status.WARN, detail, hint)
    return CheckResult("fsync", Status.OK, detail)


def _is_anothers(folder: Path) -> bool:
    """Whether it is a service's, and we are neither that nor root: then it need not be ours."""
    return os.geteuid() not in (0, folder.stat().st_uid)


def medium(folder: Path) -> tuple[str, str]:
    """(``" on an SD card or eMMC"``, ``" over USB"`` or nothing; the file system's name)."""
    device = folder.stat().st_dev
    where = os.path.realpath(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    kind = ""
    if "/mmc" in where:
        kind = " on an SD card or eMMC"
    elif "/usb" in where:
        kind = " over USB"
    return kind, _filesystem(f"{os.major(device)}:{os.minor(device)}")


def _filesystem(device: str) -> str:
    """From /proc/self/mountinfo: ``… MAJOR:MINOR … - TYPE …``."""
    for line in Path("/proc/self/mountinfo").read_text("utf-8").splitlines():
        before, _, after = line.partition(" - ")
        if before.split()[2] == device:
            return after.split()[0]
    return "unknown file system"


def _fsync_ms(folder: Path) -> list[float]:
    spent = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(FSYNCS):
            file.write(b"\0" * 4096)
            file.flush()
            begin = time.perf_counter()
            os.fsync(file.fileno())
            spent.append((time.perf_counter() - begin) * 1000)
    return spent
