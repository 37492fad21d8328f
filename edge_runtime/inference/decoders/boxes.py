"""Boxes of any detector into regions and scores by label: cut, suppress, place.  Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.types import Region, Score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_runtime.inference.placement import Placement

CANDIDATES_MAX = 30_000
"""So many of the best are compared with one another; what is behind them cannot be seen."""
FARTHEST_PX = 1e6
"""Coordinates are cut to +-this: a damaged model's must not overflow."""


@dataclass(frozen=True, slots=True)
class Boxes:
    """Candidates of one picture, in no order."""

    corners: NDArray[np.float32]
    """(n, 4) ``x0 y0 x1 y1`` in pixels of the model's input."""
    scores: NDArray[np.float32]
    """(n,) 0..1."""
    classes: NDArray[np.intp]
    """(n,) index of the label."""
    rows: NDArray[np.intp]
    """(n,) where in the model's output, to find what else belongs to the box."""

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, chosen: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Boxes:
        """Some of them."""
        return Boxes(
            self.corners[chosen], self.scores[chosen], self.classes[chosen], self.rows[chosen]
        )


@dataclass(frozen=True, slots=True)
class BoxRules:
    """What becomes of candidates; the manifest's ``[output]``."""

    labels: tuple[str, ...]
    input_size: tuple[int, int]
    """(width, height) of the model's input, px."""
    score_min: float = 0.25
    suppress: str = "per_label"
    """``per_label``, ``across_labels`` or ``none``."""
    iou: float = 0.7
    regions_max: int = 300
    are_fractions: bool = False
    """Coordinates are 0..1 of the model's input."""

    def corners_px(self, corners: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, 4) ``x0 y0 x1 y1`` as the model gave them, in pixels of its input."""
        if not self.are_fractions:
            return np.clip(corners, -FARTHEST_PX, FARTHEST_PX)
        width, height = self.input_size
        scale = np.array([width, height, width, height], np.float32)
        return np.clip(corners, -100.0, 100.0) * scale

    def kept(self, boxes: Boxes, placement: Placement) -> Boxes:
        """The best first: at least `score_min`, on the picture, not overlapped by a better one."""
        boxes = boxes[np.flatnonzero(boxes.scores >= self.score_min)]
        boxes = boxes[placement.shows(boxes.corners)]
        boxes = boxes[np.argsort(-boxes.scores, kind="stable")[:CANDIDATES_MAX]]
        if self.suppress == "none":
            return boxes[: self.regions_max]
        groups = boxes.classes if self.suppress == "per_label" else np.zeros_like(boxes.classes)
        return boxes[suppressed(boxes.corners, groups, iou=self.iou, most=self.regions_max)]

    def regions(self, boxes: Boxes, placement: Placement) -> tuple[Region, ...]:
        """Kept ones in pixels of the original."""
        return tuple(
            Region(self.labels[index], score, *placement.to_original(*corners))
            for corners, score, index in zip(
                boxes.corners.tolist(), boxes.scores.tolist(), boxes.classes.tolist(), strict=True
            )
        )


def corners_of(centres: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, 4) ``x y width height`` around the middle into ``x0 y0 x1 y1``."""
    centres = np.clip(centres, -FARTHEST_PX, FARTHEST_PX)
    half = centres[:, 2:] / np.float32(2.0)
    return np.concatenate([centres[:, :2] - half, centres[:, :2] + half], axis=1)


def suppressed(
    corners: NDArray[np.float32], groups: NDArray[np.intp], *, iou: float, most: int
) -> NDArray[np.intp]:
    """Greedy non-maximum suppression: indices that stay, best first, at most `most`.

    `corners`: (n, 4) ``x0 y0 x1 y1``, best first.  A box goes when its intersection with a better
    one that stayed, over their union, is above `iou`; only within its group, (n,).
    """
    x0, y0, x1, y1 = corners.astype(np.float64).T
    areas = np.maximum(x1 - x0, 0.0) * np.maximum(y1 - y0, 0.0)
    left = np.arange(len(corners))
    stayed: list[int] = []
    while len(left) and len(stayed) < most:
        best, rest = int(left[0]), left[1:]
        stayed.append(best)
        width = np.minimum(x1[rest], x1[best]) - np.maximum(x0[rest], x0[best])
        height = np.minimum(y1[rest], y1[best]) - np.maximum(y0[rest], y0[best])
        shared = np.maximum(width, 0.0) * np.maximum(height, 0.0)
        goes = shared > iou * (areas[rest] + areas[best] - shared)
        left = rest[~(goes & (groups[rest] == groups[best]))]
    return np.array(stayed, np.intp)


def best_by_label(regions: Sequence[Region], labels: Sequence[str]) -> tuple[Score, ...]:
    """Every label's best region, 0 where there is none; best first, ties in the labels' order."""
    best = dict.fromkeys(labels, 0.0)
    for region in regions:
        best[region.label] = max(best[region.label], region.score)
    ordered = sorted(best.items(), key=lambda item: -item[1])
    return tuple(Score(label, score) for label, score in ordered)
