"""Boxes of any detector into regions and scores by label: cut, suppress, place.  Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.inference.decoders.answer import Answer
from edge_runtime.types import Region, Score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_runtime.inference.pictures.placement import Placement

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


def corners_by(form: str, given: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, 4) as the model gave them into ``x0 y0 x1 y1``.

    ``corners``: that is what they are; ``yx-corners``: y0 x0 y1 x1; ``centre``: x y width height
    around the middle; ``corner-size``: x0 y0 width height.
    """
    if form == "centre":
        return corners_of(given)
    given = np.clip(given, -FARTHEST_PX, FARTHEST_PX)
    if form == "yx-corners":
        return given[:, [1, 0, 3, 2]]
    if form == "corner-size":
        return np.concatenate([given[:, :2], given[:, :2] + given[:, 2:]], axis=1)
    return given


def corners_of(centres: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, 4) ``x y width height`` around the middle into ``x0 y0 x1 y1``."""
    centres = np.clip(centres, -FARTHEST_PX, FARTHEST_PX)
    half = centres[:, 2:] / np.float32(2.0)
    return np.concatenate([centres[:, :2] - half, centres[:, :2] + half], axis=1)


def suppressed(
    corners: NDArray[np.float32],
    groups: NDArray[np.intp],
    *,
    iou: float,
    most: int,
    block: int = 256,
) -> NDArray[np.intp]:
    """Greedy non-maximum suppression: indices that stay, best first, at most `most`.

    `corners`: (n, 4) ``x0 y0 x1 y1``, best first.  A box goes when its intersection with a better
    one that stayed, over their union, is above `iou`; only within its group, (n,).  So many as
    `block` are compared at a time: all pairs at once would be too much memory, one by one too slow.
    """
    exact = corners.astype(np.float64)
    stayed = np.empty(0, np.intp)
    for first in range(0, len(corners), block):
        new = np.arange(first, min(first + block, len(corners)))
        if len(stayed):
            new = new[~_hides(exact, groups, stayed, new, iou).any(axis=0)]
        spares = ~_hides(exact, groups, new, new, iou)
        stays = np.ones(len(new), np.bool_)
        for at in range(len(new)):
            if stays[at]:
                stays[at + 1 :] &= spares[at, at + 1 :]
        stayed = np.concatenate([stayed, new[stays]])
        if len(stayed) >= most:
            break
    return stayed[:most]


def _hides(
    corners: NDArray[np.float64],
    groups: NDArray[np.intp],
    better: NDArray[np.intp],
    worse: NDArray[np.intp],
    iou: float,
) -> NDArray[np.bool_]:
    """(better, worse) of indices into `corners`: whether the one overlaps the other too much."""
    x0, y0, x1, y1 = corners[better].T[:, :, None]
    left, top, right, bottom = corners[worse].T
    areas = np.maximum(x1 - x0, 0.0) * np.maximum(y1 - y0, 0.0)
    others = np.maximum(right - left, 0.0) * np.maximum(bottom - top, 0.0)
    width = np.maximum(np.minimum(x1, right) - np.maximum(x0, left), 0.0)
    shared = width * np.maximum(np.minimum(y1, bottom) - np.maximum(y0, top), 0.0)
    overlaps = shared > iou * (areas + others - shared)
    return np.asarray(overlaps & (groups[better][:, None] == groups[worse]), np.bool_)


def box_answer(rules: BoxRules, kept: Boxes, placement: Placement) -> Answer:
    """Regions of `kept`, and every label's best."""
    regions = rules.regions(kept, placement)
    return Answer(scores=best_by_label(regions, rules.labels), regions=regions)


def best_by_label(regions: Sequence[Region], labels: Sequence[str]) -> tuple[Score, ...]:
    """Every label's best region, 0 where there is none; best first, ties in the labels' order."""
    best = dict.fromkeys(labels, 0.0)
    for region in regions:
        best[region.label] = max(best[region.label], region.score)
    ordered = sorted(best.items(), key=lambda item: -item[1])
    return tuple(Score(label, score) for label, score in ordered)
