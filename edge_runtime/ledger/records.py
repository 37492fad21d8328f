"""Rows straight from the pages of a SQLite file, without SQLite.  Pure.

For files that SQLite refuses as a whole: a page of rows that is whole itself can still be read.
The format is that of sqlite.org/fileformat.html: big-endian, UTF-8, pages of `PAGE_BYTES` without
a reserved tail, which is how the ledger is always made.  Whatever does not fit the format is left
out: nothing here raises for what it finds in a page.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PAGE_BYTES: Final = 4096
FILE_HEADER_BYTES: Final = 100
TABLE_LEAF: Final = 0x0D
TABLE_INNER: Final = 0x05
INDEX_LEAF: Final = 0x0A
INDEX_INNER: Final = 0x02
MAX_PAYLOAD_BYTES: Final = 16 << 20
"""Nothing of ours is larger; what says that it is was damaged."""

Value: TypeAlias = int | float | str | bytes | None
Record: TypeAlias = tuple[Value, ...]
Payload: TypeAlias = "Callable[[], bytes | None]"

_HEADER_BYTES = {TABLE_LEAF: 8, INDEX_LEAF: 8, TABLE_INNER: 12, INDEX_INNER: 12}
_TABLE_LOCAL = PAGE_BYTES - 35
_INDEX_LOCAL = (PAGE_BYTES - 12) * 64 // 255 - 23
_LEAST_LOCAL = (PAGE_BYTES - 12) * 32 // 255 - 23
_INT_BYTES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
_REAL, _ZERO, _ONE, _FIRST_BLOB = 7, 8, 9, 12
_VARINT_BYTES = 9


def kind_of(page: bytes, number: int) -> int:
    """Which kind of b-tree page it is; 0 for none.  `number`: from 1 on."""
    at = FILE_HEADER_BYTES if number == 1 else 0
    kind = page[at] if len(page) == PAGE_BYTES else 0
    return kind if kind in _HEADER_BYTES else 0


def rows_of(
    page: bytes, number: int, page_at: Callable[[int], bytes | None]
) -> Iterator[tuple[int, Payload]]:
    """(rowid, its payload when it is asked for) of each cell of a page of a table's rows.

    `page_at` gives an overflow page.  A rowid that is out of the order of its page is left out.
    """
    cells = list(_cells(page, number, TABLE_LEAF))
    found: list[tuple[int, int, int]] = []
    for at in cells:
        size, after = _varint(page, at)
        rowid, start = _varint(page, after)
        if 0 < size <= MAX_PAYLOAD_BYTES and start < PAGE_BYTES:
            found.append((_signed(rowid), size, start))
    numbers = [rowid for rowid, _, _ in found]
    for place, (rowid, size, start) in enumerate(found):
        below = numbers[place - 1] < rowid if place else True
        above = rowid < numbers[place + 1] if place + 1 < len(numbers) else True
        if below and above:
            yield rowid, _payload(page, start, size, _TABLE_LOCAL, page_at)


def entries_of(
    page: bytes, number: int, page_at: Callable[[int], bytes | None]
) -> Iterator[Payload]:
    """The payloads of a page of an index, or of a table WITHOUT ROWID, which is one."""
    inner = kind_of(page, number) == INDEX_INNER
    for at in _cells(page, number, INDEX_INNER if inner else INDEX_LEAF):
        size, start = _varint(page, at + 4 if inner else at)
        if 0 < size <= MAX_PAYLOAD_BYTES and start < PAGE_BYTES:
            yield _payload(page, start, size, _INDEX_LOCAL, page_at)


def children_of(page: bytes, number: int) -> list[int]:
    """The pages that an inner page leads to; none of any other page."""
    kind = kind_of(page, number)
    if kind not in (TABLE_INNER, INDEX_INNER):
        return []
    head = FILE_HEADER_BYTES if number == 1 else 0
    found = [int.from_bytes(page[at : at + 4], "big") for at in _cells(page, number, kind)]
    return [*found, int.from_bytes(page[head + 8 : head + 12], "big")]


def record_of(payload: bytes | None) -> Record | None:
    """The values of a record; None where it is none.  Texts that are no UTF-8 come as bytes."""
    if not payload:
        return None
    header_bytes, at = _varint(payload, 0)
    if not at <= header_bytes <= len(payload):
        return None
    values: list[Value] = []
    body = header_bytes
    while at < header_bytes:
        serial, at = _varint(payload, at)
        size = _size_of(serial)
        if size < 0 or body + size > len(payload):
            return None
        values.append(_value(serial, payload[body : body + size]))
        body += size
    return tuple(values) if at == header_bytes and body == len(payload) else None


def _cells(page: bytes, number: int, wanted: int) -> Iterator[int]:
    """Where the cells of a page of this kind begin, in their order."""
    if kind_of(page, number) != wanted:
        return
    head = FILE_HEADER_BYTES if number == 1 else 0
    count = int.from_bytes(page[head + 3 : head + 5], "big")
    first = head + _HEADER_BYTES[wanted]
    if first + 2 * count > PAGE_BYTES:
        return
    for (at,) in struct.iter_unpack(">H", page[first : first + 2 * count]):
        if first + 2 * count <= at < PAGE_BYTES - 4:
            yield at


def _payload(
    page: bytes, start: int, size: int, most: int, page_at: Callable[[int], bytes | None]
) -> Payload:
    def read() -> bytes | None:
        if size <= most:
            found = page[start : start + size]
            return found if len(found) == size else None
        local = _LEAST_LOCAL + (size - _LEAST_LOCAL) % (PAGE_BYTES - 4)
        local = local if local <= most else _LEAST_LOCAL
        parts, left = [page[start : start + local]], size - local
        following = int.from_bytes(page[start + local : start + local + 4], "big")
        while left > 0:
            more = page_at(following) if following else None
            if more is None:
                return None
            parts.append(more[4 : 4 + left])
            left -= len(parts[-1])
            following = int.from_bytes(more[:4], "big")
        return b"".join(parts) if not left and not following else None

    return read


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """(value, the place behind it); 0 and the end where the data end in it."""
    value = 0
    for count in range(_VARINT_BYTES):
        if at + count >= len(data):
            return 0, len(data)
        byte = data[at + count]
        if count == _VARINT_BYTES - 1:
            return value << 8 | byte, at + _VARINT_BYTES
        value = value << 7 | byte & 0x7F
        if byte < 0x80:  # the last byte of one
            return value, at + count + 1
    raise AssertionError("a varint has at most nine bytes")


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _size_of(serial: int) -> int:
    """Bytes of a value of this type; -1 for what is no type."""
    if serial in _INT_BYTES:
        return _INT_BYTES[serial]
    if serial == _REAL:
        return 8
    if serial >= _FIRST_BLOB:
        return (serial - _FIRST_BLOB) // 2
    return 0 if serial in (0, _ZERO, _ONE) else -1


def _value(serial: int, raw: bytes) -> Value:
    if serial < _FIRST_BLOB:
        return _number(serial, raw)
    if serial % 2 == 0:
        return raw
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw


def _number(serial: int, raw: bytes) -> int | float | None:
    if serial == 0:
        return None
    if serial == _REAL:
        return float(struct.unpack(">d", raw)[0])
    if serial in (_ZERO, _ONE):
        return serial - _ZERO
    return int.from_bytes(raw, "big", signed=True)
