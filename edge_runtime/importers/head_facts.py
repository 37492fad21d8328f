"""What follows for a detector whose decoder is known: by shapes, and by one run on noise.  Pure.

Shapes tell most heads apart; whether boxes are pixels or fractions, and whether scores are
probabilities, only values tell.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.importers.heads import ONE_HEAD, fits, tensors_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_runtime.importers.draft import Draft
    from edge_runtime.inference.engines.tensors import Tensor

_HIGHEST_FRACTION = 1.5
"""Boxes may reach over the border; pixels of a whole picture reach much further."""
_LEAST_FRACTION, _LEAST_SPREAD, _LEAST_PX = 0.01, 0.2, 8.0
_SLACK = 0.01
_LOGITS_NAME = re.compile(r"logit", re.IGNORECASE)
_RUN = "one run on noise"


def with_head(draft: Draft) -> Draft:
    """The facts that follow from the decoder: which outputs it reads, and what they hold."""
    decoder, labels = draft.value("output.decoder"), len(draft.value("labels") or ())
    if decoder == "yolox" and draft.value("image.resize") == "letterbox":
        draft = draft.with_facts("YOLOX has its bars right and below", image={"pad_at": "after"})
    if decoder not in (*ONE_HEAD, "scores-boxes"):
        return draft
    names = tensors_of(decoder, draft.outputs, labels)
    if names is not None and len(draft.outputs) > 1:
        draft = draft.with_facts("the outputs' shapes", output={"tensors": names})
    chosen = {tensor.name: tensor for tensor in draft.outputs}
    read = draft.value("output.tensors") or names or list(chosen)[:1]
    read = [name for name in read if name in chosen]
    if decoder == "scores-boxes":
        return _with_scores_and_boxes(draft, [chosen[name] for name in read], labels)
    if decoder in ("yolox", "nanodet") or not read or read[0] not in draft.trial:
        return draft
    rows = _rows_first(decoder, draft.trial[read[0]], labels)
    if rows is None:
        return draft
    draft = _with_coordinates(draft, rows[:4].T, "pixels")
    return draft if decoder == "end-to-end" else _with_activation(draft, rows[4:], "sigmoid")


def _with_scores_and_boxes(draft: Draft, read: Sequence[Tensor], labels: int) -> Draft:
    if len(read) != 2:
        return draft
    scores, boxes = read
    count = math.prod(size or 1 for size in boxes.shape) // 4
    columns = math.prod(size or 1 for size in scores.shape) // max(count, 1)
    has_one_more = columns == labels + 1
    if has_one_more and not _LOGITS_NAME.search(scores.name):
        told = "one score more than labels: the first is the background's"
        draft = draft.with_facts(told, output={"first_class": 1})
    if boxes.name in draft.trial:
        corners = draft.trial[boxes.name].reshape(-1, 4)
        if _are_no_corners(corners):
            told = f"{_RUN}: the last two numbers of a box are no corner behind the first"
            draft = draft.with_facts(told, output={"box_form": "centre"})
        draft = _with_coordinates(draft, corners, "fractions")
    if scores.name in draft.trial:
        likely = "softmax" if has_one_more else "sigmoid"
        draft = _with_activation(draft, draft.trial[scores.name], likely)
    return draft


def _are_no_corners(corners: NDArray[np.float32]) -> bool:
    """Of corners none lies before its first; of sizes some are smaller than the middle."""
    turned = (corners[:, 2:] < corners[:, :2] - _SLACK).any(axis=1)
    return float(turned.mean()) > 0.05


def _rows_first(
    decoder: str, values: NDArray[np.float32], labels: int
) -> NDArray[np.float32] | None:
    """(numbers a box, boxes), whichever way the output lies."""
    if values.ndim != 3 or not fits(decoder, values.shape, labels):
        return None
    first: NDArray[np.float32] = values[0]
    lies = decoder != "yolov8" or first.shape[0] != 4 + labels
    return first.T if lies else first


def _with_coordinates(draft: Draft, boxes: NDArray[np.float32], usual: str) -> Draft:
    filled = boxes[np.abs(boxes).sum(axis=1) > 0]
    if not filled.size or not np.isfinite(filled).all():
        return draft
    # Not the largest: a few boxes on noise may reach far over the border.
    reach = float(np.percentile(np.abs(filled).max(axis=1), 90))
    is_fraction = _LEAST_FRACTION <= reach <= _HIGHEST_FRACTION and _are_spread(filled)
    unit = "fractions" if is_fraction else "pixels" if reach >= _LEAST_PX else usual
    if unit == usual:
        return draft
    told = f"{_RUN}: nine of ten boxes reach to {reach:.3g}"
    return draft.with_facts(told, output={"coordinates": unit})


def _are_spread(boxes: NDArray[np.float32]) -> bool:
    """Fractions of a picture lie all over it, and have sizes; offsets in cells do not."""
    low, high = np.percentile(boxes[:, :2], [5, 95], axis=0)
    return bool((high - low).max() > _LEAST_SPREAD and boxes[:, 2:].min() >= -_SLACK)


def _with_activation(draft: Draft, scores: NDArray[np.float32], likely: str) -> Draft:
    if draft.knows("output.activation") or not scores.size or not np.isfinite(scores).all():
        return draft
    low, high = float(scores.min()), float(scores.max())
    if low >= -_SLACK and high <= 1 + _SLACK:
        return draft
    draft = draft.with_facts(
        f"{_RUN}: scores from {low:.3g} to {high:.3g}", output={"activation": likely}
    )
    return draft.with_note(
        f"Its scores reached from {low:.3g} to {high:.3g} on noise and are no probabilities yet: a "
        f"{likely} is put on them; say --activation where that is not right."
    )
