"""ONNX Runtime behind the `Engine` seam.  The only importer of onnxruntime.

One session is shared by all runners of a model: `run` is thread-safe and gives the GIL back.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.errors import ItemError, ModelError
from edge_runtime.inference.engines.library_words import in_one_line
from edge_runtime.inference.engines.tensors import Tensor
from edge_runtime.inference.files.onnx_weights import can_saturate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(uint16)": np.uint16,
    "tensor(int16)": np.int16,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}
_SEVERITY_ERROR = 3


class OnnxEngine:
    """A loaded session; satisfies `protocols.Engine`.  `infer`: any thread, several at a time."""

    def __init__(self, model: bytes, name: str, *, threads: int = 1) -> None:
        """Load from bytes that were checked before; `name` is for messages.

        Holds the GIL until the session is made.  Raises `ModelError`.
        """
        self._session: Any = _open_session(model, name, threads)
        self._inputs = [_tensor(node, name) for node in self._session.get_inputs()]
        self._outputs = [_tensor(node, name) for node in self._session.get_outputs()]
        self._names = [spec.name for spec in self._inputs]

    @property
    def inputs(self) -> Sequence[Tensor]:
        """The model's inputs in order."""
        return self._inputs

    @property
    def outputs(self) -> Sequence[Tensor]:
        """The model's outputs in order."""
        return self._outputs

    def infer(self, tensors: Sequence[NDArray[np.generic]]) -> list[NDArray[np.generic]]:
        """Run once.  Raises `ItemError`, also after `close`.  The result is the caller's."""
        session = self._session
        if session is None:
            raise ItemError("inference failed: the model was closed")
        try:
            feeds = dict(zip(self._names, tensors, strict=True))
            found: list[NDArray[np.generic]] = session.run(None, feeds)
        except Exception as exc:  # the library has a class of its own for every failure
            raise ItemError(f"inference failed: {in_one_line(exc)}") from exc
        return found

    def for_thread(self) -> OnnxEngine:
        """An engine for one more thread: this one."""
        return self

    def reset(self) -> None:
        """Nothing: a session remembers nothing between runs."""

    def close(self) -> None:
        """Let go of the session; a run in flight finishes.  Idempotent."""
        self._session = None


def _open_session(model: bytes, name: str, threads: int) -> Any:  # noqa: ANN401 - untyped library
    # Read when the library is loaded: else it keeps a device id and events in the home folder, and
    # sends them when there is a network.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime
    except ImportError as exc:
        raise ModelError(f"{name}: onnxruntime is not installed (pip install onnxruntime)") from exc
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Spinning threads cost 2.5 to 6 times the CPU of the work itself on a paced line.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    if can_saturate(model):
        options.add_session_config_entry("session.x64quantprecision", "1")
    options.enable_mem_pattern = False  # 20 MB less for the same speed
    options.log_severity_level = _SEVERITY_ERROR
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as exc:  # as in infer()
        raise ModelError(f"{name}: ONNX Runtime refuses it: {in_one_line(exc)}") from exc


def _tensor(node: Any, name: str) -> Tensor:  # noqa: ANN401 - untyped library
    if node.type not in _DTYPES:
        raise ModelError(f"{name}: '{node.name}' is a {node.type}, which is not supported")
    sizes = tuple(size if isinstance(size, int) and size > 0 else None for size in node.shape)
    return Tensor(str(node.name), sizes, np.dtype(_DTYPES[node.type]))
