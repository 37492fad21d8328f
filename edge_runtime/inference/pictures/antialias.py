"""Shrinking by the mean under a triangle, bit for bit as Pillow's ``BILINEAR`` does it.

torchvision's ``Resize`` of a picture is this, and so is what classifiers of Ultralytics and many
others were trained on; OpenCV's ``INTER_LINEAR`` reads two pixels however many lie between, and
``INTER_AREA`` weighs them all alike.

Along each axis, with s = input / output (at least 1) and output pixel i around
c = (i + 1/2) input / output: pixel j weighs max(0, 1 - |j + 1/2 - c| / s); weights are divided by
their sum and rounded to 2^-22; the result is rounded to 8 bits, columns first, then rows.  (Pillow,
``Resample.c``, to version 12.  Version 13 takes the rows first where that is less work: one level
of difference in some pixels, mostly of pictures that are enlarged along one axis.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BITS = 22


@dataclass(frozen=True, slots=True)
class Taps:
    """Which input pixels make each output pixel along one axis."""

    places: NDArray[np.intp]
    """(taps, output)."""
    weights: NDArray[np.int32]
    """(taps, output) in steps of 2^-22; 0 behind an output's last."""


def taps_of(given: int, made: int) -> Taps:
    """From `given` to `made` pixels."""
    scale = given / made
    reach = max(1.0, scale)
    middles = (np.arange(made) + 0.5) * scale
    first = np.maximum((middles - reach + 0.5).astype(np.intp), 0)
    end = np.minimum((middles + reach + 0.5).astype(np.intp), given)
    steps = np.arange(int((end - first).max()))[:, None]
    places = first + steps
    weights = np.maximum(0.0, 1.0 - np.abs((places - middles + 0.5) * (1.0 / reach)))
    weights[places >= end] = 0.0
    # One after the other, as a plain loop adds them: the order can decide the last bit.
    total = np.add.accumulate(weights, axis=0)[-1]
    rounded = (weights / total * (1 << _BITS) + 0.5).astype(np.int32)
    return Taps(np.minimum(places, given - 1), rounded)


class Antialias:
    """Keeps the weights of the sizes that came last.  Owned by one thread."""

    def __init__(self) -> None:
        """Nothing is computed before the first picture."""
        import cv2

        self._cv2: Any = cv2
        self._taps: dict[tuple[int, int], Taps] = {}

    def resize(self, pixels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
        """A (h, w, 3) picture as (height, width, 3)."""
        if len(self._taps) > 8:  # a folder of pictures of many sizes
            self._taps.clear()
        columns_first = self._along(self._transposed(pixels), width)
        return self._along(self._transposed(columns_first), height)

    def _transposed(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        turned: NDArray[np.uint8] = self._cv2.transpose(np.ascontiguousarray(pixels))
        return turned

    def _along(self, pixels: NDArray[np.uint8], made: int) -> NDArray[np.uint8]:
        """(n, m, 3) as (made, m, 3)."""
        given = pixels.shape[0]
        if given == made:
            return pixels
        taps = self._taps.setdefault((given, made), taps_of(given, made))
        lines = pixels.reshape(given, -1)
        total = np.full((made, lines.shape[1]), 1 << (_BITS - 1), np.int32)
        product = np.empty_like(total)
        for places, weights in zip(taps.places, taps.weights, strict=True):
            np.multiply(lines[places], weights[:, None], out=product, dtype=np.int32)
            total += product
        total >>= _BITS
        return np.clip(total, 0, 255).astype(np.uint8).reshape(made, *pixels.shape[1:])
