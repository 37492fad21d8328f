"""Whether a packed strip or tile of a TIFF gives as many bytes as its rows take.  Pure.

Each check answers what is wrong, empty where nothing is.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

PLAIN, LZW, JPEG, DEFLATE, OLD_DEFLATE, PACK_BITS = 1, 5, 7, 8, 32946, 32773
Wanted: TypeAlias = tuple[int, int]
"""Bytes of its rows: of those in the picture, and of as many as a strip has elsewhere."""
_SHORT = "is cut short"


def check_plain(packed: bytes, wanted: Wanted, _: bytes) -> str:
    """Not packed at all."""
    return "" if len(packed) >= min(wanted) else _SHORT


def check_deflate(packed: bytes, wanted: Wanted, _: bytes) -> str:
    """Unpacked to its end, where its sum is."""
    unpacking = zlib.decompressobj()
    try:
        given = len(unpacking.decompress(packed, max(wanted) + 1))
    except zlib.error as exc:
        return f"is damaged: {exc}"
    return "" if unpacking.eof and given in wanted else _amount(given, wanted)


def check_pack_bits(packed: bytes, wanted: Wanted, _: bytes) -> str:
    """Runs and copies counted."""
    at = given = 0
    end = len(packed)
    while at < end:
        code = packed[at]
        if code < 128:
            at += code + 2
            given += code + 1
        elif code > 128:
            at += 2
            given += 257 - code
        else:
            at += 1
    if at > end:
        return _SHORT
    return "" if given in wanted else _amount(given, wanted)


def check_lzw(packed: bytes, wanted: Wanted, _: bytes) -> str:
    """Codes followed by the lengths of what they stand for, without what that is."""
    if len(packed) > 1 and packed[0] == 0 and packed[1] & 1:
        return "is packed in the LZW of before 1988, which is not read"
    from edge_runtime.files.pictures.tiff_lzw import NoSuchCode, unpacked_bytes

    try:
        given = unpacked_bytes(packed)
    except NoSuchCode:
        return "holds a code that does not exist"
    return "" if given in wanted else _amount(given, wanted)


def _amount(given: int, wanted: Wanted) -> str:
    return _SHORT if given < min(wanted) else "does not end where its rows do"


def check_jpeg(packed: bytes, wanted: Wanted, tables: bytes) -> str:
    """A picture of its own, whose tables stand elsewhere."""
    from edge_runtime.files.pictures.damaged import Damaged
    from edge_runtime.files.pictures.jpeg import decode
    from edge_runtime.files.pictures.jpeg_structure import read_structure

    whole = (tables[:-2] + packed[2:]) if tables else packed
    try:
        structure = read_structure(whole)
        if structure.width * structure.height > max(wanted):
            return "holds a larger picture than its piece has room for"
        decode(whole, structure)
    except Damaged as exc:
        return f"is no whole JPEG: {exc}"
    return ""


CHECKS: dict[int, Callable[[bytes, Wanted, bytes], str]] = {
    LZW: check_lzw,
    JPEG: check_jpeg,
    DEFLATE: check_deflate,
    OLD_DEFLATE: check_deflate,
    PACK_BITS: check_pack_bits,
}
