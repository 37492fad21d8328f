"""JPEG pixels: by libjpeg-turbo, which stops at what it calls a warning.

Premature end, extraneous bytes, a code that does not exist: most decoders go on with grey there.
This module alone imports simplejpeg.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from edge_runtime.files.pictures.damaged import Damaged
from edge_runtime.files.pictures.jpeg_blocks import can_follow, check_blocks
from edge_runtime.files.pictures.jpeg_exact import (
    is_only_padding,
    mixes_into_the_last,
    with_a_row_more,
)
from edge_runtime.files.pictures.jpeg_zeros import check_zeros
from edge_runtime.files.pictures.opencv import decode_any
from edge_runtime.files.pictures.orientation import orientation, turned

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edge_runtime.files.pictures.jpeg_parts import Structure

_UNUSUAL = "Could not determine subsampling"
"""Said of planes that are sampled as no camera does (4:1:0 and stranger)."""


def decode(data: bytes, structure: Structure) -> NDArray[np.uint8]:
    """(height, width, 3) BGR, upright by its EXIF orientation.  Raises `Damaged`."""
    check_zeros(data, structure)
    return turned(_decode(data, structure), orientation(structure.exif))


def _decode(data: bytes, structure: Structure) -> NDArray[np.uint8]:
    longer = with_a_row_more(data, structure)
    if longer is not None:
        try:
            pixels = _strict(longer)[: structure.height]
        except ValueError as exc:
            if _UNUSUAL in str(exc):
                return _unusual(data, structure)
            if not is_only_padding(data, structure, str(exc)):
                raise _damaged(exc) from exc
        else:
            if mixes_into_the_last(structure):
                _unmix(pixels[-1])
            return pixels
    try:
        return _strict(data)
    except ValueError as exc:
        if _UNUSUAL in str(exc):
            return _unusual(data, structure)
        raise _damaged(exc) from exc


def _unmix(row: NDArray[np.uint8]) -> None:
    """Take the grey below out of the colours of `row`, (width, 3) BGR: they are three quarters."""
    import numpy as np

    colours = row.astype(np.float32)
    grey = colours @ np.array([0.114, 0.587, 0.299], np.float32)
    colours += (colours - grey[:, None]) / 3
    row[:] = np.clip(colours + 0.5, 0, 255)


def _unusual(data: bytes, structure: Structure) -> NDArray[np.uint8]:
    """By the decoder that goes on with grey, once the codes were followed to their end."""
    if can_follow(structure):
        check_blocks(data, structure)
    return cast("NDArray[np.uint8]", decode_any(data, upright=False))


def _strict(data: bytes) -> NDArray[np.uint8]:
    import simplejpeg

    return cast("NDArray[np.uint8]", simplejpeg.decode_jpeg(data, "BGR", strict=True))


def _damaged(exc: ValueError) -> Damaged:
    """With libjpeg's words, without the name of the function that heard them."""
    reason = str(exc).rpartition("(): ")[2].removeprefix("Corrupt JPEG data: ")
    return Damaged(f"the JPEG picture is damaged or cut short: {reason}")
