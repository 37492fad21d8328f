"""Detectors with two outputs: a row of scores and a row of four numbers for each candidate.  Pure.

So do face detectors (UltraFace), converted SSDs and transformers (DETR) answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from edge_runtime.errors import ItemError
from edge_runtime.inference.decoders.boxes import Boxes, BoxRules, box_answer, corners_by
from edge_runtime.inference.decoders.classification import activated
from edge_runtime.inference.decoders.decoder import probabilities

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_runtime.inference.decoders.answer import Answer
    from edge_runtime.inference.pictures.placement import Placement


@dataclass(frozen=True, slots=True)
class ScoresAndBoxes:
    """Scores ``[1, n, k]`` and boxes ``[1, n, 4]``, in any order, axes of 1 anywhere.

    Of the k scores those from `first_class` on are the labels'; those before (background), and one
    behind (no object), are none.  `is_ordered`: the manifest names the scores first.
    """

    rules: BoxRules
    form: str
    """What the four numbers are, see `corners_by`."""
    activation: str = "none"
    first_class: int = 0
    is_ordered: bool = False
    reads_input: ClassVar[bool] = False

    def mismatch(self, shapes: Sequence[Sequence[int]]) -> str:
        """As in `PictureDecoder`."""
        if self._order(shapes) is not None:
            return ""
        count = self.first_class + len(self.rules.labels)
        return (
            f"scores [1, n, {count}] (or {count + 1}, the last for no object) and boxes [1, n, 4]; "
            "name both in this order in output.tensors, and in output.first_class how many scores "
            "stand before the first label's"
        )

    def decode(self, outputs: Sequence[NDArray[np.float32]], placement: Placement) -> Answer:
        """As in `PictureDecoder`."""
        order = self._order([values.shape for values in outputs])
        if order is None:
            raise ItemError("the model's outputs are no scores and boxes")
        corners = outputs[order[1]].reshape(-1, 4)
        given = _row_a_box(outputs[order[0]], len(corners))
        if self.activation != "none":
            given = activated(given, self.activation)
        given = given[:, self.first_class : self.first_class + len(self.rules.labels)]
        best = given.max(axis=1)
        rows = np.flatnonzero(best >= self.rules.score_min)
        boxes = Boxes(
            self.rules.corners_px(corners_by(self.form, corners[rows])),
            probabilities(best[rows]),
            given[rows].argmax(axis=1),
            rows,
        )
        return box_answer(self.rules, self.rules.kept(boxes, placement), placement)

    def _order(self, shapes: Sequence[Sequence[int]]) -> tuple[int, int] | None:
        """(which are the scores, which are the boxes)."""
        if len(shapes) != 2:
            return None
        ways = [(0, 1)] if self.is_ordered else [(0, 1), (1, 0)]
        fitting = [way for way in ways if self._fits(shapes[way[0]], shapes[way[1]])]
        return fitting[0] if len(fitting) == 1 else None

    def _fits(self, scores: Sequence[int], boxes: Sequence[int]) -> bool:
        count = int(np.prod(boxes)) // 4
        wanted = self.first_class + len(self.rules.labels)
        return (
            bool(boxes)
            and boxes[-1] == 4
            and count in boxes[:-1]
            and int(np.prod(scores)) in (count * wanted, count * (wanted + 1))
            and (count in scores[:-1] or list(scores)[-1:] == [count])
        )


def _row_a_box(scores: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """(n, k) of ``[1, n, k]``, ``[1, n]`` or ``[1, k, n]``."""
    lies = count not in scores.shape[:-1]
    return scores.reshape(-1, count).T if lies else scores.reshape(count, -1)
