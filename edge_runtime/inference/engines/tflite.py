"""LiteRT (or an installed tflite_runtime) behind the `Engine` seam.  The only importer of either.

The classic `Interpreter`, loaded from bytes: the newer `CompiledModel` crashes on damaged files.
An interpreter belongs to one thread, so each runner gets its own.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.errors import ItemError, ModelError
from edge_runtime.inference.engines.tensors import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

_DELEGATE_LINE = b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU."


class TfliteEngine:
    """One interpreter; satisfies `protocols.Engine`.  One thread at a time."""

    def __init__(self, model: bytes, name: str, *, threads: int = 1, batch: int = 1) -> None:
        """Load from bytes that were checked before; `name` is for messages.

        `batch`: size of the first axis, where the model leaves it open.  Other open axes follow
        the tensors that are given to `infer`.  Raises `ModelError`.
        """
        self._model, self._name, self._threads, self._batch = model, name, threads, batch
        self._interpreter: Any = _open_interpreter(model, name, threads, batch)
        details = self._interpreter.get_tensor_details()
        self._has_resources = any(detail["dtype"] is np.object_ for detail in details)
        given, made = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        self._inputs = [_tensor(detail, name) for detail in given]
        self._outputs = [_tensor(detail, name) for detail in made]
        self._input_at = [int(detail["index"]) for detail in given]
        self._output_at = [int(detail["index"]) for detail in made]
        self._sizes = self._first_sizes = [
            tuple(int(size) for size in detail["shape"]) for detail in given
        ]

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
        interpreter = self._interpreter
        if interpreter is None:
            raise ItemError("inference failed: the model was closed")
        try:
            self._resize(interpreter, [tensor.shape for tensor in tensors])
            for index, tensor in zip(self._input_at, tensors, strict=True):
                interpreter.set_tensor(index, tensor)
            interpreter.invoke()
            return [interpreter.get_tensor(index) for index in self._output_at]
        except Exception as exc:  # mostly ValueError and RuntimeError; it promises neither
            raise ItemError(f"inference failed: {_told(exc)}") from exc

    def _resize(self, interpreter: Any, sizes: list[tuple[int, ...]]) -> None:  # noqa: ANN401
        """Lay the tensors out anew when an open axis has another size than before."""
        if sizes == self._sizes:
            return
        for index, spec, size in zip(self._input_at, self._inputs, sizes, strict=True):
            if spec.accepts(size):  # else set_tensor says what is wrong
                interpreter.resize_tensor_input(index, list(size), strict=True)
        interpreter.allocate_tensors()
        self._sizes = sizes

    def for_thread(self) -> TfliteEngine:
        """An engine for one more thread: an interpreter of its own, from the same bytes."""
        return TfliteEngine(self._model, self._name, threads=self._threads, batch=self._batch)

    def reset(self) -> None:
        """Variables inside the model are as in the file again."""
        if self._interpreter is None:
            return
        if self._has_resources:  # those that nothing but a new interpreter sets back
            self._interpreter = _open_interpreter(
                self._model, self._name, self._threads, self._batch
            )
            self._sizes = self._first_sizes
        else:
            self._interpreter.reset_all_variables()

    def close(self) -> None:
        """Let go of the interpreter.  Idempotent."""
        self._interpreter = None


@contextlib.contextmanager
def without_delegate_line() -> Iterator[None]:
    """Hold back the line that the runtime writes, once a process, when it first loads a model.

    It goes to descriptor 2 behind Python's back, which is the whole process's: use this only while
    no other thread runs.  Whatever else was written in the meantime follows afterwards.
    """
    kept = os.dup(2)
    held = os.memfd_create("stderr")
    os.dup2(held, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.lseek(held, 0, os.SEEK_SET)
        with os.fdopen(held, "rb") as file:
            rest = [line for line in file if line.strip() != _DELEGATE_LINE]
        if rest:
            os.write(2, b"".join(rest))


def _open_interpreter(model: bytes, name: str, threads: int, batch: int) -> Any:  # noqa: ANN401
    interpreter_class = _interpreter_class(name)
    try:
        interpreter = interpreter_class(model_content=model, num_threads=threads)
        for detail in interpreter.get_input_details():
            shape, open_shape = detail["shape"], detail["shape_signature"]
            if batch > 1 and len(open_shape) and open_shape[0] == -1:
                sizes = [batch, *(int(size) for size in shape[1:])]
                interpreter.resize_tensor_input(detail["index"], sizes, strict=True)
        interpreter.allocate_tensors()
    except SystemError as exc:
        raise ModelError(
            f"{name}: tflite_runtime does not work with numpy 2; install ai-edge-litert"
        ) from exc
    except (ValueError, RuntimeError) as exc:
        raise ModelError(f"{name}: LiteRT refuses it: {_told(exc)}") from exc
    return interpreter


def _interpreter_class(name: str) -> Any:  # noqa: ANN401 - one of two untyped libraries
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        try:
            from tflite_runtime.interpreter import Interpreter
        except ImportError as exc:
            raise ModelError(
                f"{name}: no TFLite runtime is installed (pip install ai-edge-litert)"
            ) from exc
    return Interpreter


def _tensor(detail: dict[str, Any], name: str) -> Tensor:
    if len(detail["quantization_parameters"]["scales"]) > 1:
        raise ModelError(
            f"{name}: '{detail['name']}' is quantised channel by channel, which inputs and outputs "
            "cannot be"
        )
    scale, zero = detail["quantization"]
    # The first axis is the batch, which was fixed when the model was opened.
    shape = tuple(
        None if axis and int(open_size) == -1 else int(size)
        for axis, (size, open_size) in enumerate(
            zip(detail["shape"], detail["shape_signature"], strict=True)
        )
    )
    quantisation = (float(scale), int(zero)) if scale else None
    return Tensor(str(detail["name"]), shape, np.dtype(detail["dtype"]), quantisation)


def _told(exc: Exception) -> str:
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    custom = [line for line in lines if "custom op" in line]
    return (custom or lines or [type(exc).__name__])[0][:300]
