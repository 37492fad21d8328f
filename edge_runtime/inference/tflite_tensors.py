"""Inputs and outputs of a TFLite file with their quantisation, read without a runtime.

For runtimes that read TFLite but do not tell scales and zero points.  Field indices are those of
the schema, version 3.  Pure.
"""

from __future__ import annotations

import struct

import numpy as np

from edge_runtime.errors import ModelError
from edge_runtime.inference.tensors import Tensor
from edge_runtime.inference.tflite_static import field_at, text_at

_MODEL_SUBGRAPHS = 2
_GRAPH_TENSORS, _GRAPH_INPUTS, _GRAPH_OUTPUTS = 0, 1, 2
_TENSOR_SHAPE, _TENSOR_TYPE, _TENSOR_NAME, _TENSOR_QUANTISATION = 0, 1, 3, 4
_SCALE, _ZERO = 2, 3
_DTYPES: dict[int, type[np.generic]] = {
    0: np.float32, 1: np.float16, 2: np.int32, 3: np.uint8, 4: np.int64, 6: np.bool_,
    7: np.int16, 9: np.int8, 10: np.float64,
}  # fmt: skip
_QUANTISED = frozenset({3, 7, 9, 17})


def tensors_of(model: bytes, name: str) -> tuple[list[Tensor], list[Tensor]]:
    """(inputs, outputs) of the first subgraph, in order, an open batch closed at 1.

    Raises `ModelError`; `name` is for messages.
    """
    try:
        (root,) = struct.unpack_from("<I", model, 0)
        graph = _table_in(model, field_at(model, root, _MODEL_SUBGRAPHS), 0)
        tensors = field_at(model, graph, _GRAPH_TENSORS)
        return (
            [
                _tensor(model, _table_in(model, tensors, at))
                for at in _ints(model, graph, _GRAPH_INPUTS)
            ],
            [
                _tensor(model, _table_in(model, tensors, at))
                for at in _ints(model, graph, _GRAPH_OUTPUTS)
            ],
        )
    except (struct.error, ValueError, KeyError) as exc:
        raise ModelError(f"{name}: a damaged TFLite model: {exc}") from exc


def is_quantised(model: bytes, name: str) -> bool:
    """Whether any tensor of the first subgraph is an 8- or 16-bit integer.  Raises `ModelError`."""
    try:
        (root,) = struct.unpack_from("<I", model, 0)
        graph = _table_in(model, field_at(model, root, _MODEL_SUBGRAPHS), 0)
        tensors = field_at(model, graph, _GRAPH_TENSORS)
        if tensors is None:
            return False
        (offset,) = struct.unpack_from("<I", model, tensors)
        (count,) = struct.unpack_from("<I", model, tensors + offset)
        kinds = [
            field_at(model, _table_in(model, tensors, at), _TENSOR_TYPE) for at in range(count)
        ]
    except (struct.error, ValueError) as exc:
        raise ModelError(f"{name}: a damaged TFLite model: {exc}") from exc
    return any(kind is not None and model[kind] in _QUANTISED for kind in kinds)


def _tensor(model: bytes, table: int) -> Tensor:
    shape = tuple(_ints(model, table, _TENSOR_SHAPE))
    kind = field_at(model, table, _TENSOR_TYPE)
    dtype = np.dtype(_DTYPES[model[kind] if kind is not None else 0])
    name = text_at(model, field_at(model, table, _TENSOR_NAME))
    return Tensor(name, shape, dtype, _quantisation(model, table))


def _quantisation(model: bytes, table: int) -> tuple[float, int] | None:
    at = field_at(model, table, _TENSOR_QUANTISATION)
    if at is None:
        return None
    parameters = at + int(struct.unpack_from("<I", model, at)[0])
    scales = _numbers(model, field_at(model, parameters, _SCALE), "f")
    zeros = _numbers(model, field_at(model, parameters, _ZERO), "q")
    if len(scales) > 1:
        raise ValueError("an input or output is quantised channel by channel")
    if not scales or not scales[0]:
        return None
    return float(scales[0]), int(zeros[0]) if zeros else 0


def _ints(model: bytes, table: int, field: int) -> list[int]:
    return [int(value) for value in _numbers(model, field_at(model, table, field), "i")]


def _numbers(model: bytes, at: int | None, kind: str) -> tuple[float | int, ...]:
    """A vector of numbers of `struct`'s `kind`; empty where there is none."""
    if at is None:
        return ()
    vector = at + int(struct.unpack_from("<I", model, at)[0])
    (count,) = struct.unpack_from("<I", model, vector)
    if count > 64:
        raise ValueError(f"a tensor claims {count} numbers of its own")
    return struct.unpack_from(f"<{count}{kind}", model, vector + 4)


def _table_in(model: bytes, at: int | None, index: int) -> int:
    """Where the table number `index` of a vector of tables begins."""
    if at is None:
        raise ValueError("it has no graph")
    vector = at + int(struct.unpack_from("<I", model, at)[0])
    (count,) = struct.unpack_from("<I", model, vector)
    if not 0 <= index < count:
        raise ValueError(f"it names tensor {index} of {count}")
    slot = vector + 4 + 4 * index
    return slot + int(struct.unpack_from("<I", model, slot)[0])
