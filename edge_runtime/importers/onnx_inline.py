"""ONNX files that keep their weights in another file, into one file.

Today's exporters write ``model.onnx`` and ``model.onnx.data`` beside it, whatever the size.  A
bundle holds one file, and the runtime is never told to open another one: so the weights are put
into the tensors here, byte for byte.  Field numbers are those of onnx.proto3.  Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_runtime.errors import ModelError
from edge_runtime.inference.files.protobuf import parts, raw_fields, text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_MODEL_GRAPH, _GRAPH_INITIALIZERS = 7, 5
_TENSOR_NAME, _TENSOR_RAW, _TENSOR_EXTERNAL, _TENSOR_LOCATION = 8, 9, 13, 14
_KEY, _VALUE = 1, 2
_BYTES = 2
_MAX_PATH = 1000


def external_files(model: bytes) -> set[str]:
    """The files that a model's weights are in; only plain names, whatever the model says.

    Empty for what is no model: that is refused later, with the reason.
    """
    try:
        tensors = [
            tensor
            for graph in parts(memoryview(model), _MODEL_GRAPH)
            for tensor in parts(graph, _GRAPH_INITIALIZERS)
        ]
        places = {_place(tensor).get("location", "") for tensor in tensors}
    except (ValueError, IndexError):
        return set()
    return {place for place in places if _is_plain(place)}


def inlined(model: bytes, beside: Mapping[str, bytes], name: str) -> bytes:
    """`model` with the weights of its initializers inside.  Raises `ModelError`."""
    try:
        return _rewritten(memoryview(model), {_MODEL_GRAPH: lambda g: _graph(g, beside, name)})
    except (ValueError, IndexError) as exc:
        raise ModelError(f"{name}: not an ONNX model, or a damaged one: {exc}") from exc


def _graph(graph: memoryview, beside: Mapping[str, bytes], name: str) -> bytes:
    return _rewritten(graph, {_GRAPH_INITIALIZERS: lambda t: _tensor(t, beside, name)})


def _tensor(tensor: memoryview, beside: Mapping[str, bytes], name: str) -> bytes:
    place = _place(tensor)
    if not place:
        return bytes(tensor)
    file, told = place.get("location", ""), text(tensor, _TENSOR_NAME)
    if not _is_plain(file):
        raise ModelError(f"{name}: its weights '{told}' are in '{file[:80]}', outside its folder")
    if file not in beside:
        raise ModelError(f"{name}: its weights are in {file}, which is not beside it")
    begin = int(place.get("offset", "0"))
    length = int(place.get("length", str(len(beside[file]) - begin)))
    if begin < 0 or length < 0 or begin + length > len(beside[file]):
        raise ModelError(f"{name}: its weights '{told}' end behind {file}: damaged or cut short")
    replaced = (_TENSOR_EXTERNAL, _TENSOR_LOCATION, _TENSOR_RAW)
    kept = b"".join(raw for number, _, raw in raw_fields(tensor) if number not in replaced)
    return kept + _bytes_field(_TENSOR_RAW, beside[file][begin : begin + length])


def _place(tensor: memoryview) -> dict[str, str]:
    """``external_data`` of a tensor: location, offset, length."""
    return {
        text(entry, _KEY): text(entry, _VALUE, limit=_MAX_PATH)
        for entry in parts(tensor, _TENSOR_EXTERNAL)
    }


def _is_plain(file: str) -> bool:
    return bool(file) and "/" not in file and "\\" not in file and file not in (".", "..")


def _rewritten(message: memoryview, changes: Mapping[int, Callable[[memoryview], bytes]]) -> bytes:
    """The message again, some of its parts changed, all others as they stand."""
    out: list[bytes | memoryview] = []
    for number, value, raw in raw_fields(message):
        if isinstance(value, memoryview) and number in changes:
            out.append(_bytes_field(number, changes[number](value)))
        else:
            out.append(raw)
    return b"".join(out)


def _bytes_field(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(value)) + value


def _varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])
