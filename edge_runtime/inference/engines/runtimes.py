"""The libraries that run models: what each reads, which are installed, which one a bundle gets.

Nothing here loads any of them.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Literal, get_args

from edge_runtime.errors import ModelError
from edge_runtime.inference.engines.packages import version_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge_runtime.types import RuntimeChoice

Runtime = Literal["onnxruntime", "litert", "openvino"]

RUNTIMES: tuple[Runtime, ...] = get_args(Runtime)
READS: dict[Runtime, tuple[str, ...]] = {
    "onnxruntime": (".onnx",),
    "litert": (".tflite",),
    "openvino": (".onnx", ".tflite", ".xml"),
}
"""Endings of the files that each takes."""
FIRST: dict[str, Runtime] = {".onnx": "onnxruntime", ".tflite": "litert", ".xml": "openvino"}
"""The runtime that ``auto`` means for a file: the one that its format was made for."""
_PACKAGES: dict[Runtime, tuple[tuple[str, str], ...]] = {
    "onnxruntime": (("onnxruntime", "onnxruntime"),),
    "litert": (("ai_edge_litert", "ai-edge-litert"), ("tflite_runtime", "tflite-runtime")),
    "openvino": (("openvino", "openvino"),),
}
"""(module, package), by preference."""


def package_of(runtime: Runtime) -> str:
    """``ai-edge-litert 2.3.0``: the package that stands for the runtime; empty: none is there."""
    for module, package in _PACKAGES[runtime]:
        if importlib.util.find_spec(module) is not None:
            return f"{package} {version_of(package) or '(unknown version)'}"
    return ""


def is_installed(runtime: Runtime) -> bool:
    """Whether its library can be found."""
    return bool(package_of(runtime))


def ending_of(file: str) -> str:
    """``.onnx`` of ``model.onnx``."""
    return file[file.rfind(".") :].lower() if "." in file else ""


def choose(
    files: Sequence[str],
    wanted: RuntimeChoice,
    *,
    installed: Callable[[Runtime], bool] = is_installed,
) -> tuple[str, Runtime]:
    """(file, runtime) out of a bundle's files of the same network, the preferred first.

    ``auto``: the first file whose own runtime is installed; where there is none, the first file
    with the runtime that is missing, so that loading says what to install.  A named runtime: the
    first file that it reads.  Raises `ModelError` when it reads none.
    """
    if wanted == "auto":
        for file in files:
            if installed(FIRST[ending_of(file)]):
                return file, FIRST[ending_of(file)]
        return files[0], FIRST[ending_of(files[0])]
    for file in files:
        if ending_of(file) in READS[wanted]:
            return file, wanted
    raise ModelError(
        f"runtime {wanted} reads {' and '.join(READS[wanted])}; the bundle has {', '.join(files)}"
    )


def able(
    files: Sequence[str], *, installed: Callable[[Runtime], bool] = is_installed
) -> list[tuple[str, Runtime]]:
    """Every (file, runtime) that can be run on this box, in the order of `files`."""
    return [
        (file, runtime)
        for file in files
        for runtime in RUNTIMES
        if ending_of(file) in READS[runtime] and installed(runtime)
    ]
