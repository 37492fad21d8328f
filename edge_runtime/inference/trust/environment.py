"""What a model's answer to the last bit depends on, on this box."""

from __future__ import annotations

import functools
import hashlib
import platform
from pathlib import Path

from edge_runtime import __version__
from edge_runtime.inference.engines.packages import version_of
from edge_runtime.inference.engines.runtimes import Runtime, package_of
from edge_runtime.inference.trust.golden.index import Recorded

_LIBRARIES = ("numpy", "opencv-python-headless", "soxr", "soundfile")
"""On the way from a file to a tensor."""
_PROCESSOR_KEYS = frozenset({
    "vendor_id", "cpu family", "model", "model name", "stepping", "flags",  # x86
    "CPU implementer", "CPU architecture", "CPU variant", "CPU part", "CPU revision", "Features",
})  # fmt: skip
_KERNELS = ("avx512_vnni", "avx_vnni", "avx512f", "avx2", "asimddp", "i8mm", "sve")
"""Flags for which runtimes have code of their own that rounds or saturates in its own way."""


def environment_of(runtime: Runtime, file: str, *, threads: int) -> dict[str, str]:
    """Key -> value; a record holds for exactly these."""
    libraries = ", ".join(f"{name} {version_of(name) or 'none'}" for name in _LIBRARIES)
    return {
        "runtime": package_of(runtime),
        "file": file,
        "threads": str(threads),
        "processor": _processor()[0],
        "libraries": libraries,
        "edge_runtime": f"{__version__} {_code()}",
    }


def recorded_here(runtime: Runtime, file: str) -> Recorded:
    """What golden samples recorded here would say."""
    return Recorded(file=file, runtime=runtime, package=package_of(runtime), kernels=kernels())


def kernels() -> str:
    """``x86_64 avx2 avx512f``: the kind of processor, as far as arithmetic goes."""
    flags = _processor()[1]
    return " ".join([platform.machine(), *(name for name in _KERNELS if name in flags)])


@functools.cache
def _processor() -> tuple[str, frozenset[str]]:
    """(name and hash of what tells processors apart, flags)."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    pairs = [(key.strip(), value.strip()) for key, _, value in (s.partition(":") for s in lines)]
    told = {(key, value) for key, value in pairs if key in _PROCESSOR_KEYS}
    name = next((value for key, value in pairs if key == "model name"), platform.machine())
    digest = hashlib.sha256(repr(sorted(told)).encode()).hexdigest()[:16]
    flags = {flag for key, v in told if key in ("flags", "Features") for flag in v.split()}
    return f"{name} {digest}", frozenset(flags)


@functools.cache
def _code() -> str:
    """Of the inference package's own arithmetic: an edit in a source tree is a new version."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
