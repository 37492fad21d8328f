"""PNG's own structure: every chunk there and as its sum says, down to the last one.  Pure.

The decoder checks what is inside of the picture's own chunks (that the pixels are all there); of
the others it overlooks a wrong sum, and of a file that goes on in garbage the rest.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from edge_runtime.files.pictures.damaged import Damaged

SIGNATURE = b"\x89PNG\r\n\x1a\n"
END = b"\0\0\0\0IEND\xaeB`\x82"
"""The last chunk, always the same."""
_WITH_ALPHA = 4
"""The bit of the colour type."""


@dataclass(frozen=True, slots=True)
class Header:
    """What decides how it is decoded."""

    has_alpha: bool
    exif: bytes


def size_px(data: bytes) -> tuple[int, int]:
    """(width, height) as the header says."""
    if data[12:16] != b"IHDR":
        raise Damaged("not a PNG picture: it does not begin with IHDR")
    width, height = struct.unpack_from(">II", data, 16)
    return int(width), int(height)


def check(data: bytes) -> Header:
    """Raise `Damaged` unless each chunk up to the end chunk is there, with its right sum."""
    whole = memoryview(data)
    at = len(SIGNATURE)
    has_alpha = bool(data[25] & _WITH_ALPHA)
    exif = b""
    while True:
        if at + 12 > len(data):
            raise Damaged("the PNG picture is cut short")
        length, name = struct.unpack_from(">I4s", data, at)
        behind = at + 8 + length
        if behind + 4 > len(data):
            raise Damaged("the PNG picture is cut short")
        (told,) = struct.unpack_from(">I", data, behind)
        if zlib.crc32(whole[at + 4 : behind]) != told:
            shown = name.decode("ascii", "backslashreplace")
            raise Damaged(f"the PNG picture is damaged: the sum of its chunk {shown!a} is wrong")
        if name == b"IEND":
            return Header(has_alpha, exif)
        if name == b"tRNS":
            has_alpha = True
        elif name == b"eXIf":
            exif = data[at + 8 : behind]
        at = behind + 4
