"""BMP's own structure: whether all rows are there.  Pure.

The format has no sum and no end mark; its header tells how many bytes the rows take.
"""

from __future__ import annotations

import struct

from edge_runtime.files.pictures.damaged import Damaged

SIGNATURE = b"BM"
_OLD_HEADER = 12
_DEPTHS = frozenset({1, 4, 8, 16, 24, 32})
_PLAIN, _RUNS_8, _RUNS_4, _MASKS, _ALPHA_MASKS = 0, 1, 2, 3, 6
_END_OF_PICTURE, _DELTA = 1, 2


def size_px(data: bytes) -> tuple[int, int]:
    """(width, height) as the header says."""
    (header_bytes,) = struct.unpack_from("<I", data, 14)
    if header_bytes == _OLD_HEADER:
        width, height = struct.unpack_from("<HH", data, 18)
    else:
        width, height = struct.unpack_from("<ii", data, 18)
    return int(width), abs(int(height))  # a negative height: rows from the top


def check(data: bytes) -> None:
    """Raise `Damaged` unless all rows are there."""
    width, height = size_px(data)
    (begin, header_bytes) = struct.unpack_from("<II", data, 10)
    packing = _PLAIN
    if header_bytes == _OLD_HEADER:
        (depth,) = struct.unpack_from("<H", data, 24)
    else:
        depth, packing = struct.unpack_from("<HI", data, 28)
    if depth not in _DEPTHS or packing not in {_PLAIN, _RUNS_8, _RUNS_4, _MASKS, _ALPHA_MASKS}:
        raise Damaged(f"a BMP picture of {depth} bits packed in way {packing}; it is not read")
    if begin < 14 + header_bytes:
        raise Damaged("the BMP picture is damaged: its rows begin within its header")
    if packing in {_RUNS_8, _RUNS_4}:
        _check_runs(data, begin, is_narrow=packing == _RUNS_4)
        return
    rows_bytes = (width * depth + 31) // 32 * 4 * height
    if len(data) < begin + rows_bytes:
        raise Damaged(
            f"the BMP picture is cut short: {max(0, len(data) - begin)} of {rows_bytes} bytes"
        )


def _check_runs(data: bytes, at: int, *, is_narrow: bool) -> None:
    """Walk the packed runs to the mark that ends them."""
    while at + 1 < len(data):
        count, value = data[at], data[at + 1]
        at += 2
        if count or value == 0:  # a run, or the end of a row
            continue
        if value == _END_OF_PICTURE:
            return
        if value == _DELTA:
            at += 2
        else:  # so many pixels as they are, to an even byte
            pixel_bytes = (value + 1) // 2 if is_narrow else value
            at += pixel_bytes + (pixel_bytes & 1)
    raise Damaged("the BMP picture is cut short: the end of its packed rows is missing")
