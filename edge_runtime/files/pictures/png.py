"""PNG's own structure: every chunk there and as its sum says, down to the last one.  Pure.

The decoder checks what is inside of the picture's own chunks (that the pixels are all there); of
the others it overlooks a wrong sum, and of a file that goes on in garbage the rest.
"""

from __future__ import annotations

import struct
import zlib

from edge_runtime.files.pictures.damaged import Damaged

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def size_px(data: bytes) -> tuple[int, int]:
    """(width, height) as the header says."""
    if data[12:16] != b"IHDR":
        raise Damaged("not a PNG picture: it does not begin with IHDR")
    width, height = struct.unpack_from(">II", data, 16)
    return int(width), int(height)


def check(data: bytes) -> None:
    """Raise `Damaged` unless each chunk up to the end chunk is there, with its right sum."""
    whole = memoryview(data)
    at = len(SIGNATURE)
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
            return
        at = behind + 4
