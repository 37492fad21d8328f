"""Still pictures from disk or network into pixels: guarded, whole or refused.

Stateless; any thread.  The format goes by the first bytes, never by the name, and a picture is
decoded only after its own header has told a size that is bearable: a PNG of 31 kB can unpack to
732 MB.  Damage is heard from the decoder and from the file's own structure; a picture that is not
all there is refused, for its missing half would pass as a good part.  The EXIF orientation is
obeyed, so that coordinates mean what a person sees in any viewer.  What is transparent stands on
black: colours that nobody sees are not judged.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edge_runtime.errors import ItemError
from edge_runtime.files.naming import printable
from edge_runtime.files.pictures import bmp, depth, jpeg, jpeg_structure, png, tiff, webp
from edge_runtime.files.pictures.damaged import Damaged
from edge_runtime.files.pictures.opencv import MAX_PIXELS, decode_any, decode_with_alpha
from edge_runtime.files.pictures.orientation import orientation, turned
from edge_runtime.files.regular import read_regular

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})
MAX_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class Picture:
    """One still picture."""

    pixels: NDArray[np.uint8] = field(repr=False, compare=False)
    """(height, width, 3) BGR."""
    encoded: bytes | None = field(default=None, repr=False)
    """Its own bytes where it is a JPEG."""
    advice: str = ""
    """What its owner should know of its range; empty: nothing."""


def read_image(path: Path) -> NDArray[np.uint8]:
    """The picture in `path` as (height, width, 3) BGR.

    Raises `ItemError` naming the file when it is not there or no file, is of no format that is
    read, is damaged or cut short, or has more than `MAX_PIXELS`.
    """
    return read_picture(path).pixels


def read_picture(path: Path, bits: int | None = None) -> Picture:
    """As `read_image`, with what else is known of it.  `bits`: as for `decode_picture`."""
    return decode_picture(read_regular(path, MAX_BYTES), printable(path), bits)


def decode_image(data: bytes, name: str) -> NDArray[np.uint8]:
    """`data`, a whole JPEG, PNG, BMP, TIFF or WebP, as (height, width, 3) BGR.

    What stands behind the picture's own end is left alone.  Raises `ItemError` beginning with
    `name`.
    """
    return decode_picture(data, name).pixels


def decode_picture(data: bytes, name: str, bits: int | None = None) -> Picture:
    """As `decode_image`; of 16-bit data `bits`, 8 to 16, are used, None: all of them."""
    try:
        pixels, highest = depth.shown(_decode(data), bits)
    except Damaged as exc:
        raise ItemError(f"{name}: {exc}") from exc
    except (struct.error, IndexError) as exc:
        raise ItemError(f"{name}: its header is cut short") from exc
    is_jpeg = data.startswith(jpeg_structure.SIGNATURE)
    return Picture(pixels, data if is_jpeg else None, depth.advice(highest, bits))


def _decode(data: bytes) -> NDArray[np.uint8] | NDArray[np.uint16]:
    if data.startswith(jpeg_structure.SIGNATURE):
        structure = jpeg_structure.read_structure(data)
        _check_size(structure.width, structure.height)
        return jpeg.decode(data, structure)
    if data.startswith(png.SIGNATURE):
        _check_size(*png.size_px(data))
        header = png.check(data)
        return _on_black(data, header.exif) if header.has_alpha else decode_any(data)
    if data.startswith(bmp.SIGNATURE):
        _check_size(*bmp.size_px(data))
        bmp.check(data)
        return decode_any(data)
    if tiff.is_tiff(data):
        return _decode_tiff(data)
    if webp.is_webp(data):
        told = webp.check(data)
        _check_size(told.width, told.height)
        return _on_black(data, told.exif) if told.has_alpha else decode_any(data)
    raise Damaged("it is empty" if not data else "not a JPEG, PNG, BMP, TIFF or WebP picture")


def _decode_tiff(data: bytes) -> NDArray[np.uint8] | NDArray[np.uint16]:
    read = tiff.Tiff(data)
    header = read.header()
    _check_size(header.width, header.height)
    read.check()
    # TIFF's own orientation is obeyed by the decoder either way.
    return decode_with_alpha(data) if header.has_alpha else decode_any(data)


def _on_black(data: bytes, exif: bytes) -> NDArray[np.uint8] | NDArray[np.uint16]:
    return turned(decode_with_alpha(data), orientation(exif))


def _check_size(width: int, height: int) -> None:
    if width < 1 or height < 1 or width * height > MAX_PIXELS:
        raise Damaged(f"{width} x {height} pixels; at most {MAX_PIXELS} are decoded")


__all__ = [
    "MAX_BYTES",
    "MAX_PIXELS",
    "SUFFIXES",
    "Picture",
    "decode_image",
    "decode_picture",
    "read_image",
    "read_picture",
]
