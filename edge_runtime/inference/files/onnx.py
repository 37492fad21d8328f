"""What an ONNX file says of itself: inputs, outputs, metadata.  No native code runs on it.

Field numbers are those of onnx.proto3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_runtime.errors import ModelError
from edge_runtime.inference.engines.tensors import Tensor
from edge_runtime.inference.files.protobuf import decoded, messages, number, parts, text

_MODEL_PRODUCER, _MODEL_GRAPH, _MODEL_OPSETS, _MODEL_METADATA = 2, 7, 8, 14
_OPSET_DOMAIN, _OPSET_VERSION = 1, 2
_KEY, _VALUE = 1, 2
_GRAPH_NODES, _GRAPH_INITIALIZERS, _GRAPH_INPUTS, _GRAPH_OUTPUTS = 1, 5, 11, 12
_NODE_INPUTS, _NODE_OUTPUTS, _NODE_OPERATOR = 1, 2, 4
_TENSOR_NAME = 8
_VALUE_NAME, _VALUE_TYPE = 1, 2
_TYPE_TENSOR, _TENSOR_ELEMENT, _TENSOR_SHAPE = 1, 1, 2
_SHAPE_AXIS, _AXIS_SIZE = 1, 1
_DTYPES = {
    1: np.float32,
    2: np.uint8,
    3: np.int8,
    4: np.uint16,
    5: np.int16,
    6: np.int32,
    7: np.int64,
    9: np.bool_,
    10: np.float16,
    11: np.float64,
}
_LARGEST_AXIS = 1 << 31
_MAX_METADATA_BYTES = 1 << 20
"""Of one value: the names of 1000 classes have about 30 kB."""
_KEEPS_VALUES = frozenset(
    {"Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Cast", "Transpose"}
) | {"QuantizeLinear", "DequantizeLinear"}


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """The outside of a model."""

    inputs: tuple[Tensor, ...]
    """Without those that have a value in the file."""
    outputs: tuple[Tensor, ...]
    metadata: dict[str, str]
    """``metadata_props``."""
    opset: int
    """Of the standard operators; 0 where the file does not say."""
    producer: str
    """``pytorch``, ``tf2onnx`` and the like."""
    last_operators: dict[str, str]
    """output = the operator that computed it, operators that only move or store values left out."""


def read_onnx(model: bytes, name: str) -> OnnxFile:
    """The outside of `model`.  Raises `ModelError`; `name` is for messages."""
    try:
        return _read(memoryview(model), name)
    except (ValueError, IndexError) as exc:
        raise ModelError(f"{name}: not an ONNX model, or a damaged one: {exc}") from exc


def _read(model: memoryview, name: str) -> OnnxFile:
    graphs = list(parts(model, _MODEL_GRAPH))
    if len(graphs) != 1:
        raise ModelError(f"{name}: not an ONNX model: it holds {len(graphs)} graphs")
    (graph,) = graphs
    held = {text(tensor, _TENSOR_NAME) for tensor in parts(graph, _GRAPH_INITIALIZERS)}
    inputs = [_tensor(value, name) for value in parts(graph, _GRAPH_INPUTS)]
    outputs = [_tensor(value, name) for value in parts(graph, _GRAPH_OUTPUTS)]
    opsets = {
        text(opset, _OPSET_DOMAIN): number(opset, _OPSET_VERSION)
        for opset in parts(model, _MODEL_OPSETS)
    }
    return OnnxFile(
        inputs=tuple(tensor for tensor in inputs if tensor.name not in held),
        outputs=tuple(outputs),
        metadata={
            text(entry, _KEY): text(entry, _VALUE, limit=_MAX_METADATA_BYTES)
            for entry in parts(model, _MODEL_METADATA)
        },
        opset=opsets.get("", opsets.get("ai.onnx", 0)),
        producer=text(model, _MODEL_PRODUCER),
        last_operators=_last_operators(graph, [tensor.name for tensor in outputs]),
    )


def _tensor(value: memoryview, name: str) -> Tensor:
    tensor_name = text(value, _VALUE_NAME)
    for kind in parts(value, _VALUE_TYPE):
        for tensor in parts(kind, _TYPE_TENSOR):
            element = number(tensor, _TENSOR_ELEMENT)
            if element in _DTYPES:
                axes = [
                    axis
                    for shape in parts(tensor, _TENSOR_SHAPE)
                    for axis in parts(shape, _SHAPE_AXIS)
                ]
                sizes = tuple(_axis_size(axis) for axis in axes)
                return Tensor(tensor_name, sizes, np.dtype(_DTYPES[element]))
    raise ModelError(f"{name}: '{tensor_name}' holds no numbers, which is not supported")


def _axis_size(axis: memoryview) -> int | None:
    size = number(axis, _AXIS_SIZE)
    return size if 0 < size < _LARGEST_AXIS else None


def _last_operators(graph: memoryview, outputs: list[str]) -> dict[str, str]:
    """Follow each output up to the operator that made its numbers."""
    made: dict[str, tuple[str, str]] = {}  # a value: (operator, its first input)
    for node in parts(graph, _GRAPH_NODES):
        operator, first = "", ""
        for field, name in messages(node):
            if field == _NODE_OPERATOR:
                operator = decoded(name)
            elif field == _NODE_INPUTS and not first:
                first = decoded(name)
        for value in parts(node, _NODE_OUTPUTS):
            made[decoded(value)] = (operator, first)
    found = {}
    for output in outputs:
        at, seen = output, set[str]()
        while at in made and made[at][0] in _KEEPS_VALUES and at not in seen:
            seen.add(at)
            at = made[at][1]
        found[output] = made[at][0] if at in made else ""
    return found
