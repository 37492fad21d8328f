"""Flatbuffer tables, read without the library and with every offset checked.  Pure.

Anything that points out of the file raises ValueError or struct.error.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_MAX_ITEMS = 1_000_000


@dataclass(frozen=True, slots=True)
class Table:
    """One table: `index` below is a field's number in the schema, a union has two."""

    data: bytes
    at: int

    def field(self, index: int) -> int | None:
        """Where a field lies; None when it has the default value."""
        vtable = self.at - int(_number(self.data, self.at, "<i"))
        if vtable < 0:
            raise ValueError(f"broken offset at byte {self.at}")
        size = int(_number(self.data, vtable, "<H"))
        entry = 4 + 2 * index
        if entry + 2 > size:
            return None
        offset = int(_number(self.data, vtable + entry, "<H"))
        return self.at + offset if offset else None

    def number(self, index: int, kind: str, default: float = 0) -> float:
        """A number of a `struct` kind such as ``<i``."""
        at = self.field(index)
        return default if at is None else _number(self.data, at, kind)

    def integer(self, index: int, kind: str, default: int = 0) -> int:
        """A whole number of a `struct` kind."""
        return int(self.number(index, kind, default))

    def text(self, index: int, *, limit: int = 200) -> str:
        """A string of at most `limit` bytes; empty where it is not there."""
        at = self.field(index)
        if at is None:
            return ""
        start, count = self._vector(at, 1)
        return self.data[start : start + min(count, limit)].decode("utf-8", "replace")

    def blob(self, index: int) -> bytes:
        """A vector of bytes; empty where it is not there."""
        at = self.field(index)
        if at is None:
            return b""
        start = at + int(_number(self.data, at, "<I"))
        count = int(_number(self.data, start, "<I"))
        if start + 4 + count > len(self.data):
            raise ValueError(f"a vector at byte {start} ends behind the file")
        return self.data[start + 4 : start + 4 + count]

    def numbers(self, index: int, kind: str) -> list[float]:
        """A vector of numbers."""
        at = self.field(index)
        if at is None:
            return []
        size = struct.calcsize(kind)
        start, count = self._vector(at, size)
        return [_number(self.data, start + size * i, kind) for i in range(count)]

    def integers(self, index: int, kind: str) -> list[int]:
        """A vector of whole numbers."""
        return [int(value) for value in self.numbers(index, kind)]

    def table(self, index: int) -> Table | None:
        """A table, or None where it is not there."""
        at = self.field(index)
        return None if at is None else Table(self.data, at + int(_number(self.data, at, "<I")))

    def tables(self, index: int) -> list[Table]:
        """A vector of tables."""
        at = self.field(index)
        if at is None:
            return []
        start, count = self._vector(at, 4)
        slots = range(start, start + 4 * count, 4)
        return [Table(self.data, slot + int(_number(self.data, slot, "<I"))) for slot in slots]

    def _vector(self, at: int, size: int) -> tuple[int, int]:
        """(first item, number of items)."""
        start = at + int(_number(self.data, at, "<I"))
        count = int(_number(self.data, start, "<I"))
        if count > _MAX_ITEMS or start + 4 + size * count > len(self.data):
            raise ValueError(f"a vector at byte {start} claims {count} items")
        return start + 4, count


def root(data: bytes) -> Table:
    """The table that the file begins with."""
    return Table(data, int(_number(data, 0, "<I")))


def _number(data: bytes, at: int, kind: str) -> float:
    value: float = struct.unpack_from(kind, data, at)[0]
    return value
