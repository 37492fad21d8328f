"""Which runtime a model file needs, and its checks.  Another runtime is added here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from edge_runtime.inference.engines.onnx import OnnxEngine
from edge_runtime.inference.engines.openvino import OpenvinoEngine
from edge_runtime.inference.engines.runtimes import choose
from edge_runtime.inference.engines.tflite import TfliteEngine, without_delegate_line
from edge_runtime.inference.files.onnx_static import check_onnx
from edge_runtime.inference.files.openvino_static import check_ir
from edge_runtime.inference.files.tflite_static import check_tflite

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from edge_runtime.inference.engines.tensors import Tensor
    from edge_runtime.types import RuntimeChoice


class ThreadEngine(Protocol):
    """`protocols.Engine` that can make one for another thread."""

    @property
    def inputs(self) -> Sequence[Tensor]:
        """The model's inputs in order."""
        ...

    @property
    def outputs(self) -> Sequence[Tensor]:
        """The model's outputs in order."""
        ...

    def infer(self, tensors: Sequence[NDArray[np.generic]]) -> list[NDArray[np.generic]]:
        """Run once; raises `ItemError`.  The result is the caller's."""
        ...

    def for_thread(self) -> ThreadEngine:
        """This one where several threads may infer at a time, else another one.

        Raises `ModelError`.
        """
        ...

    def reset(self) -> None:
        """Forget what the model remembers of earlier runs."""
        ...

    def close(self) -> None:
        """Free the model.  Idempotent."""
        ...


def open_engine(
    model: bytes,
    name: str,
    *,
    threads: int = 1,
    batch: int = 1,
    runtime: RuntimeChoice = "auto",
    weights: bytes = b"",
) -> ThreadEngine:
    """Check `model`, whose hash is known to be right, and load it.

    `name` ends in ``.onnx``, ``.tflite`` or ``.xml``; the latter has its `weights` beside it.  To
    be called while no other thread runs.  Raises `ModelError`; no native code has seen the file
    when a static check refuses it.
    """
    check_static(model, name, weights=weights)
    _, chosen = choose([name], runtime)
    if chosen == "openvino":
        return OpenvinoEngine(model, name, weights=weights, threads=threads, batch=batch)
    if chosen == "onnxruntime":
        return OnnxEngine(model, name, threads=threads)
    with without_delegate_line():
        return TfliteEngine(model, name, threads=threads, batch=batch)


def check_static(model: bytes, name: str, *, weights: bytes = b"") -> None:
    """What can be refused without native code.  Raises `ModelError`."""
    if name.endswith(".onnx"):
        check_onnx(model, name)
    elif name.endswith(".xml"):
        check_ir(model, weights, name)
    else:
        check_tflite(model, name)
