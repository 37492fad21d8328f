"""What lies together in a map of the model's input, as regions of the picture.  Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.types import Region

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from edge_runtime.inference.pictures.placement import Placement


@dataclass(frozen=True, slots=True)
class MapRules:
    """What becomes of a map; the manifest's ``[output]``."""

    input_size: tuple[int, int]
    """(width, height) of the model's input, px."""
    mask_min: float = 0.5
    area_min_px: float = 0.0
    """Of the original."""
    region_score: str = "max"
    """``max`` or ``mean`` of the pixels inside."""
    regions_max: int = 300

    def regions(
        self,
        mask: NDArray[np.bool_],
        values: NDArray[np.float32],
        label: str,
        placement: Placement,
    ) -> list[Region]:
        """Connected parts (eight directions) of a (h, w) mask over the whole input.

        `values`, (h, w) 0..1, score them.  What lies in the bars of a letterbox is left out.
        """
        import cv2

        size = (mask.shape[1], mask.shape[0])
        at = placement.of_map(size, self.input_size)
        x0, y0, x1, y1 = at.visible(size)
        shown = np.ascontiguousarray(mask[y0:y1, x0:x1]).view(np.uint8)
        if not shown.any():
            return []
        made: Any = cv2.connectedComponentsWithStats(shown, connectivity=8, ltype=cv2.CV_32S)
        count, parts, stats, _ = made
        scores = _scores(parts, values[y0:y1, x0:x1], int(count), self.region_score)
        return [
            Region(
                label,
                score,
                *at.to_original(x0 + left, y0 + top, x0 + left + width, y0 + top + height),
            )
            for (left, top, width, height, area), score in zip(
                stats[1:].tolist(), scores.tolist(), strict=True
            )
            if area * at.area_px >= self.area_min_px
        ]

    def best(self, regions: Iterable[Region]) -> tuple[Region, ...]:
        """The best first, at most `regions_max`."""
        return tuple(sorted(regions, key=lambda region: -region.score)[: self.regions_max])

    def heat(self, values: NDArray[np.float32], placement: Placement) -> NDArray[np.float32]:
        """(h, w) over the whole input as a map over the original, 0..1."""
        at = placement.of_map((values.shape[1], values.shape[0]), self.input_size)
        return at.over_original(np.clip(values, 0.0, 1.0))


def _scores(
    parts: NDArray[np.int32], values: NDArray[np.float32], count: int, how: str
) -> NDArray[np.float32]:
    """(count - 1,) a number for each part but 0, the background."""
    flat = parts.ravel()
    inside = np.flatnonzero(flat)
    names, found = flat[inside], values.ravel()[inside]
    if how == "mean":
        sums = np.bincount(names, weights=found, minlength=count)[1:]
        return np.asarray(sums / np.bincount(names, minlength=count)[1:], np.float32)
    order = np.argsort(names, kind="stable")
    starts = np.searchsorted(names[order], np.arange(1, count))
    return np.asarray(np.maximum.reduceat(found[order], starts), np.float32)
