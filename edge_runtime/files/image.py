"""Still pictures from disk or network into pixels: guarded, whole or refused.

Stateless; any thread.  The format goes by the first bytes, never by the name, and a picture is
decoded only after its own header has told a size that is bearable: a PNG of 31 kB can unpack to
732 MB.  Damage is heard from the decoder and from the file's own structure; a picture that is not
all there is refused, for its missing half would pass as a good part.  The EXIF orientation is
obeyed, so that coordinates mean what a person sees in any viewer.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from edge_runtime.errors import ItemError
from edge_runtime.files.naming import printable
from edge_runtime.files.pictures import bmp, jpeg, jpeg_structure, png
from edge_runtime.files.pictures.damaged import Damaged
from edge_runtime.files.pictures.opencv import MAX_PIXELS, decode_any
from edge_runtime.files.regular import read_regular

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp"})
MAX_BYTES = 256 << 20


def read_image(path: Path) -> NDArray[np.uint8]:
    """The picture in `path` as (height, width, 3) BGR.

    Raises `ItemError` naming the file when it is not there or no file, is not a JPEG, PNG or BMP,
    is damaged or cut short, or has more than `MAX_PIXELS`.
    """
    return decode_image(read_regular(path, MAX_BYTES), printable(path))


def read_with_encoded(path: Path) -> tuple[NDArray[np.uint8], bytes | None]:
    """As `read_image`, and the file's own bytes where it is a JPEG."""
    data = read_regular(path, MAX_BYTES)
    is_jpeg = data.startswith(jpeg_structure.SIGNATURE)
    return decode_image(data, printable(path)), data if is_jpeg else None


def decode_image(data: bytes, name: str) -> NDArray[np.uint8]:
    """`data`, a whole JPEG, PNG or BMP, as (height, width, 3) BGR.

    What stands behind the picture's own end is left alone.  Raises `ItemError` beginning with
    `name`.
    """
    try:
        return _decode(data)
    except Damaged as exc:
        raise ItemError(f"{name}: {exc}") from exc
    except (struct.error, IndexError) as exc:
        raise ItemError(f"{name}: its header is cut short") from exc


def _decode(data: bytes) -> NDArray[np.uint8]:
    if data.startswith(jpeg_structure.SIGNATURE):
        structure = jpeg_structure.read_structure(data)
        _check_size(structure.width, structure.height)
        return jpeg.decode(data, structure)
    if data.startswith(png.SIGNATURE):
        _check_size(*png.size_px(data))
        png.check(data)
        return decode_any(data)
    if data.startswith(bmp.SIGNATURE):
        _check_size(*bmp.size_px(data))
        bmp.check(data)
        return decode_any(data)
    raise Damaged("it is empty" if not data else "not a JPEG, PNG or BMP picture")


def _check_size(width: int, height: int) -> None:
    if width < 1 or height < 1 or width * height > MAX_PIXELS:
        raise Damaged(f"{width} x {height} pixels; at most {MAX_PIXELS} are decoded")


__all__ = ["MAX_BYTES", "MAX_PIXELS", "SUFFIXES", "decode_image", "read_image", "read_with_encoded"]
