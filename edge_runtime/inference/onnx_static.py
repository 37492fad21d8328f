"""What can be said of an ONNX file without running any native code on it.

ONNX is a protobuf; only the few fields that matter are walked here, because the `onnx` package does
not belong on a device.  Field numbers are those of onnx.proto3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_runtime.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

_KNOWN_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft", "com.microsoft.nchwc"})
_MODEL_GRAPH, _MODEL_OPSETS = 7, 8
_OPSET_DOMAIN = 1
_GRAPH_NODES, _GRAPH_INITIALIZERS = 1, 5
_NODE_OP, _NODE_ATTRIBUTES, _NODE_DOMAIN = 4, 5, 7
_ATTRIBUTE_TENSOR, _ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS = 5, 6, 11
_TENSOR_EXTERNAL_DATA, _TENSOR_DATA_LOCATION = 13, 14
_EXTERNAL = 1
_MAX_DEPTH = 16


def check_onnx(model: bytes, name: str) -> None:
    """Refuse external data and operators that ONNX Runtime does not bring.

    Raises `ModelError`, also for what is no protobuf.
    """
    try:
        view = memoryview(model)
        graphs = 0
        for field, value in _fields(view):
            if field == _MODEL_GRAPH and isinstance(value, memoryview):
                _check_graph(value, name, 0)
                graphs += 1
            elif field == _MODEL_OPSETS and isinstance(value, memoryview):
                _check_domain(_text(value, _OPSET_DOMAIN), name, "the model")
    except (ValueError, IndexError) as exc:
        raise ModelError(f"{name}: not an ONNX model: {exc}") from exc
    if graphs != 1:
        raise ModelError(f"{name}: not an ONNX model: it holds {graphs} graphs")


def _check_graph(graph: memoryview, name: str, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise ModelError(f"{name}: graphs are nested deeper than {_MAX_DEPTH}")
    for field, value in _fields(graph):
        if not isinstance(value, memoryview):
            continue
        if field == _GRAPH_NODES:
            _check_node(value, name, depth)
        elif field == _GRAPH_INITIALIZERS:
            _check_tensor(value, name)


def _check_node(node: memoryview, name: str, depth: int) -> None:
    _check_domain(_text(node, _NODE_DOMAIN), name, f"operator '{_text(node, _NODE_OP)}'")
    for field, attribute in _fields(node):
        if field != _NODE_ATTRIBUTES or not isinstance(attribute, memoryview):
            continue
        for inner, value in _fields(attribute):
            if not isinstance(value, memoryview):
                continue
            if inner == _ATTRIBUTE_TENSOR:
                _check_tensor(value, name)
            elif inner in (_ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS):
                _check_graph(value, name, depth + 1)


def _check_tensor(tensor: memoryview, name: str) -> None:
    for field, value in _fields(tensor):
        if field == _TENSOR_EXTERNAL_DATA or (
            field == _TENSOR_DATA_LOCATION and value == _EXTERNAL
        ):
            raise ModelError(f"{name}: keeps weights in another file (external data): refused")


def _check_domain(domain: str, name: str, what: str) -> None:
    if domain not in _KNOWN_DOMAINS:
        raise ModelError(f"{name}: {what} needs custom operators of '{domain}': refused")


def _text(message: memoryview, wanted: int) -> str:
    for field, value in _fields(message):
        if field == wanted and isinstance(value, memoryview):
            return bytes(value).decode("utf-8", "replace")
    return ""


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """(field number, bytes or number) of a protobuf message; raises ValueError, IndexError."""
    at, end = 0, len(message)
    while at < end:
        key, at = _varint(message, at)
        kind = key & 7
        if kind == 0:
            number, at = _varint(message, at)
            yield key >> 3, number
            continue
        if kind == 2:
            length, at = _varint(message, at)
        else:
            length = {1: 8, 5: 4}.get(kind, -1)
        if length < 0 or at + length > end:
            raise ValueError(f"broken field {key >> 3} at byte {at}")
        yield key >> 3, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = message[at]
        number |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return number, at
        shift += 7
        if shift > 63:
            raise ValueError(f"broken number at byte {at}")
