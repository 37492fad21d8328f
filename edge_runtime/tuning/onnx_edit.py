"""An ONNX file taken apart and put together again, without the `onnx` package.

Only what tuning needs: constants read and replaced, and an inner tensor made an output.  All else
is kept byte by byte.  Field numbers are those of onnx.proto3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from edge_runtime.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

Field: TypeAlias = tuple[int, int, "int | bytes"]
"""Number, wire type, value: an int for wire type 0, else the bytes."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_CONSTANT, _GRAPH_OUTPUT = 1, 5, 12
_NODE_INPUT, _NODE_OUTPUT, _NODE_KIND = 1, 2, 4
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_NAME, _TENSOR_RAW = 1, 2, 8, 9
_DTYPES = {1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64}
"""ONNX's numbers of the types that occur in a quantised net."""


@dataclass(frozen=True, slots=True)
class Node:
    """One operator."""

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class OnnxFile:
    """A model's messages, editable.  Not for several threads."""

    def __init__(self, data: bytes, name: str) -> None:
        """Take `data` apart; `name` is for messages.  Raises `ModelError`."""
        self._name = name
        try:
            self._model = list(_fields(data))
            (graph,) = [v for number, _, v in self._model if number == _MODEL_GRAPH]
            self._graph = list(_fields(_as_bytes(graph)))
        except (ValueError, IndexError) as exc:
            raise ModelError(f"{name}: not an ONNX model, or a damaged one: {exc}") from exc

    def nodes(self) -> list[Node]:
        """The operators in order."""
        found = []
        for number, _, value in self._graph:
            if number == _GRAPH_NODE:
                fields = list(_fields(_as_bytes(value)))
                kinds = _texts(fields, _NODE_KIND)
                inputs, outputs = _texts(fields, _NODE_INPUT), _texts(fields, _NODE_OUTPUT)
                found.append(Node(kinds[0], inputs, outputs))
        return found

    def constant(self, name: str) -> NDArray[np.generic]:
        """A stored tensor.  Raises `ModelError` when there is none of that name and kind."""
        _, fields = self._stored(name)
        kind = next((v for n, _, v in fields if n == _TENSOR_TYPE), 0)
        raw = next((v for n, _, v in fields if n == _TENSOR_RAW), None)
        if kind not in _DTYPES or not isinstance(raw, bytes):
            raise ModelError(f"{self._name}: the tensor '{name}' is stored in a way not read here")
        return np.frombuffer(raw, _DTYPES[kind]).reshape(_dims(fields))

    def replace(self, name: str, value: NDArray[np.generic]) -> None:
        """Other numbers of the same shape and type in a stored tensor.  Raises `ModelError`."""
        old = self.constant(name)
        if old.shape != value.shape or old.dtype != value.dtype:
            raise ModelError(
                f"{self._name}: '{name}' is {old.dtype} {old.shape}, not {value.dtype} "
                f"{value.shape}"
            )
        at, fields = self._stored(name)
        raw = value.tobytes()
        kept = [raw_field(f, raw) if f[0] == _TENSOR_RAW else f for f in fields]
        self._graph[at] = (_GRAPH_CONSTANT, _BYTES, _joined(kept))

    def add_output(self, name: str, dtype: type[np.generic]) -> None:
        """Let the session answer with an inner tensor as well, of any shape."""
        number = next(n for n, known in _DTYPES.items() if np.dtype(known) == dtype)
        tensor = _joined([(1, _VARINT, number)])
        kind = _joined([(1, _BYTES, tensor)])
        info = _joined([(1, _BYTES, name.encode()), (2, _BYTES, kind)])
        self._graph.append((_GRAPH_OUTPUT, _BYTES, info))

    def as_bytes(self) -> bytes:
        """The whole file."""
        graph = _joined(self._graph)
        return _joined(
            [(n, w, graph) if n == _MODEL_GRAPH else (n, w, value) for n, w, value in self._model]
        )

    def _stored(self, name: str) -> tuple[int, list[Field]]:
        for at, (number, _, value) in enumerate(self._graph):
            if number == _GRAPH_CONSTANT:
                fields = list(_fields(_as_bytes(value)))
                if _texts(fields, _TENSOR_NAME) == (name,):
                    return at, fields
        raise ModelError(f"{self._name}: there is no stored tensor '{name}'")


def raw_field(field: Field, raw: bytes) -> Field:
    """The same field with other bytes."""
    return (field[0], field[1], raw)


def _dims(fields: list[Field]) -> tuple[int, ...]:
    found: list[int] = []
    for number, wire, value in fields:
        if number == _TENSOR_DIMS and wire == _VARINT and isinstance(value, int):
            found.append(value)
        elif number == _TENSOR_DIMS and isinstance(value, bytes):  # packed
            at = 0
            while at < len(value):
                size, at = _varint(value, at)
                found.append(size)
    return tuple(found)


def _texts(fields: list[Field], wanted: int) -> tuple[str, ...]:
    return tuple(
        value.decode("utf-8", "replace")
        for number, _, value in fields
        if number == wanted and isinstance(value, bytes)
    )


def _as_bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number where a message belongs")  # noqa: TRY004 - the file is wrong
    return value


def _fields(message: bytes) -> Iterator[Field]:
    """All fields of a protobuf message; raises ValueError, IndexError."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield number, wire, value
            continue
        if wire == _BYTES:
            length, at = _varint(message, at)
        else:
            length = {_FIXED64: 8, _FIXED32: 4}.get(wire, -1)
        if length < 0 or at + length > len(message):
            raise ValueError(f"broken field {number} at byte {at}")
        yield number, wire, message[at : at + length]
        at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
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


def _joined(fields: list[Field]) -> bytes:
    made = bytearray()
    for number, wire, value in fields:
        made += _as_varint(number << 3 | wire)
        if isinstance(value, int):
            made += _as_varint(value)
            continue
        if wire == _BYTES:
            made += _as_varint(len(value))
        made += value
    return bytes(made)


def _as_varint(number: int) -> bytes:
    made = bytearray()
    while number >= 0x80:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    made.append(number)
    return bytes(made)
