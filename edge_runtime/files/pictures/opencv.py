"""What OpenCV decodes: PNG, BMP, TIFF, WebP and the rarest JPEGs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, cast

from edge_runtime.files.pictures.damaged import Damaged

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_PIXELS = 50_000_000
"""150 MB decoded; the largest line-scan pictures in use are about 40 megapixels."""

# A second line of defence, read by OpenCV when it is imported first.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MAX_PIXELS))


def decode_any(data: bytes, *, upright: bool = True) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """(height, width, 3) BGR of 8 or 16 bits; what is transparent is left out.

    `upright`: turned as its EXIF data say.

    Raises `Damaged` for what OpenCV does not decode to its end.
    """
    import cv2

    how = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
    return _decoded(data, how if upright else how | cv2.IMREAD_IGNORE_ORIENTATION, channels=3)


def decode_with_alpha(data: bytes) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """(height, width, 3) BGR of 8 or 16 bits as it stands on black, as stored (not turned).

    Raises `Damaged` as `decode_any` does.
    """
    import cv2
    import numpy as np

    pixels = _decoded(data, cv2.IMREAD_UNCHANGED, channels=4)
    opaque = np.iinfo(pixels.dtype).max
    # In 32 bits: 65535 times itself fits.
    seen = pixels[:, :, :3].astype(np.uint32) * pixels[:, :, 3:] + opaque // 2
    return cast("NDArray[np.uint8] | NDArray[np.uint16]", (seen // opaque).astype(pixels.dtype))


def _decoded(data: bytes, how: int, *, channels: int) -> NDArray[np.uint8] | NDArray[np.uint16]:
    import cv2
    import numpy as np

    try:
        pixels: Any = cv2.imdecode(np.frombuffer(data, np.uint8), how)
    except cv2.error:
        pixels = None
    if pixels is None or pixels.ndim != 3 or pixels.shape[2] != channels:
        raise Damaged("the picture is damaged or cut short")
    if pixels.dtype not in (np.uint8, np.uint16):
        raise Damaged("a picture of more than 16 bits; those of 8 and 16 bits are read")
    return cast("NDArray[np.uint8] | NDArray[np.uint16]", pixels)
