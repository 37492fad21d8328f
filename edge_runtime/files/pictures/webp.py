"""WebP's own structure: whether all its chunks are there.  Pure.

The format has no sums: what is damaged and keeps its length is seen by the decoder or by nobody.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from edge_runtime.files.pictures.damaged import Damaged

_LOSSY, _LOSSLESS, _EXTENDED = b"VP8 ", b"VP8L", b"VP8X"
_ALPHA, _ANIMATED = 0x10, 0x02
_LOSSLESS_ALPHA = 1 << 28


@dataclass(frozen=True, slots=True)
class Header:
    """What decides whether and how it is decoded."""

    width: int
    height: int
    has_alpha: bool
    exif: bytes = b""


def is_webp(data: bytes) -> bool:
    """By its first bytes."""
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def check(data: bytes) -> Header:
    """Raise `Damaged` unless all chunks are there, and one of them is a picture."""
    (size,) = struct.unpack_from("<I", data, 4)
    end = 8 + size
    if end > len(data):
        raise Damaged(f"the WebP picture is cut short: {len(data)} of {end} bytes")
    found: Header | None = None
    exif = b""
    has_pixels = False
    at = 12
    while at + 8 <= end:
        name, length = struct.unpack_from("<4sI", data, at)
        body = at + 8
        if body + length > end:
            raise Damaged("the WebP picture is damaged: a chunk is longer than the file")
        if name in {_LOSSY, _LOSSLESS}:
            has_pixels = True
        if name == b"EXIF":
            exif = data[body : body + length].removeprefix(b"Exif\0\0")
        found = found or _header(name, data, body)
        at = body + length + (length & 1)
    if found is None or not has_pixels:
        raise Damaged("the WebP picture is damaged: there is no picture in it")
    return Header(found.width, found.height, found.has_alpha, exif)


def _header(name: bytes, data: bytes, at: int) -> Header | None:
    if name == _LOSSY:
        width, height = struct.unpack_from("<HH", data, at + 6)
        return Header(width & 0x3FFF, height & 0x3FFF, has_alpha=False)
    if name == _LOSSLESS:
        (bits,) = struct.unpack_from("<I", data, at + 1)
        has_alpha = bool(bits & _LOSSLESS_ALPHA)
        return Header((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, has_alpha)
    if name == _EXTENDED:
        flags = data[at]
        if flags & _ANIMATED:
            raise Damaged("an animated WebP picture; single ones are read")
        width = int.from_bytes(data[at + 4 : at + 7], "little") + 1
        height = int.from_bytes(data[at + 7 : at + 10], "little") + 1
        return Header(width, height, bool(flags & _ALPHA))
    return None
