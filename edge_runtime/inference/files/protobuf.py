"""Protobuf messages, read without the library and without trusting a byte of them.  Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_NAME_BYTES = 200


def fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """(field number, bytes or number) of a message; raises ValueError, IndexError."""
    return ((field, value) for field, value, _ in raw_fields(message))


def raw_fields(message: memoryview) -> Iterator[tuple[int, memoryview | int, memoryview]]:
    """The same with the whole field as it stands, to copy it."""
    at, end = 0, len(message)
    while at < end:
        begin = at
        key, at = _varint(message, at)
        kind = key & 7
        if kind == 0:
            found, at = _varint(message, at)
            yield key >> 3, found, message[begin:at]
            continue
        if kind == 2:
            length, at = _varint(message, at)
        else:
            length = {1: 8, 5: 4}.get(kind, -1)
        if length < 0 or at + length > end:
            raise ValueError(f"broken field {key >> 3} at byte {at}")
        yield key >> 3, message[at : at + length], message[begin : at + length]
        at += length


def messages(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Those fields that carry bytes."""
    for field, value in fields(message):
        if isinstance(value, memoryview):
            yield field, value


def parts(message: memoryview, wanted: int) -> Iterator[memoryview]:
    """The bytes of every field with this number."""
    return (value for field, value in messages(message) if field == wanted)


def text(message: memoryview, wanted: int, *, limit: int = _MAX_NAME_BYTES) -> str:
    """A string of at most `limit` bytes; the last one counts, as in any protobuf reader."""
    found = ""
    for value in parts(message, wanted):
        found = decoded(value, limit=limit)
    return found


def number(message: memoryview, wanted: int) -> int:
    """A whole number, 0 where it is not there; the last one counts."""
    found = 0
    for field, value in fields(message):
        if field == wanted and isinstance(value, int):
            found = value
    return found


def decoded(value: memoryview, *, limit: int = _MAX_NAME_BYTES) -> str:
    """The first `limit` bytes as text, broken characters replaced."""
    return bytes(value[:limit]).decode("utf-8", "replace")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    found = shift = 0
    while True:
        byte = message[at]
        found |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return found, at
        shift += 7
        if shift > 63:
            raise ValueError(f"broken number at byte {at}")
