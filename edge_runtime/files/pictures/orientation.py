"""The EXIF orientation: which way up a camera was held.  Pure."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

UPRIGHT = 1
_TAG = 0x0112
_SHORT = 3


def orientation(exif: bytes) -> int:
    """1 to 8 as in the TIFF structure `exif`; 1 where it does not say or cannot be read."""
    try:
        order = {b"II": "<", b"MM": ">"}[exif[:2]]
        magic, at = struct.unpack_from(order + "HI", exif, 2)
        if magic != 42:
            return UPRIGHT
        (count,) = struct.unpack_from(order + "H", exif, at)
        for entry in range(at + 2, at + 2 + 12 * count, 12):
            tag, kind, number, value = struct.unpack_from(order + "HHIH", exif, entry)
            if tag == _TAG and kind == _SHORT and number == 1:
                return int(value) if 1 <= value <= 8 else UPRIGHT
    except (KeyError, struct.error):
        pass
    return UPRIGHT


def turned(pixels: NDArray[np.uint8], how: int) -> NDArray[np.uint8]:
    """`pixels`, (height, width, channels), as a person sees them; contiguous."""
    if how == UPRIGHT:
        return pixels
    import numpy as np

    if how >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if how in {2, 3, 6, 7}:  # mirrored left to right
        pixels = pixels[:, ::-1]
    if how in {3, 4, 7, 8}:  # mirrored top to bottom
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)
