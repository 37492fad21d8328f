"""OpenVINO behind the `Engine` seam, where it is installed.  The only importer of openvino.

It reads ONNX, TFLite and its own IR.  Each engine compiles the model for itself and has one infer
request: one thread at a time.  Its answers are close to those of the runtime that a format was made
for, but not the same: for quantised TFLite it computes with what the steps stand for.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.errors import ItemError, ModelError
from edge_runtime.inference.engines.tensors import Tensor
from edge_runtime.inference.files.onnx_static import names_of
from edge_runtime.inference.files.tflite_static import IDENTIFIER
from edge_runtime.inference.files.tflite_tensors import tensors_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from numpy.typing import NDArray

_TELEMETRY = "openvino_telemetry"


class OpenvinoEngine:
    """A compiled model with one infer request; satisfies `protocols.Engine`.  One thread."""

    _network: Any
    _compiled: Any
    _request: Any

    def __init__(
        self, model: bytes, name: str, *, weights: bytes = b"", threads: int = 1, batch: int = 1
    ) -> None:
        """Load from bytes that were checked before; `weights`: the ``.bin`` of an IR.

        `batch`: size of the first axis of a TFLite model that leaves it open; `name` is for
        messages.  Raises `ModelError`.
        """
        openvino = _import(name)
        self._threads = threads
        self._core: Any = openvino.Core()
        told = tensors_of(model, name) if name.endswith(".tflite") else ([], [])
        try:
            network: Any = _read(self._core, model, weights)
            _close_batch(network, told[0], batch, openvino)
            inputs, outputs = network.inputs, network.outputs
            self._network = network
            self._compile()
        except Exception as exc:  # the library raises RuntimeError for nearly everything
            raise ModelError(f"{name}: OpenVINO refuses it: {_told(exc)}") from exc
        names = names_of(model) if name.endswith(".onnx") else [[t.name for t in s] for s in told]
        # Compiled, a tensor that nothing changes has the names of what it is copied to as well.
        self._input_order = _order(inputs, names[0], name)
        self._output_order = _order(outputs, names[1], name)
        quantised = {spec.name: spec.quantisation for spec in (*told[0], *told[1])}
        self._inputs = _tensors(self._compiled.inputs, self._input_order, names[0], quantised)
        self._outputs = _tensors(self._compiled.outputs, self._output_order, names[1], quantised)

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
        request = self._request
        if request is None:
            raise ItemError("inference failed: the model was closed")
        if len(tensors) != len(self._inputs):
            raise ItemError(f"inference failed: {len(tensors)} tensors for {len(self._inputs)}")
        for spec, tensor in zip(self._inputs, tensors, strict=True):
            # The library would convert what does not fit instead of refusing it.
            if tensor.dtype != spec.dtype or not spec.accepts(tensor.shape):
                found = f"{list(tensor.shape)} {tensor.dtype}"
                raise ItemError(f"inference failed: the model takes {spec}, not {found}")
        feeds = dict(zip(self._input_order, tensors, strict=True))
        try:
            made = request.infer(feeds, share_inputs=False, share_outputs=False)
        except Exception as exc:  # as above
            raise ItemError(f"inference failed: {_told(exc)}") from exc
        return [np.array(made[at]) for at in self._output_order]

    def for_thread(self) -> OpenvinoEngine:
        """An engine for one more thread: compiled again, so that both really run at a time."""
        other = OpenvinoEngine.__new__(OpenvinoEngine)
        other.__dict__.update(self.__dict__)
        other._compile()  # noqa: SLF001 - our own class
        return other

    def reset(self) -> None:
        """Variables inside the model are as in the file again."""
        if self._request is not None:
            self._request.reset_state()

    def close(self) -> None:
        """Let go of the model.  Idempotent."""
        self._request = self._compiled = self._network = None

    def _compile(self) -> None:
        settings = {
            "INFERENCE_PRECISION_HINT": "f32",  # else bfloat16 on processors that have it
            "INFERENCE_NUM_THREADS": self._threads,
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,  # lanes would sit on the same core
        }
        self._compiled = self._core.compile_model(self._network, "CPU", settings)
        self._request = self._compiled.create_infer_request()


def _import(name: str) -> ModuleType:
    """The library without its telemetry, which would keep an id in the home folder and send."""
    hides = "openvino" not in sys.modules and _TELEMETRY not in sys.modules
    if hides:
        sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # "there is no such module"
    try:
        import openvino
    except ImportError as exc:
        raise ModelError(
            f"{name}: openvino is not installed (pip install edge-runtime[openvino])"
        ) from exc
    finally:
        if hides:
            del sys.modules[_TELEMETRY]
    module: ModuleType = openvino
    return module


def _read(core: Any, model: bytes, weights: bytes) -> Any:  # noqa: ANN401 - untyped library
    if model[4:8] != IDENTIFIER:
        return core.read_model(model, weights) if weights else core.read_model(model)
    # TFLite is read from files only: from a private copy of the bytes, gone at once.
    with tempfile.TemporaryDirectory(prefix="edge-runtime-") as folder:  # 0700
        copy = Path(folder) / "model.tflite"
        with os.fdopen(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(model)
        return core.read_model(copy)


def _close_batch(network: Any, told: Sequence[Tensor], batch: int, openvino: Any) -> None:  # noqa: ANN401
    """As the classic interpreter does: an open first axis is `batch`, others are as in the file."""
    shapes = {}
    sizes_of = {spec.name: spec.shape for spec in told}
    for port in network.inputs:
        sizes = next((sizes_of[name] for name in port.names if name in sizes_of), None)
        if sizes is None or not port.partial_shape.is_dynamic:
            continue
        is_open = bool(sizes) and port.partial_shape[0].is_dynamic
        closed = [batch if is_open else sizes[0], *sizes[1:]] if sizes else []
        shapes[port] = openvino.PartialShape(closed)
    if shapes:
        network.reshape(shapes)


def _order(ports: Sequence[Any], names: Sequence[str], name: str) -> list[int]:
    """The port of each of the file's tensors, where the file tells them; else as they come."""
    order = [
        at for wanted in names for at, port in enumerate(ports) if wanted in port.names
    ] or list(range(len(ports)))
    if sorted(order) != list(range(len(ports))):
        raise ModelError(f"{name}: OpenVINO has other tensors than the file: {', '.join(names)}")
    return order


def _tensors(
    ports: Sequence[Any],
    order: Sequence[int],
    names: Sequence[str],
    quantised: dict[str, tuple[float, int] | None],
) -> list[Tensor]:
    """What the compiled ports take and make, in the file's order and by its names."""
    made = []
    for index, at in enumerate(order):
        port = ports[at]
        name = names[index] if names else next(iter(sorted(port.names)), "")
        sizes = tuple(None if axis.is_dynamic else axis.get_length() for axis in port.partial_shape)
        dtype = np.dtype(port.element_type.to_dtype())
        made.append(Tensor(name, sizes, dtype, quantised.get(name)))
    return made


_USELESS = ("Exception from", "Check '", "To facilitate the conversion")


def _told(exc: Exception) -> str:
    """The last line that says something: the library puts where in its source it was first."""
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    useful = [line for line in lines if not line.startswith(_USELESS)]
    return (useful or lines or [type(exc).__name__])[-1][:300]
