"""LiteRT (or an installed tflite_runtime) behind the `Engine` seam.  The only importer of either.

The classic `Interpreter`, loaded from bytes: the newer `CompiledModel` crashes on damaged files.  An
interpreter belongs to one thread, so each runner gets its own.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.errors import ItemError, ModelError
from edge_runtime.inference.tensors import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray


class TfliteEngine:
    """One interpreter.  Owned by one thread after loading."""

    def __init__(self, model: bytes, name: str, *, threads: int = 1) -> None:
        """Load from bytes that were hashed before; `name` is for messages.  Raises `ModelError`."""
        self._model, self._name, self._threads = model, name, threads
        interpreter_class = _interpreter_class(name)
        try:
            with _quiet():
                self._interpreter = interpreter_class(model_content=model, num_threads=threads)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError, SystemError) as exc:
            raise ModelError(f"{name}: LiteRT refuses it: {_told(exc)}") from exc
        given, made = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        self._inputs = [_tensor(detail) for detail in given]
        self._outputs = [_tensor(detail) for detail in made]
        self._input_at = [detail["index"] for detail in given]
        self._output_at = [detail["index"] for detail in made]

    @property
    def inputs(self) -> Sequence[Tensor]:
        """The model's inputs in order."""
        return self._inputs

    @property
    def outputs(self) -> Sequence[Tensor]:
        """The model's outputs in order."""
        return self._outputs

    def infer(self, tensors: Sequence[NDArray[np.generic]]) -> list[NDArray[np.generic]]:
        """Run once.  Raises `ItemError`.  One thread only."""
        try:
            for index, tensor in zip(self._input_at, tensors, strict=True):
                self._interpreter.set_tensor(index, tensor)
            self._interpreter.invoke()
            return [self._interpreter.get_tensor(index) for index in self._output_at]
        except (ValueError, RuntimeError) as exc:
            raise ItemError(f"inference failed: {_told(exc)}") from exc

    def for_thread(self) -> TfliteEngine:
        """An engine for one more thread: an interpreter of its own."""
        return TfliteEngine(self._model, self._name, threads=self._threads)

    def close(self) -> None:
        """Let go of the interpreter."""
        self._interpreter = None


def _interpreter_class(name: str) -> Any:  # noqa: ANN401 - one of two untyped libraries
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        try:
            from tflite_runtime.interpreter import Interpreter  # type: ignore[no-redef]
        except ImportError as exc:
            raise ModelError(
                f"{name}: no TFLite runtime is installed (pip install ai-edge-litert)"
            ) from exc
    return Interpreter


def _tensor(detail: dict[str, Any]) -> Tensor:
    scale, zero = detail["quantization"]
    shape = tuple(int(size) for size in detail["shape"])
    return Tensor(
        str(detail["name"]),
        shape,
        np.dtype(detail["dtype"]),
        (float(scale), int(zero)) if scale else None,
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the runtime's line about its delegate: it writes to descriptor 2 behind Python's back.

    Loading happens before a lane's threads start, so nobody else's line is lost.
    """
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _told(exc: Exception) -> str:
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    custom = [line for line in lines if "custom op" in line]
    return (custom or lines or [type(exc).__name__])[0][:300]
