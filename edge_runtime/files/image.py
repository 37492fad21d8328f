"""Still pictures from disk or network into pixels: guarded, whole or refused.

Stateless; any thread.  Only JPEG, PNG and BMP by their first bytes, and only after their own header
has told a size that is bearable: a PNG of 31 kB can unpack to 732 MB.  The EXIF orientation is
obeyed, so that coordinates mean what a person sees in any viewer.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Any, cast

from edge_runtime.errors import ItemError
from edge_runtime.files.naming import printable
from edge_runtime.files.regular import read_regular

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp"})
MAX_PIXELS = 50_000_000
"""150 MB decoded; the largest line-scan pictures in use are about 40 megapixels."""
MAX_BYTES = 256 << 20

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_JPEG_END = b"\xff\xd9"
_START_OF_SCAN = 0xDA
# Start-of-frame markers; C4, C8 and CC in their midst are tables.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_ALONE = frozenset(range(0xD0, 0xD8)) | {0x01}


class _Bad(Exception):
    """Why these bytes are no picture of ours."""


def read_image(path: Path) -> NDArray[np.uint8]:
    """The picture in `path` as (height, width, 3) BGR.

    Raises `ItemError` naming the file when it is not there or no file, is not a JPEG, PNG or BMP,
    is cut short, or has more than `MAX_PIXELS`.
    """
    return decode_image(read_regular(path, MAX_BYTES), printable(path))


def read_with_encoded(path: Path) -> tuple[NDArray[np.uint8], bytes | None]:
    """As `read_image`, and the file's own bytes where it is a JPEG."""
    data = read_regular(path, MAX_BYTES)
    return decode_image(data, printable(path)), data if data.startswith(_JPEG) else None


def decode_image(data: bytes, name: str) -> NDArray[np.uint8]:
    """`data`, a whole JPEG, PNG or BMP, as (height, width, 3) BGR.  Raises `ItemError`."""
    try:
        width, height = _size_px(data)
    except (_Bad, struct.error, IndexError) as exc:
        reason = str(exc) if isinstance(exc, _Bad) else "its header is cut short"
        raise ItemError(f"{name}: {reason}") from exc
    if width < 1 or height < 1 or width * height > MAX_PIXELS:
        raise ItemError(f"{name}: {width} x {height} pixels; at most {MAX_PIXELS} are decoded")
    pixels = _decode(data)
    if pixels is None:
        raise ItemError(f"{name}: the picture is damaged or cut short")
    return pixels


def _decode(data: bytes) -> NDArray[np.uint8] | None:
    # A second line of defence, read by OpenCV when it is imported first.
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MAX_PIXELS))
    import cv2
    import numpy as np

    try:
        pixels: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        return None
    if pixels is None or pixels.ndim != 3 or pixels.dtype != np.uint8:
        return None
    return cast("NDArray[np.uint8]", pixels)


def _size_px(data: bytes) -> tuple[int, int]:
    """(width, height) as the header says."""
    if data.startswith(_JPEG):
        return _jpeg_size_px(data)
    if data.startswith(_PNG):
        return _png_size_px(data)
    if data.startswith(b"BM"):
        return _bmp_size_px(data)
    raise _Bad("it is empty" if not data else "not a JPEG, PNG or BMP picture")


def _png_size_px(data: bytes) -> tuple[int, int]:
    if data[12:16] != b"IHDR":
        raise _Bad("not a PNG picture: it does not begin with IHDR")
    width, height = struct.unpack_from(">II", data, 16)
    return int(width), int(height)


def _bmp_size_px(data: bytes) -> tuple[int, int]:
    (header_bytes,) = struct.unpack_from("<I", data, 14)
    if header_bytes == 12:
        width, height = struct.unpack_from("<HH", data, 18)
    else:
        width, height = struct.unpack_from("<ii", data, 18)
    return int(width), abs(int(height))  # a negative height: rows from the top


def _jpeg_size_px(data: bytes) -> tuple[int, int]:
    """Walk the marker segments to the frame header, and see that the picture ends at all."""
    size = None
    at = 2
    while True:
        while data[at] == 0xFF and data[at + 1] == 0xFF:  # fill bytes
            at += 1
        if data[at] != 0xFF:
            raise _Bad("the JPEG picture is damaged: a marker is missing")
        marker = data[at + 1]
        if marker in _JPEG_ALONE:
            at += 2
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            size = int(width), int(height)
        elif marker == _START_OF_SCAN:
            break
        at += 2 + length
    if size is None:
        raise _Bad("the JPEG picture is damaged: no frame header")
    # Older decoders fill what is missing with grey: a cut picture must not pass as a good part.
    if data.find(_JPEG_END, at) < 0:
        raise _Bad("the JPEG picture is cut short")
    return size
