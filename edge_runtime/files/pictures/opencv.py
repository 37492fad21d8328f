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


def decode_any(data: bytes) -> NDArray[np.uint8]:
    """(height, width, 3) BGR.  Raises `Damaged` for what OpenCV does not decode to its end."""
    # A second line of defence, read by OpenCV when it is imported first.
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MAX_PIXELS))
    import cv2
    import numpy as np

    try:
        pixels: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        pixels = None
    if pixels is None or pixels.ndim != 3 or pixels.dtype != np.uint8:
        raise Damaged("the picture is damaged or cut short")
    return cast("NDArray[np.uint8]", pixels)
