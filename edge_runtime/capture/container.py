"""What a recording's container tells before anything is decoded.  Any thread.

Whether it was cut short is seen by the lengths in it.  The number of frames that a header tells
cannot say so: a clip cut out of a longer one keeps frames in its tables that are never shown, and
for some containers the number is an estimate.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pathlib import Path

_EBML = b"\x1a\x45\xdf\xa3"
_AVI_HEAD_BYTES = 1 << 16
_MATROSKA_SEGMENT = b"\x18\x53\x80\x67"
_MP4_FIRST = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide")


def is_cut_short(path: Path) -> bool:
    """True when a MP4/MOV, AVI or Matroska file is shorter than it says; False when unknown.

    Raises OSError.
    """
    size_bytes = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if len(head) < 12:
            return False
        if head[:4] == b"RIFF":
            (told,) = struct.unpack_from("<I", head, 4)
            return bool(told + 8 > size_bytes)
        if head[:4] == _EBML:
            return _matroska_end(file) > size_bytes
        if head[4:8] in _MP4_FIRST:
            return _mp4_end(file, size_bytes) > size_bytes
    return False


def counts_exactly(path: Path) -> bool:
    """True when the number of frames in the header is that of the frames to be seen: AVI, GIF.

    Raises OSError.
    """
    with path.open("rb") as file:
        return file.read(4) in (b"RIFF", b"GIF8")


def is_bottom_up(path: Path) -> bool:
    """True for an AVI of 24-bit pictures, not compressed, whose rows come from the bottom.

    That is a common kind, and OpenCV 5.0 overwrites its own heap when it reads one.  Raises
    OSError.
    """
    with path.open("rb") as file:
        head = file.read(_AVI_HEAD_BYTES)
    at = head.find(b"strf") if head[:4] == b"RIFF" else -1
    while 0 <= at <= len(head) - 28:
        size, _, height, _, bits, compression = struct.unpack_from("<IiiHHI", head, at + 8)
        if (size, bits, compression) == (40, 24, 0) and height > 0:
            return True
        at = head.find(b"strf", at + 4)
    return False


def _mp4_end(file: BinaryIO, size_bytes: int) -> int:
    """Where the last box ends; past the file's end also when there is no index (``moov``)."""
    at, has_index = 0, False
    while at < size_bytes:
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return size_bytes + 1
        length, kind = struct.unpack_from(">I4s", head)
        has_index = has_index or kind == b"moov"
        if length == 0:  # to the end of the file
            break
        if length == 1:
            if len(head) < 16:
                return size_bytes + 1
            (length,) = struct.unpack_from(">Q", head, 8)
        if length < 8:
            return at  # no box: damaged, but not cut
        at += length
    return max(at, 0 if has_index else size_bytes + 1)


def _matroska_end(file: BinaryIO) -> int:
    """Where the segment ends; 0 when it does not tell (a live recording)."""
    file.seek(4)
    header = _vint(file)
    if header is None:
        return 0
    file.seek(header, 1)
    if file.read(4) != _MATROSKA_SEGMENT:
        return 0
    length = _vint(file)
    return 0 if length is None else file.tell() + length


def _vint(file: BinaryIO) -> int | None:
    """Matroska's number of one to eight bytes; None for unknown or missing."""
    first = file.read(1)
    if not first or first[0] == 0:
        return None
    extra = 8 - first[0].bit_length()
    rest = file.read(extra)
    if len(rest) < extra:
        return None
    bits = 7 * (extra + 1)
    value = int.from_bytes(first + rest, "big") & ((1 << bits) - 1)
    return None if value == (1 << bits) - 1 else value
