"""How many bytes TIFF's LZW gives, without unpacking them.  Pure.

How wide a code is follows from how many came since the table was cleared, not from what they say:
so all codes up to the next clearing are taken at once.  What a code stands for is one byte longer
than what it was made of; how long all of them are is found by doubling steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CLEAR, _END, _FIRST = 256, 257, 258
_NARROW, _WIDE = 9, 12
_MOST = (1 << _WIDE) - _FIRST + 1
"""Codes until the table is full, and must have been cleared."""


class NoSuchCode(Exception):
    """A code that stands for nothing yet."""


def _widths() -> NDArray[np.int64]:
    """Of the first, second, … code behind a clearing.

    One early: the writer has a code in its table before the reader has.
    """
    entries = _FIRST + np.maximum(np.arange(_MOST) - 1, 0)
    full = [(1 << bits) - 1 for bits in range(_NARROW, _WIDE)]
    return np.asarray(_NARROW + np.searchsorted(full, entries, side="right"), np.int64)


_WIDTHS = _widths()
_OFFSETS = np.concatenate(([0], np.cumsum(_WIDTHS)))


def unpacked_bytes(packed: bytes) -> int:
    """What the codes in `packed` give, up to the end code or to its end.

    Raises `NoSuchCode`, also where the table runs over.
    """
    data = np.frombuffer(packed + bytes(8), np.uint8)
    all_bits = len(packed) * 8
    at = given = 0
    while True:
        count = int(np.searchsorted(_OFFSETS, all_bits - at, side="right")) - 1
        codes = _codes(data, at, min(count, _MOST))
        marks = np.flatnonzero((codes == _CLEAR) | (codes == _END))
        stop = int(marks[0]) if len(marks) else len(codes)
        given += _given(codes[:stop])
        if stop == len(codes):
            if stop == _MOST:
                raise NoSuchCode
            return given
        if codes[stop] == _END:
            return given
        at += int(_OFFSETS[stop + 1])


def _codes(data: NDArray[np.uint8], at: int, count: int) -> NDArray[np.int64]:
    """So many codes from bit `at` on."""
    bits = at + _OFFSETS[:count]
    first = bits >> 3
    joined: NDArray[Any] = np.zeros(count, np.int64)
    for byte in range(3):
        joined = joined << 8 | data[first + byte]
    widths = _WIDTHS[:count]
    return np.asarray(joined >> (24 - (bits & 7) - widths) & ((1 << widths) - 1), np.int64)


def _given(codes: NDArray[np.int64]) -> int:
    """The bytes of all `codes` of one table."""
    if not len(codes):
        return 0
    made_of = codes - _FIRST
    index = np.arange(len(codes))
    is_byte = codes < _CLEAR
    if not is_byte[0] or bool((made_of >= index)[~is_byte].any()):
        raise NoSuchCode
    steps = np.where(is_byte, 0, 1)
    before = np.where(is_byte, index, made_of)
    while bool((further := steps[before]).any()):
        steps = steps + further
        before = before[before]
    return int(steps.sum()) + len(codes)
