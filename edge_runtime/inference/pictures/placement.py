"""Where the picture lies in the model's input, to find the way back.  Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Placement:
    """input pixel = original pixel * scale + offset, along each axis, in pixels."""

    width: int
    """Of the original."""
    height: int
    scale_x: float
    scale_y: float
    offset_x: float
    offset_y: float

    def to_original(self, x0: float, y0: float, x1: float, y1: float) -> tuple[int, int, int, int]:
        """A box of the model's input in whole pixels of the original, inside the original.

        Borders are rounded to the nearest; the box keeps at least one pixel.
        """
        left = min(max(round((x0 - self.offset_x) / self.scale_x), 0), self.width - 1)
        top = min(max(round((y0 - self.offset_y) / self.scale_y), 0), self.height - 1)
        right = min(round((x1 - self.offset_x) / self.scale_x), self.width)
        bottom = min(round((y1 - self.offset_y) / self.scale_y), self.height)
        return left, top, max(right, left + 1), max(bottom, top + 1)

    def shows(self, corners: NDArray[np.float32]) -> NDArray[np.bool_]:
        """(n,) which of (n, 4) boxes ``x0 y0 x1 y1`` of the input touch the original at all.

        A box that lies wholly in the bars of a letterbox is about nothing.
        """
        x0, y0, x1, y1 = corners.T
        right = self.offset_x + self.width * self.scale_x
        bottom = self.offset_y + self.height * self.scale_y
        shown = (x1 > self.offset_x) & (x0 < right) & (y1 > self.offset_y) & (y0 < bottom)
        return np.asarray(shown, np.bool_)

    def of_map(self, map_size: tuple[int, int], input_size: tuple[int, int]) -> Placement:
        """The same for a map of the input: both sizes are (width, height)."""
        fx, fy = map_size[0] / input_size[0], map_size[1] / input_size[1]
        return Placement(
            self.width,
            self.height,
            self.scale_x * fx,
            self.scale_y * fy,
            self.offset_x * fx,
            self.offset_y * fy,
        )

    @property
    def area_px(self) -> float:
        """How many pixels of the original one pixel of the input stands for."""
        return 1.0 / (self.scale_x * self.scale_y)

    def visible(self, map_size: tuple[int, int]) -> tuple[int, int, int, int]:
        """(x0, y0, x1, y1) of the map's pixels whose middles lie on the original; at least one."""
        x0, x1 = _visible(self.offset_x, self.width * self.scale_x, map_size[0])
        y0, y1 = _visible(self.offset_y, self.height * self.scale_y, map_size[1])
        return x0, y0, x1, y1

    def over_original(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """A (h, w) map of the whole input as one that covers exactly the original.

        Bars are cut off; what the input did not show is 0.  Each pixel is the nearest of `values`,
        in the resolution of `values`.
        """
        height, width = values.shape
        rows, has_row = _nearest(self.height, self.scale_y, self.offset_y, height)
        columns, has_column = _nearest(self.width, self.scale_x, self.offset_x, width)
        found = values[np.ix_(rows, columns)]
        return np.where(np.outer(has_row, has_column), found, np.float32(0.0))


def _visible(offset: float, length: float, size: int) -> tuple[int, int]:
    first = min(max(0, math.ceil(offset - 0.5)), size - 1)
    return first, max(first + 1, min(size, math.floor(offset + length - 0.5) + 1))


def _nearest(
    length: int, scale: float, offset: float, size: int
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """(indices into the map, which of them it has) along one axis of the original."""
    count = max(1, min(round(length * scale), 4 * size))
    middles = (np.arange(count) + 0.5) / count * length * scale + offset
    at = np.floor(middles).astype(np.intp)
    return np.clip(at, 0, size - 1), (at >= 0) & (at < size)
