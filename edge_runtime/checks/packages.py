"""The packages, and by name the traps that users have been caught in."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edge_runtime.checks.probe import import_errors
from edge_runtime.checks.result import CheckResult, Status
from edge_runtime.config import WebhookOutput

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_runtime.config import Config

OPENCVS = (
    "opencv-python-headless",
    "opencv-python",
    "opencv-contrib-python-headless",
    "opencv-contrib-python",
)
ONNXRUNTIMES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino")
VADS = ("webrtcvad-wheels", "webrtcvad")
LITERTS = ("ai-edge-litert", "tflite-runtime")
MIN_ONNXRUNTIME = (1, 25)


@dataclass(frozen=True, slots=True)
class Library:
    """Something we import, and the packages that can provide it, the best first."""

    module: str
    packages: tuple[str, ...]
    use: str = ""
    """What of a station needs it, as `uses` names it; empty: every one does."""


LIBRARIES = (
    Library("numpy", ("numpy",)),
    Library("cv2", OPENCVS, "pictures"),
    Library("simplejpeg", ("simplejpeg",), "pictures"),
    Library("onnxruntime", ONNXRUNTIMES),
    Library("ai_edge_litert.interpreter", ("ai-edge-litert",)),
    Library("webrtcvad", VADS, "webrtc"),
    Library("sounddevice", ("sounddevice",), "microphone"),
    Library("soundfile", ("soundfile",), "sound"),
    Library("soxr", ("soxr",), "sound"),
    Library("sqlite_utils", ("sqlite-utils",)),
    Library("urllib3", ("urllib3",), "network"),
    Library("starlette", ("starlette",), "collector"),
    Library("uvicorn", ("uvicorn",), "collector"),
    Library("psutil", ("psutil",)),
)
_SYMPTOMS = (
    # (module, part of the error, what to do)
    ("cv2", "libGL", "this build needs X11 and GL: {swap}"),
    ("cv2", "libxcb", "this build needs X11 and GL: {swap}"),
    ("cv2", "libgthread", "this build needs X11 and GL: {swap}"),
    ("cv2", "numpy", "this build is for another numpy: {swap}"),
    ("webrtcvad", "pkg_resources", "setuptools 82 took pkg_resources away: {swap}"),
    ("sounddevice", "PortAudio", "apt install libportaudio2"),
    ("soundfile", "sndfile", "apt install libsndfile1"),
)


def packages(config: Config | None = None) -> Iterator[CheckResult]:
    """Every library we use: there, importable, and not one of the known traps.

    What this config has no use for does not fail it.
    """
    used = None if config is None else uses(config)
    installed = {
        package: version
        for names in (*(library.packages for library in LIBRARIES), LITERTS)
        for package in names
        if (version := _version(package))
    }
    errors = import_errors([library.module for library in LIBRARIES])
    for library in LIBRARIES:
        told = judge(library, installed, errors.get(library.module, "was not tried"))
        yield excused(told, library, used)
    yield from conflicts(installed)


def uses(config: Config) -> frozenset[str]:
    """What of `Library.use` a station has."""
    found = set()
    for lane in config.lanes.values():
        found.add("pictures" if lane.is_camera else "sound")
        if not lane.is_camera and lane.gate.vad == "webrtc":
            found.add("webrtc")
        if any(view.source.startswith("microphone:") for view in lane.all_views.values()):
            found.add("microphone")
    hooks = any(isinstance(output, WebhookOutput) for output in config.outputs.values())
    if config.sync is not None or hooks:
        found.add("network")
    return frozenset(found)


def excused(told: CheckResult, library: Library, used: frozenset[str] | None) -> CheckResult:
    """The same, but no `fail` where nothing here needs it.

    Without a config (`used` None) it is a `warn` where only some stations do.
    """
    if told.status is not Status.FAIL or not library.use:
        return told
    if used is None:
        return replace(told, status=Status.WARN)
    if library.use in used:
        return told
    detail = f"not needed by this config ({told.detail})"
    return replace(told, status=Status.SKIP, detail=detail, hint="")


def judge(library: Library, installed: dict[str, str], error: str) -> CheckResult:
    """One library, by what is installed and by its import error (empty: it imports)."""
    best = library.packages[0]
    there = [package for package in library.packages if package in installed]
    name = there[0] if there else best
    version = installed.get(name, "not installed")
    if error:
        return CheckResult(best, Status.FAIL, f"{version}: {error}", _cure(library, there, error))
    if library.module == "onnxruntime" and numbers(version) < MIN_ONNXRUNTIME:
        hint = f"pip install '{name}>=1.25': older ones read any file through external data"
        return CheckResult(best, Status.FAIL, version, hint)
    return CheckResult(best, Status.OK, version if name == best else f"{version} ({name})")


def conflicts(installed: dict[str, str]) -> Iterator[CheckResult]:
    """Packages that are installed over each other, and one that cannot work."""
    for names in (OPENCVS, ONNXRUNTIMES, VADS):
        there = [package for package in names if package in installed]
        if len(there) > 1:
            hint = f"pip uninstall -y {' '.join(there)}; pip install {names[0]}"
            detail = f"{' and '.join(there)} are installed over each other: which one works is luck"
            yield CheckResult(f"{names[0]} twice", Status.FAIL, detail, hint)
    tflite = installed.get("tflite-runtime")
    if tflite and "ai-edge-litert" not in installed and numbers(installed["numpy"]) >= (2,):
        detail = f"{tflite} imports, but cannot run with numpy {installed['numpy']}"
        yield CheckResult("tflite-runtime", Status.FAIL, detail, "pip install ai-edge-litert")


def _cure(library: Library, there: list[str], error: str) -> str:
    wrong = [package for package in there if package != library.packages[0]]
    swap = f"pip install {library.packages[0]}"
    if wrong:
        swap = f"pip uninstall -y {' '.join(wrong)}; {swap}"
    for module, part, cure in _SYMPTOMS:
        if module == library.module and part in error:
            return cure.format(swap=swap)
    return swap if not there or wrong else f"pip install --force-reinstall {there[0]}"


def numbers(version: str) -> tuple[int, ...]:
    """Major and minor of a version, for comparing; empty when there is none."""
    return tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
