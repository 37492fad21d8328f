"""Where the picture lies in the model's input, to find the way back.  Pure."""

from __future__ import annotations

from dataclasses import dataclass


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
