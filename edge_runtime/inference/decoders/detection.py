"""Outputs of detectors into boxes, one class a kind of head.  Pure.

The layouts are those of Ultralytics' documented exports and of TFLite's detection post-processing
operator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np

from edge_runtime.errors import ItemError
from edge_runtime.inference.decoders.boxes import Boxes, BoxRules, box_answer, corners_by
from edge_runtime.inference.decoders.classification import activated
from edge_runtime.inference.decoders.decoder import label_indices, probabilities

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_runtime.inference.decoders.answer import Answer
    from edge_runtime.inference.pictures.placement import Placement


class BoxHead(Protocol):
    """One output into candidates."""

    def fits(self, shape: Sequence[int]) -> bool:
        """Whether an output of this shape can be read."""
        ...

    def rows_first(self, output: NDArray[np.float32]) -> NDArray[np.float32]:
        """(numbers a box, n), whichever way the output lies."""
        ...

    def boxes(self, values: NDArray[np.float32], score_min: float) -> Boxes:
        """(numbers a box, n) into candidates of at least `score_min`."""
        ...


@dataclass(frozen=True, slots=True)
class RawHead:
    """``[1, rows, n]`` or ``[1, n, rows]``: centre, size, scores of all labels, what else.

    `has_objectness`: the first row behind the box is multiplied into the scores of all labels
    (YOLOv5); without it the rows are those of YOLOv8 and all later heads.
    """

    labels: int
    activation: str = "none"
    has_objectness: bool = False
    extra: int = 0
    """Rows behind the labels' scores (mask coefficients)."""
    form: str = "centre"
    """What the four numbers of a box are, see `corners_by`."""

    @property
    def rows(self) -> int:
        """Numbers a box."""
        return 4 + self.has_objectness + self.labels + self.extra

    def fits(self, shape: Sequence[int]) -> bool:
        """Whether an output of this shape can be read."""
        return len(shape) == 3 and shape[0] == 1 and self.rows in shape[1:]

    def rows_first(self, output: NDArray[np.float32]) -> NDArray[np.float32]:
        """(rows, n), whichever way the output lies; where both would fit, the head's own way."""
        values: NDArray[np.float32] = output[0]
        ways = (1, 0) if self.has_objectness else (0, 1)
        lies = next(axis for axis in ways if values.shape[axis] == self.rows)
        return values.T if lies else values

    def boxes(self, values: NDArray[np.float32], score_min: float) -> Boxes:
        """(rows, n) into candidates of at least `score_min`, each with its best label.

        Corners are as the model gave them: pixels or fractions.
        """
        first = 4 + self.has_objectness
        scores = values[first : first + self.labels]
        if self.activation != "none":
            scores = activated(scores.T, self.activation).T
        best = scores.max(axis=0)
        if self.has_objectness:
            best = best * _activated_objectness(values[4], self.activation)
        rows = np.flatnonzero(best >= score_min)
        return Boxes(
            corners_by(self.form, values[:4, rows].T),
            probabilities(best[rows]),
            scores[:, rows].argmax(axis=0),
            rows,
        )


def _activated_objectness(values: NDArray[np.float32], activation: str) -> NDArray[np.float32]:
    return values if activation == "none" else activated(values[None], "sigmoid")[0]


@dataclass(frozen=True, slots=True)
class FinishedHead:
    """``[1, n, 6]``: corners, score, class id; made by heads that need no suppression."""

    labels: int
    first_class: int = 0
    extra: int = 0
    form: str = "corners"

    def fits(self, shape: Sequence[int]) -> bool:
        """Whether an output of this shape can be read."""
        return len(shape) == 3 and shape[0] == 1 and shape[2] == 6 + self.extra

    def rows_first(self, output: NDArray[np.float32]) -> NDArray[np.float32]:
        """(6 + extra, n)."""
        values: NDArray[np.float32] = output[0]
        return values.T

    def boxes(self, values: NDArray[np.float32], score_min: float) -> Boxes:
        """(rows, n) into candidates of at least `score_min`; others are filling."""
        rows = np.flatnonzero(values[4] >= score_min)
        return Boxes(
            corners_by(self.form, values[:4, rows].T),
            probabilities(values[4, rows]),
            label_indices(values[5, rows], self.first_class, self.labels),
            rows,
        )


@dataclass(frozen=True, slots=True)
class Detection:
    """One head into regions.  Satisfies `PictureDecoder`."""

    head: BoxHead
    rules: BoxRules
    wants: str
    """For messages: the head's shape in words."""
    reads_input: ClassVar[bool] = False

    def mismatch(self, shapes: Sequence[Sequence[int]]) -> str:
        """As in `PictureDecoder`."""
        return "" if len(shapes) == 1 and self.head.fits(shapes[0]) else self.wants

    def decode(self, outputs: Sequence[NDArray[np.float32]], placement: Placement) -> Answer:
        """As in `PictureDecoder`."""
        found = boxes_of(self.head, self.rules, outputs[0])
        return box_answer(self.rules, self.rules.kept(found, placement), placement)


@dataclass(frozen=True, slots=True)
class Ssd:
    """Four outputs: boxes ``[1, n, 4]`` as `form` says, classes, scores, count.

    `is_ordered`: the manifest names the tensors in that order (the count may be left out).
    Otherwise the place of the boxes tells the order: first, they are boxes, classes, scores, count
    (TFLite's operator); second, scores, boxes, count, classes (converted from TensorFlow 2).
    """

    rules: BoxRules
    first_class: int = 0
    is_ordered: bool = False
    form: str = "yx-corners"
    reads_input: ClassVar[bool] = False

    def mismatch(self, shapes: Sequence[Sequence[int]]) -> str:
        """As in `PictureDecoder`."""
        order = self._order(shapes)
        if order is None:
            return (
                "boxes [1, n, 4], classes [1, n], scores [1, n] and count [1]; "
                "name them in this order in output.tensors"
            )
        count = shapes[order[0]][-2]
        sized = all(int(np.prod(shapes[at])) == count for at in order[1:3])
        return "" if sized else f"classes and scores of its {count} boxes"

    def decode(self, outputs: Sequence[NDArray[np.float32]], placement: Placement) -> Answer:
        """As in `PictureDecoder`."""
        order = self._order([values.shape for values in outputs])
        if order is None:
            raise ItemError("the model's outputs are no boxes, classes, scores and count")
        at_boxes, at_classes, at_scores, *at_count = order
        corners = corners_by(self.form, outputs[at_boxes].reshape(-1, 4))
        scores = outputs[at_scores].ravel()
        count = round(float(outputs[at_count[0]].ravel()[0])) if at_count else len(scores)
        rows = np.flatnonzero(scores[: max(0, count)] >= self.rules.score_min)
        boxes = Boxes(
            self.rules.corners_px(corners[rows]),
            probabilities(scores[rows]),
            label_indices(
                outputs[at_classes].ravel()[rows], self.first_class, len(self.rules.labels)
            ),
            rows,
        )
        return box_answer(self.rules, self.rules.kept(boxes, placement), placement)

    def _order(self, shapes: Sequence[Sequence[int]]) -> tuple[int, ...] | None:
        at = [i for i, shape in enumerate(shapes) if len(shape) in (2, 3) and shape[-1] == 4]
        if self.is_ordered:
            return tuple(range(len(shapes))) if at[:1] == [0] and len(shapes) >= 3 else None
        at = [i for i in at if len(shapes[i]) == 3]
        return (
            {(0, 4): (0, 1, 2, 3), (1, 4): (1, 3, 0, 2)}.get((at[0], len(shapes))) if at else None
        )


def boxes_of(head: BoxHead, rules: BoxRules, output: NDArray[np.float32]) -> Boxes:
    """Candidates of one output, in pixels of the model's input."""
    found = head.boxes(head.rows_first(output), rules.score_min)
    return Boxes(rules.corners_px(found.corners), found.scores, found.classes, found.rows)
