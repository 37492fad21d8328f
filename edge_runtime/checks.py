"""What ``doctor`` looks at.  Each check stands alone, prints nothing, and never raises.

Libraries are tried in a process of their own: one that crashes on import is found, not suffered.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sqlite3
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.config import Config, load_config
from edge_runtime.errors import EdgeRuntimeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROBE_S = 60
FSYNCS = 21
SUSPICIOUS_FSYNC_MS = 0.05
SLOW_FSYNC_MS = 50.0
BUILT_S = 1_764_000_000
"""November 2025: a clock before this is not set."""
FIXED_SQLITE = (3, 51, 3)
MIN_FREE_MIB = 512
_MIB = 1 << 20


class Level(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One line of ``doctor``."""

    name: str
    level: Level
    detail: str
    hint: str = ""
    """What to do; empty when nothing is to be done."""


def run_checks(config_path: Path | None) -> Iterator[CheckResult]:
    """Every check, in order; the config's ones when there is a config."""
    for check in (_python, _machine, _sqlite, _clock, _systemd):
        yield check()
    yield from _packages()
    yield from _devices()
    config, found = _config(config_path)
    yield found
    yield _disk(config)
    yield _fsync(config)
    if config is not None:
        yield from _models(config)


def _python() -> CheckResult:
    version = platform.python_version()
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        return CheckResult("python", Level.OK, version)
    return CheckResult("python", Level.FAIL, version, "use Python 3.11, 3.12 or 3.13")


def _machine() -> CheckResult:
    machine = platform.machine()
    detail = f"{machine}, {os.cpu_count()} cores, Linux {platform.release()}"
    if machine in ("x86_64", "aarch64"):
        return CheckResult("machine", Level.OK, detail)
    return CheckResult("machine", Level.FAIL, detail, "a 64-bit x86 or Arm system is needed")


def _sqlite() -> CheckResult:
    if sqlite3.sqlite_version_info >= FIXED_SQLITE:
        return CheckResult("sqlite", Level.OK, sqlite3.sqlite_version)
    return CheckResult(
        "sqlite",
        Level.WARN,
        f"{sqlite3.sqlite_version} has the WAL-reset bug (fixed in 3.51.3)",
        "nothing: only one connection of ours writes and checkpoints, so it cannot bite; "
        "do not open the ledger for writing with other programs",
    )


def _clock() -> CheckResult:
    now = SYSTEM_CLOCK.stamp()
    told = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now.wall_ns / 1e9))
    if now.wall_ns / 1e9 < BUILT_S:
        hint = "set the clock; results are ordered by seq all the same"
        return CheckResult("clock", Level.WARN, f"{told} cannot be", hint)
    synced = _said("timedatectl", "show", "-p", "NTPSynchronized", "--value")
    if synced == "no":
        return CheckResult(
            "clock", Level.WARN, f"{told}, not synchronised", "install systemd-timesyncd or chrony"
        )
    return CheckResult("clock", Level.OK, told)


def _systemd() -> CheckResult:
    if not Path("/run/systemd/system").is_dir():
        return CheckResult("systemd", Level.SKIP, "not the init system here")
    state = _said("systemctl", "is-active", "edge-runtime.service") or "unknown"
    return CheckResult("systemd", Level.OK, f"edge-runtime.service: {state}")


def _packages() -> Iterator[CheckResult]:
    for name, module, trap in _PACKAGES:
        yield _package(name, module, trap)
    cv2s = [d for d in _OPENCVS if _version(d)]
    if len(cv2s) > 1:
        yield CheckResult(
            "opencv",
            Level.FAIL,
            f"{' and '.join(cv2s)} are installed over each other",
            f"pip uninstall {' '.join(cv2s)}; pip install opencv-python-headless",
        )
    if _version("tflite-runtime") and not _version("ai-edge-litert"):
        yield CheckResult(
            "tflite-runtime",
            Level.WARN,
            f"{_version('tflite-runtime')} cannot run with numpy 2",
            "pip install ai-edge-litert",
        )


def _package(name: str, module: str, trap: Callable[[str], str]) -> CheckResult:
    version = _version(name) or "not installed"
    error = _import_error(module)
    if error:
        hint = trap(error) or f"pip install {name}"
        return CheckResult(name, Level.FAIL, f"{version}: {error}", hint)
    if name == "onnxruntime" and _numbers(version) < (1, 25):
        hint = "pip install 'onnxruntime>=1.25': older ones read any file through external data"
        return CheckResult(name, Level.FAIL, version, hint)
    return CheckResult(name, Level.OK, version)


def _devices() -> Iterator[CheckResult]:
    from edge_runtime.capture import listing

    cameras = listing.cameras()
    names = ", ".join(f"{c.name} ({c.path})" for c in cameras)
    level = Level.OK if cameras else Level.SKIP
    yield CheckResult("cameras", level, names or "no V4L2 camera")
    microphones, why = listing.microphones()
    if microphones:
        names = ", ".join(m.name for m in microphones)
        yield CheckResult("microphones", Level.OK, names)
    else:
        level = Level.WARN if "install" in why else Level.SKIP
        yield CheckResult("microphones", level, "no microphone", why)
    groups = {g.gr_name: g.gr_gid for g in _groups()}
    mine = {*os.getgroups(), os.getegid()}
    missing = [n for n in ("video", "audio") if n in groups and groups[n] not in mine]
    if missing and os.geteuid() != 0:
        hint = f"adduser {_user()} {missing[0]}, and log in again"
        yield CheckResult("groups", Level.WARN, f"not in {', '.join(missing)}", hint)


def _config(path: Path | None) -> tuple[Config | None, CheckResult]:
    if path is None:
        return None, CheckResult("config", Level.SKIP, "none given", "doctor --config FILE")
    try:
        config = load_config(path)
    except EdgeRuntimeError as exc:
        return None, CheckResult("config", Level.FAIL, str(exc), "edge-runtime config check FILE")
    return config, CheckResult("config", Level.OK, f"{path}: {', '.join(config.lanes)}")


def _data_dir(config: Config | None) -> Path:
    """The data folder, or what there is of the way to it."""
    folder = config.data_dir if config else Path.cwd()
    while not folder.exists():
        folder = folder.parent
    return folder


def _disk(config: Config | None) -> CheckResult:
    folder = _data_dir(config)
    free = shutil.disk_usage(folder).free // _MIB
    if not os.access(folder, os.W_OK):
        hint = "give it to the user that the service runs as"
        return CheckResult("disk", Level.FAIL, f"{folder} cannot be written", hint)
    if free < MIN_FREE_MIB:
        hint = "make room: media will be evicted, and then the lanes wait"
        return CheckResult("disk", Level.WARN, f"{folder}: {free} MiB free", hint)
    return CheckResult("disk", Level.OK, f"{folder}: {free} MiB free")


def _fsync(config: Config | None) -> CheckResult:
    """How long the disk takes to promise that something is on it; every commit waits for it."""
    path = _data_dir(config) / ".edge-runtime-doctor"
    try:
        spent = _fsync_ms(path)
    except OSError as exc:
        return CheckResult("fsync", Level.FAIL, str(exc), "the ledger needs a disk that can sync")
    finally:
        path.unlink(missing_ok=True)
    detail = f"median {statistics.median(spent):.2f} ms, worst {max(spent):.1f} ms of {FSYNCS}"
    if statistics.median(spent) < SUSPICIOUS_FSYNC_MS:
        hint = "too fast to be true: a RAM disk, or a card that lies; a power cut may lose results"
        return CheckResult("fsync", Level.WARN, detail, hint)
    if statistics.median(spent) > SLOW_FSYNC_MS:
        hint = "slow: put data_dir on a better disk, or raise [ledger] group_ms"
        return CheckResult("fsync", Level.WARN, detail, hint)
    return CheckResult("fsync", Level.OK, detail)


def _fsync_ms(path: Path) -> list[float]:
    spent = []
    with path.open("wb") as file:
        for _ in range(FSYNCS):
            file.write(b"\0" * 4096)
            file.flush()
            begin = time.perf_counter()
            os.fdatasync(file.fileno())
            spent.append((time.perf_counter() - begin) * 1000)
    return spent


def _models(config: Config) -> Iterator[CheckResult]:
    models_dir = config.device.models_dir or None
    for model in sorted({m for lane in config.lanes.values() for m in lane.all_models}):
        code = (
            "import sys, pathlib\n"
            "from edge_runtime.inference import load_model\n"
            "from edge_runtime.manifest import find_bundle\n"
            "folder = pathlib.Path(sys.argv[2]) if sys.argv[2] else None\n"
            "loaded = load_model(find_bundle(sys.argv[1], folder))\n"
            "print(loaded.manifest.id, loaded.sha256[:12])\n"
        )
        error, told = _probe(code, model, models_dir or "")
        if error:
            yield CheckResult(f"model {model}", Level.FAIL, error, "install the bundle again")
        else:
            yield CheckResult(f"model {model}", Level.OK, told)


def _import_error(module: str) -> str:
    """Why a module cannot be used; empty when it can.  A crash has a name, too."""
    return _probe(f"import {module}")[0]


def _probe(code: str, *arguments: str) -> tuple[str, str]:
    """(error, output) of some Python in a process of its own."""
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and text
            [sys.executable, "-c", code, *arguments],
            capture_output=True,
            text=True,
            timeout=PROBE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        return str(exc), ""
    if done.returncode == 0:
        return "", done.stdout.strip()
    if done.returncode < 0:
        return f"crashed with signal {-done.returncode}", ""
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return (lines[-1] if lines else f"exit {done.returncode}"), ""


def _opencv_trap(error: str) -> str:
    if "libGL" in error or "libxcb" in error or "libgthread" in error:
        return (
            "this build needs X11: pip uninstall opencv-python; pip install opencv-python-headless"
        )
    return "pip install opencv-python-headless"


def _webrtcvad_trap(error: str) -> str:
    if "pkg_resources" in error:
        return (
            "setuptools 82 took pkg_resources away: "
            "pip uninstall webrtcvad; pip install webrtcvad-wheels"
        )
    return "pip install webrtcvad-wheels"


def _portaudio_trap(error: str) -> str:
    return "apt install libportaudio2" if "PortAudio" in error else ""


def _no_trap(_: str) -> str:
    return ""


_OPENCVS = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)
_PACKAGES: tuple[tuple[str, str, Callable[[str], str]], ...] = (
    ("numpy", "numpy", _no_trap),
    ("opencv-python-headless", "cv2", _opencv_trap),
    ("onnxruntime", "onnxruntime", _no_trap),
    ("ai-edge-litert", "ai_edge_litert.interpreter", _no_trap),
    ("webrtcvad-wheels", "webrtcvad", _webrtcvad_trap),
    ("sounddevice", "sounddevice", _portaudio_trap),
    ("soundfile", "soundfile", _no_trap),
    ("soxr", "soxr", _no_trap),
    ("sqlite-utils", "sqlite_utils", _no_trap),
    ("pymodbus", "pymodbus", _no_trap),
    ("urllib3", "urllib3", _no_trap),
)


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())


def _said(*command: str) -> str:
    """What a program prints; empty when it is not there or fails."""
    program = shutil.which(command[0])
    if program is None:
        return ""
    try:
        done = subprocess.run(  # noqa: S603 - fixed words
            [program, *command[1:]], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def _groups():  # type: ignore[no-untyped-def]  # noqa: ANN202
    import grp

    return grp.getgrall()


def _user() -> str:
    import getpass

    return getpass.getuser()
