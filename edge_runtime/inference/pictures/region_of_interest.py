"""The part of a camera's picture that a model is shown; answers are about the whole picture.

A phone on a belt does not fill the picture, and a model that was taught surfaces takes its border
for damage.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.errors import ItemError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_runtime.protocols import PictureRunner
    from edge_runtime.types import Inference, Region


@dataclass(frozen=True, slots=True)
class RegionOfInterest:
    """``[x0, y0, x1, y1]``: fractions of the picture when all are at most 1, else pixels."""

    x0: float
    y0: float
    x1: float
    y1: float

    def box_px(self, width: int, height: int) -> tuple[int, int, int, int]:
        """In whole pixels of a picture of this size, x1/y1 exclusive, at least one pixel.

        Raises `ItemError` when the picture is smaller: the camera is not the one that it was drawn
        for, and a part of the part would be inspected in silence.
        """
        x0, y0, x1, y1 = self.x0, self.y0, self.x1, self.y1
        if max(x0, y0, x1, y1) <= 1.0:
            x0, y0, x1, y1 = x0 * width, y0 * height, x1 * width, y1 * height
        left, top, right, bottom = round(x0), round(y0), round(x1), round(y1)
        right, bottom = max(right, left + 1), max(bottom, top + 1)
        if right > width or bottom > height:
            raise ItemError(
                f"the region [{left}, {top}, {right}, {bottom}] lies outside the picture of "
                f"{width}x{height}"
            )
        return left, top, right, bottom


class RegionRunner:
    """Satisfies `protocols.PictureRunner`: another one on a part of each picture.

    Owned by one thread.
    """

    def __init__(self, runner: PictureRunner, roi: RegionOfInterest) -> None:
        """`runner` is this one's own."""
        self._runner = runner
        self._roi = roi

    def frame(self, pixels: NDArray[np.uint8]) -> Inference:
        """Infer on the part; regions, tiles and heat are of the whole.  Raises `ItemError`."""
        if pixels.ndim != 3 or 0 in pixels.shape:
            return self._runner.frame(pixels)  # refused there
        height, width = pixels.shape[:2]
        x0, y0, x1, y1 = self._roi.box_px(width, height)
        found = self._runner.frame(pixels[y0:y1, x0:x1])
        return replace(
            found,
            regions=tuple(_moved(region, x0, y0) for region in found.regions),
            tiles=tuple(
                (left + x0, top + y0, right + x0, bottom + y0, score)
                for left, top, right, bottom, score in found.tiles
            ),
            heat=None if found.heat is None else _framed(found.heat, (x0, y0, x1, y1), pixels),
        )


def of_region(runner: PictureRunner, roi: Sequence[float] | None) -> PictureRunner:
    """`runner`, on ``[x0, y0, x1, y1]`` of each picture where that is given."""
    return runner if roi is None else RegionRunner(runner, RegionOfInterest(*roi))


def _moved(region: Region, x0: int, y0: int) -> Region:
    return replace(
        region, x0=region.x0 + x0, y0=region.y0 + y0, x1=region.x1 + x0, y1=region.y1 + y0
    )


def _framed(
    heat: NDArray[np.float32], box: tuple[int, int, int, int], pixels: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """A map of the part, with 0 around it, over the whole picture; in the map's resolution."""
    height, width = pixels.shape[:2]
    x0, y0, x1, y1 = box
    rows, columns = heat.shape
    fx, fy = min(1.0, columns / (x1 - x0)), min(1.0, rows / (y1 - y0))
    whole = np.zeros((max(1, round(height * fy)), max(1, round(width * fx))), np.float32)
    top, left = min(round(y0 * fy), len(whole) - 1), min(round(x0 * fx), whole.shape[1] - 1)
    bottom, right = min(round(y1 * fy), len(whole)), min(round(x1 * fx), whole.shape[1])
    bottom, right = max(bottom, top + 1), max(right, left + 1)
    at_rows = (np.arange(bottom - top) + 0.5) * rows / (bottom - top)
    at_columns = (np.arange(right - left) + 0.5) * columns / (right - left)
    part = heat[np.ix_(at_rows.astype(np.intp), at_columns.astype(np.intp))]
    whole[top:bottom, left:right] = part
    return whole
