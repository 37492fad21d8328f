"""Tries a model in a process of its own, so that a crash or a hang is one clear line here.

The child is `probe`; it is limited in memory, time and what it may write, and all that it says on
stderr is kept.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from typing import IO, TYPE_CHECKING

import msgspec

from edge_runtime.inference.engines.runtimes import Runtime

if TYPE_CHECKING:
    from pathlib import Path

TIMEOUT_S = 45.0
"""Below the time that the supervisor gives a lane to start."""
MEMORY_BYTES = 2 << 30
"""Address space on top of what Python and numpy have mapped and eight times the model's size."""
KEPT_STDERR_BYTES = 64 << 10


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What the child is to do."""

    folder: str
    runtime: Runtime
    file: str
    """The model file that this process chose."""
    digest: str
    """Of the bundle; empty: any."""
    threads: int = 1
    passes: int = 3
    """Through all samples; the first is compared, the second repeated, all are timed."""
    seconds: float = 5.0
    """No pass begins after so long."""
    memory_bytes: int = MEMORY_BYTES


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """`agreement.Difference` as it travels."""

    sample: str
    output: str
    largest: float | None
    limit: float
    unit: str
    agrees: bool
    judged: bool
    told: str


class Report(msgspec.Struct, kw_only=True):
    """What became of the model.  `trouble` is empty when it may be used."""

    runtime: str = ""
    file: str = ""
    package: str = ""
    trouble: str = ""
    golden: bool = False
    """The bundle has samples of its own."""
    repeats: bool = False
    """The second pass gave the same bits."""
    digests: dict[str, list[str]] = {}
    agreement: list[Agreement] = []
    latency_of: str = ""
    """The sample that takes longest."""
    latency_ms: list[float] = []
    """Of it, in every pass."""
    cpu_ms: list[float] = []
    """CPU time of the same."""
    budget_ms: float | None = None
    rss_before_bytes: int = 0
    rss_loaded_bytes: int = 0
    rss_peak_bytes: int = 0
    stderr: str = ""


class Stage(msgspec.Struct, frozen=True):
    """What the child does now; the last one told says where it died."""

    stage: str


def probe(
    folder: Path,
    *,
    runtime: Runtime,
    file: str,
    digest: str = "",
    threads: int = 1,
    passes: int = 3,
    seconds: float = 5.0,
    timeout_s: float = TIMEOUT_S,
    memory_bytes: int = MEMORY_BYTES,
) -> Report:
    """Load a bundle elsewhere, run its samples, and say how it was.  Never raises for the model."""
    request = Request(
        folder=str(folder),
        runtime=runtime,
        file=file,
        digest=digest,
        threads=threads,
        passes=passes,
        seconds=seconds,
        memory_bytes=memory_bytes,
    )
    with tempfile.TemporaryFile() as errors:
        child = start(request, errors)
        try:
            told, _ = child.communicate(timeout=timeout_s)
            report = read_report(told, child.returncode)
        except subprocess.TimeoutExpired:
            child.kill()
            told, _ = child.communicate()
            report = Report(trouble=f"{_during(told)} did not end within {timeout_s:g} s")
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
        report.stderr = _tail(errors)
    return msgspec.structs.replace(report, runtime=runtime, file=file)


def start(request: Request, errors: IO[bytes]) -> subprocess.Popen[bytes]:
    """The child; it reports on its stdout."""
    command = [sys.executable, "-m", "edge_runtime.inference.trust.probe"]
    return subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [*command, msgspec.json.encode(request).decode()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


def read_report(told: bytes, code: int) -> Report:
    """The child's last line; or, where it died, in what and of what."""
    lines = told.splitlines()
    if code == 0 and lines:
        try:
            return msgspec.json.decode(lines[-1], type=Report)
        except msgspec.DecodeError:
            return Report(trouble="the probe process told nothing that can be read")
    return Report(trouble=f"{_during(told)} {_end_of(code)}")


def _end_of(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code} and no report"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    used_up = " after all the time that it may use" if name == "SIGXCPU" else ""
    return f"crashed ({name}){used_up}"


def _during(told: bytes) -> str:
    """``the probe process, loading the model,``."""
    for line in reversed(told.splitlines()):
        try:
            stage = msgspec.json.decode(line, type=Stage).stage
        except msgspec.DecodeError:
            continue
        return f"the probe process, {stage},"
    return "the probe process"


def _tail(file: IO[bytes]) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - KEPT_STDERR_BYTES))
    return file.read().decode("utf-8", "replace").strip()
