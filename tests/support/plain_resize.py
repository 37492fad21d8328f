"""Pillow's bilinear shrinking, written as one loop over pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def antialiased(picture: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """(h, w, 3) as (height, width, 3): columns first, then rows, each rounded to 8 bits."""
    columns_first = _along_rows(picture.transpose(1, 0, 2), width).transpose(1, 0, 2)
    return _along_rows(columns_first, height)


def _along_rows(picture: NDArray[np.uint8], made: int) -> NDArray[np.uint8]:
    given = len(picture)
    if given == made:
        return picture
    out = np.empty((made, *picture.shape[1:]), np.uint8)
    scale = given / made
    reach = max(1.0, scale)
    for index in range(made):
        middle = (index + 0.5) * scale
        near = range(max(0, int(middle - reach + 0.5)), min(given, int(middle + reach + 0.5)))
        weights = [max(0.0, 1.0 - abs((j - middle + 0.5) * (1.0 / reach))) for j in near]
        total: Any = 1 << 21
        for j, weight in zip(near, weights, strict=True):
            total = total + picture[j].astype(np.int64) * int(
                weight / sum(weights) * (1 << 22) + 0.5
            )
        out[index] = np.clip(total >> 22, 0, 255)
    return out
