"""What a TFLite file says of itself: inputs, outputs, metadata.  No native code runs on it.

Field indices are those of TensorFlow Lite's schema, version 3.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.errors import ModelError
from edge_runtime.inference.engines.tensors import Tensor
from edge_runtime.inference.files.flatbuffer import root
from edge_runtime.inference.files.tflite_static import IDENTIFIER, builtin_operator

if TYPE_CHECKING:
    from edge_runtime.inference.files.flatbuffer import Table

_MODEL_OPERATOR_CODES, _MODEL_SUBGRAPHS, _MODEL_DESCRIPTION = 1, 2, 3
_MODEL_BUFFERS, _MODEL_METADATA = 4, 6
_GRAPH_TENSORS, _GRAPH_INPUTS, _GRAPH_OUTPUTS, _GRAPH_OPERATORS = 0, 1, 2, 3
_TENSOR_SHAPE, _TENSOR_TYPE, _TENSOR_NAME = 0, 1, 3
_TENSOR_QUANTISATION, _TENSOR_OPEN_SHAPE = 4, 7
_QUANTISATION_SCALES, _QUANTISATION_ZEROS = 2, 3
_OPERATOR_CODE, _OPERATOR_INPUTS, _OPERATOR_OUTPUTS = 0, 1, 2
_METADATA_NAME, _METADATA_BUFFER = 0, 1
_BUFFER_DATA = 0
_DTYPES = {
    0: np.float32,
    1: np.float16,
    2: np.int32,
    3: np.uint8,
    4: np.int64,
    6: np.bool_,
    7: np.int16,
    9: np.int8,
    10: np.float64,
    16: np.uint16,
}
_INTEGERS = frozenset({3, 7, 9, 17})
_OPERATORS = {
    1: "Average pool",
    6: "Dequantize",
    9: "Fully connected",
    14: "Sigmoid",
    22: "Reshape",
    25: "Softmax",
    32: "Custom",
    39: "Transpose",
    43: "Squeeze",
    53: "Cast",
    114: "Quantize",
}
_KEEPS_VALUES = frozenset({"Dequantize", "Quantize", "Reshape", "Squeeze", "Cast", "Transpose"})
_LARGEST_AXIS = 1 << 31


@dataclass(frozen=True, slots=True)
class TfliteFile:
    """The outside of a model."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    description: str
    metadata: dict[str, bytes]
    """Name = the buffer's bytes; ``TFLITE_METADATA`` is TFLite Metadata's."""
    last_operators: dict[str, str]
    """output = the operator that computed it, operators that only move or store values left out;
    a number for one that has no name here."""
    is_quantised: bool
    """Any tensor is an integer of 4, 8 or 16 bits."""


def read_tflite(model: bytes, name: str) -> TfliteFile:
    """The outside of `model`.  Raises `ModelError`; `name` is for messages."""
    if model[4:8] != IDENTIFIER:
        raise ModelError(f"{name}: not a TFLite model: it has no TFL3 mark")
    try:
        return _read(root(model), name)
    except struct.error as exc:
        raise ModelError(f"{name}: a damaged TFLite model: it is cut short") from exc
    except (ValueError, IndexError) as exc:
        raise ModelError(f"{name}: a damaged TFLite model: {exc}") from exc


def _read(model: Table, name: str) -> TfliteFile:
    graphs = model.tables(_MODEL_SUBGRAPHS)
    if not graphs:
        raise ValueError("it has no graph")
    graph = graphs[0]
    tensors = graph.tables(_GRAPH_TENSORS)
    inputs, outputs = (
        graph.integers(_GRAPH_INPUTS, "<i"),
        graph.integers(_GRAPH_OUTPUTS, "<i"),
    )
    if not inputs or not outputs or not all(0 <= at < len(tensors) for at in inputs + outputs):
        raise ValueError("its inputs or outputs are not among its tensors")
    made = _made(model, graph)
    return TfliteFile(
        inputs=tuple(_tensor(tensors[at], name) for at in inputs),
        outputs=tuple(_tensor(tensors[at], name) for at in outputs),
        description=model.text(_MODEL_DESCRIPTION),
        metadata=_metadata(model),
        is_quantised=any(t.integer(_TENSOR_TYPE, "<b") in _INTEGERS for t in tensors),
        last_operators={tensors[at].text(_TENSOR_NAME): _last(made, at) for at in outputs},
    )


def _tensor(tensor: Table, name: str) -> Tensor:
    tensor_name = tensor.text(_TENSOR_NAME)
    kind = tensor.integer(_TENSOR_TYPE, "<b")
    if kind not in _DTYPES:
        raise ModelError(f"{name}: '{tensor_name}' holds no numbers, which is not supported")
    open_shape = tensor.integers(_TENSOR_OPEN_SHAPE, "<i")
    sizes = open_shape or tensor.integers(_TENSOR_SHAPE, "<i")
    quantisation = None
    parameters = tensor.table(_TENSOR_QUANTISATION)
    if parameters is not None:
        scales = parameters.numbers(_QUANTISATION_SCALES, "<f")
        zeros = parameters.integers(_QUANTISATION_ZEROS, "<q")
        if len(scales) == 1 and scales[0] > 0:
            quantisation = (scales[0], zeros[0] if zeros else 0)
    return Tensor(
        tensor_name,
        tuple(size if 0 < size < _LARGEST_AXIS else None for size in sizes),
        np.dtype(_DTYPES[kind]),
        quantisation,
    )


def _metadata(model: Table) -> dict[str, bytes]:
    buffers = model.tables(_MODEL_BUFFERS)
    found = {}
    for entry in model.tables(_MODEL_METADATA):
        at = entry.integer(_METADATA_BUFFER, "<I")
        if at < len(buffers):
            found[entry.text(_METADATA_NAME)] = buffers[at].blob(_BUFFER_DATA)
    return found


def _made(model: Table, graph: Table) -> dict[int, tuple[str, int]]:
    """A tensor: (operator, the operator's first input)."""
    codes = [builtin_operator(code) for code in model.tables(_MODEL_OPERATOR_CODES)]
    made = {}
    for operator in graph.tables(_GRAPH_OPERATORS):
        code = codes[operator.integer(_OPERATOR_CODE, "<I")]
        inputs = operator.integers(_OPERATOR_INPUTS, "<i")
        for output in operator.integers(_OPERATOR_OUTPUTS, "<i"):
            made[output] = (_OPERATORS.get(code, str(code)), inputs[0] if inputs else -1)
    return made


def _last(made: dict[int, tuple[str, int]], tensor: int) -> str:
    seen = set[int]()
    while tensor in made and made[tensor][0] in _KEEPS_VALUES and tensor not in seen:
        seen.add(tensor)
        tensor = made[tensor][1]
    return made[tensor][0] if tensor in made else ""
