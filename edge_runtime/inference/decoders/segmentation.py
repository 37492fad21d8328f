"""Maps of labels, and boxes with masks, into regions.  Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from edge_runtime.errors import ItemError
from edge_runtime.inference.decoders.answer import Answer
from edge_runtime.inference.decoders.boxes import best_by_label, box_answer
from edge_runtime.inference.decoders.classification import activated
from edge_runtime.inference.decoders.decoder import label_indices, probabilities
from edge_runtime.inference.decoders.detection import boxes_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_runtime.inference.decoders.boxes import Boxes, BoxRules
    from edge_runtime.inference.decoders.detection import FinishedHead, RawHead
    from edge_runtime.inference.decoders.maps import MapRules
    from edge_runtime.inference.pictures.placement import Placement
    from edge_runtime.types import Region


@dataclass(frozen=True, slots=True)
class Semantic:
    """A plane a label, ``[1, labels, h, w]`` or ``[1, h, w, labels]``.

    The best label has the pixel (``softmax``, ``none``).  With ``sigmoid``, or one label only, each
    plane is for itself: pixels of at least `mask_min` are its label's.
    """

    labels: tuple[str, ...]
    background: frozenset[str]
    """Labels that make no regions."""
    activation: str
    rules: MapRules
    is_channels_last: bool = False
    """Which way is tried first; the other one is taken where only it fits."""
    reads_input: ClassVar[bool] = False

    def mismatch(self, shapes: Sequence[Sequence[int]]) -> str:
        """As in `PictureDecoder`."""
        if len(shapes) == 1 and self._axis(shapes[0]) is not None:
            return ""
        count = len(self.labels)
        return f"one output [1, {count}, h, w] or [1, h, w, {count}]: a plane a label"

    def decode(self, outputs: Sequence[NDArray[np.float32]], placement: Placement) -> Answer:
        """As in `PictureDecoder`."""
        planes = self._planes(outputs[0])
        if self.activation == "softmax":
            planes = _softmax(planes)
        elif self.activation == "sigmoid":
            planes = activated(planes, "sigmoid")
        planes = probabilities(planes)
        alone = self.activation == "sigmoid" or len(self.labels) == 1
        winner = None if alone else planes.argmax(axis=0)
        regions: list[Region] = []
        heat = np.zeros(planes.shape[1:], np.float32)
        for index, label in enumerate(self.labels):
            if label in self.background:
                continue
            plane = planes[index]
            mask = plane >= self.rules.mask_min if winner is None else winner == index
            regions += self.rules.regions(mask, plane, label, placement)
            # Planes for themselves show all that they know; of a winner, where it won.
            np.maximum(heat, plane if winner is None else np.where(mask, plane, 0.0), out=heat)
        return map_answer(regions, heat, self.labels, self.background, self.rules, placement)

    def _axis(self, shape: Sequence[int]) -> int | None:
        if len(shape) != 4 or shape[0] != 1:
            return None
        ways = (3, 1) if self.is_channels_last else (1, 3)
        return next((axis for axis in ways if shape[axis] == len(self.labels)), None)

    def _planes(self, output: NDArray[np.float32]) -> NDArray[np.float32]:
        axis = self._axis(output.shape)
        if axis is None:
            raise ItemError(f"the model's output {list(output.shape)} has no plane a label")
        return np.ascontiguousarray(np.moveaxis(output[0], axis - 1, 0))


@dataclass(frozen=True, slots=True)
class ClassIds:
    """One class id a pixel, ``[1, h, w]`` with or without an axis of 1; scores are 1.

    Ids below `first_class` are background.
    """

    labels: tuple[str, ...]
    background: frozenset[str]
    first_class: int
    rules: MapRules
    reads_input: ClassVar[bool] = False

    def mismatch(self, shapes: Sequence[Sequence[int]]) -> str:
        """As in `PictureDecoder`."""
        fits = len(shapes) == 1 and _plane_of(shapes[0]) is not None
        return "" if fits else "one output [1, h, w]: a class id a pixel"

    def decode(self, outputs: Sequence[NDArray[np.float32]], placement: Placement) -> Answer:
        """As in `PictureDecoder`."""
        plane = _plane_of(outputs[0].shape)
        if plane is None:
            raise ItemError(f"the model's output {list(outputs[0].shape)} is no map")
        ids = outputs[0].reshape(plane)
        named = np.unique(ids)
        label_indices(named[named >= self.first_class], self.first_class, len(self.labels))
        regions: list[Region] = []
        heat = np.zeros(plane, np.float32)
        for index, label in enumerate(self.labels):
            mask = ids == index + self.first_class
            if label not in self.background and mask.any():
                heat[mask] = 1.0
                regions += self.rules.regions(mask, heat, label, placement)
        return map_answer(regions, heat, self.labels, self.background, self.rules, placement)


@dataclass(frozen=True, slots=True)
class BoxesWithMasks:
    """Boxes with mask coefficients, and prototypes ``[1, masks, h, w]`` or ``[1, h, w, masks]``.

    mask = coefficients . prototypes > 0 inside the box, as sigmoid(.) > 1/2.  A region is the box
    of its object; one without a mask, or with one of less than `area_min_px`, is dropped.
    """

    head: RawHead | FinishedHead
    rules: BoxRules
    maps: MapRules
    wants: str
    reads_input: ClassVar[bool] = False

    def mismatch(self, shapes: Sequence[Sequence[int]]) -> str:
        """As in `PictureDecoder`."""
        boxes = [shape for shape in shapes if len(shape) == 3]
        prototypes = [shape for shape in shapes if len(shape) == 4]
        fits = (
            len(shapes) == 2
            and len(boxes) == len(prototypes) == 1
            and self.head.fits(boxes[0])
            and self.head.extra in (prototypes[0][1], prototypes[0][3])
        )
        return "" if fits else self.wants

    def decode(self, outputs: Sequence[NDArray[np.float32]], placement: Placement) -> Answer:
        """As in `PictureDecoder`."""
        first, second = outputs
        if first.ndim == 4:
            first, second = second, first
        prototypes = second[0]
        if prototypes.shape[0] != self.head.extra:
            prototypes = np.moveaxis(prototypes, -1, 0)
        kept = self.rules.kept(boxes_of(self.head, self.rules, first), placement)
        coefficients = self.head.rows_first(first)[-self.head.extra :, kept.rows].T
        heat = np.zeros(prototypes.shape[1:], np.float32)
        has_mask = self._masks(kept, coefficients, prototypes, heat, placement)
        answer = box_answer(self.rules, kept[np.flatnonzero(has_mask)], placement)
        return Answer(
            scores=answer.scores, regions=answer.regions, heat=self.maps.heat(heat, placement)
        )

    def _masks(
        self,
        kept: Boxes,
        coefficients: NDArray[np.float32],
        prototypes: NDArray[np.float32],
        heat: NDArray[np.float32],
        placement: Placement,
    ) -> list[bool]:
        """Paint the masks into `heat`, each with its box's score; which boxes have one."""
        height, width = heat.shape
        at = placement.of_map((width, height), self.maps.input_size)
        input_w, input_h = self.maps.input_size
        fx, fy = width / input_w, height / input_h
        has_mask = []
        for corners, weights, score in zip(
            kept.corners.tolist(), coefficients, kept.scores.tolist(), strict=True
        ):
            x0, x1 = _cells(corners[0] * fx, corners[2] * fx, width)
            y0, y1 = _cells(corners[1] * fy, corners[3] * fy, height)
            # Corrupted weights may overflow: then there is no mask, and no warning either.
            with np.errstate(over="ignore", invalid="ignore"):
                mask = np.tensordot(weights, prototypes[:, y0:y1, x0:x1], axes=1) > 0.0
            area = int(np.count_nonzero(mask))
            has_mask.append(area > 0 and area * at.area_px >= self.maps.area_min_px)
            if has_mask[-1]:
                part = heat[y0:y1, x0:x1]
                part[mask] = np.maximum(part[mask], np.float32(score))
        return has_mask


def map_answer(
    regions: Sequence[Region],
    heat: NDArray[np.float32],
    labels: Sequence[str],
    background: frozenset[str],
    rules: MapRules,
    placement: Placement,
) -> Answer:
    """Regions best first, every label's best (without the background's), the map."""
    return Answer(
        scores=best_by_label(regions, [label for label in labels if label not in background]),
        regions=rules.best(regions),
        heat=rules.heat(heat, placement),
    )


def _softmax(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Along the first axis."""
    raised = np.exp(planes - planes.max(axis=0))
    return np.asarray(raised / raised.sum(axis=0), np.float32)


def _plane_of(shape: Sequence[int]) -> tuple[int, int] | None:
    """(h, w) of a map that may have axes of 1 before and behind."""
    if len(shape) == 4 and shape[0] == 1 and 1 in (shape[1], shape[3]):
        return (shape[2], shape[3]) if shape[1] == 1 else (shape[1], shape[2])
    if len(shape) == 3 and shape[0] == 1:
        return shape[1], shape[2]
    return (shape[0], shape[1]) if len(shape) == 2 else None


def _cells(low: float, high: float, size: int) -> tuple[int, int]:
    """The map's whole numbers i with low <= i < high."""
    first = min(max(math.ceil(low), 0), size)
    return first, max(first, min(math.ceil(high), size))
