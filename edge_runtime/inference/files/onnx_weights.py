"""Whether an ONNX file's weights need exact arithmetic.  No native code runs on it.

x86 processors without VNNI multiply 8-bit activations by 8-bit weights in pairs and add each pair
up in 16 bits, where it saturates: 2 * 255 * |w| passes 32767 from |w| = 65 on.  ONNX Runtime takes
that loss by default, so that a model quantised with full 8-bit signed weights answers otherwise on
such a box than where it was made, without a word.  Its session option ``session.x64quantprecision``
turns signed weights into unsigned ones, which are added up in 32 bits and cost half as much again.
Weights of 7 bits ("reduce range") cannot saturate and keep the fast way.
"""

from __future__ import annotations

import numpy as np

from edge_runtime.inference.files.protobuf import fields, number, parts

_MODEL_GRAPH = 7
_GRAPH_INITIALIZERS = 5
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_RAW = 1, 2, 9
_INT8 = 3
LARGEST_SAFE = 64
"""Of |w|: 2 * 255 * 64 = 32640."""


def can_saturate(model: bytes) -> bool:
    """Whether a weight (an int8 initialiser of two axes or more) is beyond `LARGEST_SAFE`.

    `model` has passed the static checks.  Values that are not kept as raw bytes count as beyond.
    """
    return any(
        _is_beyond(tensor)
        for graph in parts(memoryview(model), _MODEL_GRAPH)
        for tensor in parts(graph, _GRAPH_INITIALIZERS)
        if number(tensor, _TENSOR_TYPE) == _INT8
    )


def _is_beyond(tensor: memoryview) -> bool:
    if _axes(tensor) < 2:
        return False  # a zero point
    raw = list(parts(tensor, _TENSOR_RAW))
    if not raw:
        return True
    values = np.frombuffer(raw[-1], np.int8).astype(np.int16)
    return bool(len(values)) and int(np.abs(values).max()) > LARGEST_SAFE


def _axes(tensor: memoryview) -> int:
    """Writers list the sizes one by one, or packed into one run of numbers."""
    sizes = [value for field, value in fields(tensor) if field == _TENSOR_DIMS]
    return sum(
        1 if isinstance(size, int) else sum(byte < 0x80 for byte in bytes(size)) for size in sizes
    )
