"""ONNX Runtime behind the `Engine` seam.  The only importer of onnxruntime.

One session is shared by all runners of a model: `run` is thread-safe and gives the GIL back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.errors import ItemError, ModelError
from edge_runtime.inference.tensors import Tensor

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
    """A loaded session.  `infer`: any thread."""

    def __init__(self, model: bytes, name: str, *, threads: int = 1) -> None:
        """Load from bytes that were hashed before; `name` is for messages.  Raises `ModelError`."""
        try:
            import onnxruntime
        except ImportError as exc:
            raise ModelError(
                f"{name}: onnxruntime is not installed (pip install onnxruntime)"
            ) from exc
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Spinning threads cost 2.5 to 6 times the CPU of the work itself on a paced line.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.enable_mem_pattern = False  # 20 MB less for the same speed
        options.log_severity_level = _SEVERITY_ERROR
        try:
            self._session = onnxruntime.InferenceSession(
                model, options, providers=["CPUExecutionProvider"]
            )
        except Exception as exc:  # the library has a class of its own for every failure
            raise ModelError(f"{name}: ONNX Runtime refuses it: {_first_line(exc)}") from exc
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
        """Run once.  Raises `ItemError`."""
        try:
            found: list[NDArray[np.generic]] = self._session.run(
                None, dict(zip(self._names, tensors, strict=True))
            )
        except Exception as exc:  # as above
            raise ItemError(f"inference failed: {_first_line(exc)}") from exc
        return found

    def for_thread(self) -> OnnxEngine:
        """An engine for one more thread: this one."""
        return self

    def close(self) -> None:
        """Let go of the session."""
        self._session = None


def _tensor(node: object, name: str) -> Tensor:
    kind, shape = getattr(node, "type"), getattr(node, "shape")  # noqa: B009 - untyped library
    if kind not in _DTYPES:
        raise ModelError(f"{name}: '{getattr(node, 'name')}' is a {kind}, which is not supported")  # noqa: B009
    sizes = tuple(size if isinstance(size, int) and size > 0 else None for size in shape)
    return Tensor(str(getattr(node, "name")), sizes, np.dtype(_DTYPES[kind]))  # noqa: B009


def _first_line(exc: Exception) -> str:
    lines = str(exc).strip().splitlines()
    return lines[0][:300] if lines else type(exc).__name__
