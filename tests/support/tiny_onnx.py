"""Tiny ONNX models, written byte by byte as protobuf: one dense layer, and what must be refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

_ONNX_TYPES = {
    "float32": 1, "uint8": 2, "int8": 3, "int16": 5, "int64": 7, "bool": 9, "float16": 10,
}  # fmt: skip
_STEPS_TYPES = ("uint8", "int8", "int16")


def varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def field(number: int, value: int | bytes | str) -> bytes:
    """One protobuf field: a number, or bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def onnx_tensor(name: str, values: NDArray[Any], *, external: str = "") -> bytes:
    """A TensorProto; with `external` its bytes are said to be in that file."""
    head = b"".join(field(1, int(size)) for size in values.shape)
    head += field(2, _ONNX_TYPES[values.dtype.name]) + field(8, name)
    if external:
        location = field(1, "location") + field(2, external)
        return head + field(13, location) + field(14, 1)
    return head + field(9, values.tobytes())


def onnx_node(
    operator: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    *,
    domain: str = "",
    attributes: Sequence[bytes] = (),
) -> bytes:
    node = b"".join(field(1, name) for name in inputs)
    node += b"".join(field(2, name) for name in outputs)
    node += field(4, operator) + b"".join(field(5, attribute) for attribute in attributes)
    return node + (field(7, domain) if domain else b"")


def onnx_value(name: str, dtype: str, shape: Sequence[int | str]) -> bytes:
    sizes = b"".join(
        field(1, field(2, size) if isinstance(size, str) else field(1, size)) for size in shape
    )
    kind = field(1, _ONNX_TYPES[dtype]) + field(2, sizes)
    return field(1, name) + field(2, field(1, kind))


def onnx_model(
    nodes: Sequence[bytes],
    *,
    inputs: Sequence[bytes],
    outputs: Sequence[bytes],
    tensors: Sequence[bytes] = (),
    functions: Sequence[bytes] = (),
    domains: Sequence[str] = (),
    metadata: Mapping[str, str] | None = None,
) -> bytes:
    graph = b"".join(field(1, node) for node in nodes) + field(2, "graph")
    graph += b"".join(field(5, tensor) for tensor in tensors)
    graph += b"".join(field(11, value) for value in inputs)
    graph += b"".join(field(12, value) for value in outputs)
    opsets = b"".join(field(8, field(1, name) + field(2, 1)) for name in domains)
    model = field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, 17)) + opsets
    told = (field(14, field(1, key) + field(2, value)) for key, value in (metadata or {}).items())
    return model + b"".join(field(25, function) for function in functions) + b"".join(told)


def cast(to: str) -> bytes:
    """The attribute of Cast."""
    return field(1, "to") + field(3, _ONNX_TYPES[to]) + field(20, 2)


def dense_onnx(
    weights: NDArray[np.float32],
    shape: Sequence[int | str],
    *,
    dtype: str = "float32",
    output: str = "float32",
    external: str = "",
) -> bytes:
    """Scores (batch, labels) = flattened input x `weights`, (inputs, labels); no bias.

    Integer inputs and outputs count steps of 1.
    """
    nodes = [
        onnx_node("Cast", ["x"], ["real"], attributes=[cast("float32")]),
        onnx_node("Flatten", ["real"], ["flat"]),
        onnx_node("MatMul", ["flat", "w"], ["scores"]),
    ]
    if output in _STEPS_TYPES:
        nodes.append(onnx_node("Round", ["scores"], ["rounded"]))
    last = "rounded" if output in _STEPS_TYPES else "scores"
    nodes.append(onnx_node("Cast", [last], ["y"], attributes=[cast(output)]))
    return onnx_model(
        nodes,
        inputs=[onnx_value("x", dtype, shape)],
        outputs=[onnx_value("y", output, [shape[0], weights.shape[1]])],
        tensors=[onnx_tensor("w", weights.astype(np.float32), external=external)],
    )


def recurrent_onnx() -> bytes:
    """y = x + state + rate, next = state + 1: axes left open, a state, and an input without axes."""
    one = np.ones((1, 1, 1), np.float32)
    nodes = [
        onnx_node("Cast", ["rate"], ["real_rate"], attributes=[cast("float32")]),
        onnx_node("Add", ["state", "one"], ["next"]),
        onnx_node("ReduceMax", ["state"], ["level"], attributes=[keep_no_axes()]),
        onnx_node("Add", ["x", "level"], ["raised"]),
        onnx_node("Add", ["raised", "real_rate"], ["y"]),
    ]
    return onnx_model(
        nodes,
        inputs=[
            onnx_value("x", "float32", ["batch", "sequence"]),
            onnx_value("state", "float32", [2, "batch", 1]),
            onnx_value("rate", "int64", []),
        ],
        outputs=[
            onnx_value("y", "float32", ["batch", "sequence"]),
            onnx_value("next", "float32", [2, "batch", 1]),
        ],
        tensors=[onnx_tensor("one", one)],
    )


def keep_no_axes() -> bytes:
    """The attribute of reductions down to one number."""
    return field(1, "keepdims") + field(3, 0) + field(20, 2)


def broken_varint() -> bytes:
    """What no protobuf reader takes."""
    return b"\xff" * 11


def integers(name: str, values: Sequence[int]) -> bytes:
    """An attribute that is a list of integers."""
    return field(1, name) + b"".join(field(8, value) for value in values) + field(20, 7)


def cells_onnx(
    cell: int, layout: str, *, size: Sequence[int | str] = ("h", "w"), dtype: str = "uint8"
) -> bytes:
    """Of a grey picture of any size, for each cell: (1 - mean, mean) with white as 1."""
    is_first = layout == "NCHW"
    nodes = [onnx_node("Cast", ["x"], ["real"], attributes=[cast("float32")])]
    if not is_first:
        to_first = [integers("perm", [0, 3, 1, 2])]
        nodes.append(onnx_node("Transpose", ["real"], ["first"], attributes=to_first))
    sides = [integers("kernel_shape", [cell, cell]), integers("strides", [cell, cell])]
    nodes += [
        onnx_node("AveragePool", ["real" if is_first else "first"], ["mean"], attributes=sides),
        onnx_node("Mul", ["mean", "white"], ["bad"]),
        onnx_node("Sub", ["one", "bad"], ["good"]),
        onnx_node(
            "Concat", ["good", "bad"], ["y" if is_first else "both"], attributes=[axis_attribute(1)]
        ),
    ]
    if not is_first:
        to_last = [integers("perm", [0, 2, 3, 1])]
        nodes.append(onnx_node("Transpose", ["both"], ["y"], attributes=to_last))
    given = [1, 1, *size] if is_first else [1, *size, 1]
    made: list[int | str] = [1, 2, "r", "c"] if is_first else [1, "r", "c", 2]
    return onnx_model(
        nodes,
        inputs=[onnx_value("x", dtype, given)],
        outputs=[onnx_value("y", "float32", made)],
        tensors=[
            onnx_tensor("white", np.array([1 / 255], np.float32)),
            onnx_tensor("one", np.array([1], np.float32)),
        ],
    )


def axis_attribute(axis: int) -> bytes:
    return field(1, "axis") + field(3, axis) + field(20, 2)
