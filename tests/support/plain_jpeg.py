"""Compressed pictures, made here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def jpeg_of(pixels: NDArray[np.uint8], *, quality: int = 90, progressive: bool = False) -> bytes:
    """(height, width, 3) BGR or (height, width) as JPEG."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)]
    return bytes(cv2.imencode(".jpg", pixels, options)[1].tobytes())
