"""What the outputs of a detector say of its decoder: by their shapes, and by one run on noise.

Pure.  Shapes tell most heads apart; whether boxes are pixels or fractions, and whether scores are
probabilities, only values tell.
"""

from __future__ import annotations

import itertools
import math
import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from edge_runtime.importers.draft import Draft
    from edge_runtime.inference.engines.tensors import Tensor

    Trial = Mapping[str, NDArray[np.float32]]

_FINISHED_COLUMNS, _FINISHED_ROWS = 6, 1000
_YOLOX_STRIDES, _NANODET_STRIDES = (8, 16, 32), (8, 16, 32, 64)
_NANODET_BINS = 32
_HIGHEST_FRACTION = 1.5
"""Boxes may reach over the border; pixels of a whole picture reach much further."""
_LEAST_FRACTION, _LEAST_SPREAD = 0.01, 0.2
_LARGEST_OFFSET = 16.0
"""In cells: offsets and logarithms of sizes lie below it, decoded boxes far above."""
_SLACK = 0.01
_BOXES_NAME, _LOGITS_NAME = (
    re.compile(r"box|loc|rect", re.IGNORECASE),
    re.compile(r"logit", re.IGNORECASE),
)
_RUN = "one run on noise"
_ONE_HEAD = ("yolov8", "yolov5", "yolox", "nanodet", "end-to-end")


def box_decoder(
    outputs: Sequence[Tensor],
    labels: int | None,
    size: tuple[int, int] | None = None,
    trial: Trial | None = None,
) -> str | None:
    """The decoder of a detector's outputs; None where neither shapes nor `trial` say.

    (1, 4 + labels, boxes) or (1, boxes, 4 + labels) yolov8 · (1, boxes, 5 + labels) yolov5, with
    one box a cell of the input's `size` yolox · (1, cells, labels + 32) nanodet · (1, boxes, 6)
    end-to-end, unless that is one label of yolov5 · boxes, classes, scores, count ssd · scores
    beside boxes scores-boxes.
    """
    if _is_ssd(outputs):
        return "ssd"
    found = [_of_one(one, labels, size, (trial or {}).get(one.name)) for one in outputs]
    decoders = [decoder for decoder in found if decoder is not None]
    if len(decoders) == 1:
        return decoders[0]
    if labels is not None and _scores_and_boxes(outputs, labels) is not None:
        return "scores-boxes"
    return None


def with_head(draft: Draft) -> Draft:
    """The facts that follow from the decoder: which outputs it reads, and what they hold."""
    decoder, labels = draft.value("output.decoder"), len(draft.value("labels") or ())
    if decoder not in (*_ONE_HEAD, "scores-boxes"):
        return draft
    names = _tensors(decoder, draft.outputs, labels)
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


def one_head(outputs: Sequence[Tensor], labels: int, decoder: str) -> Tensor | None:
    """The only output that such a decoder could read."""
    fitting = [tensor for tensor in outputs if _fits(decoder, tensor.shape, labels)]
    return fitting[0] if len(fitting) == 1 else None


def cells(size: tuple[int, int], strides: Sequence[int]) -> int:
    """How many cells of these sides an input of (width, height) px has."""
    return sum(-(-size[0] // side) * -(-size[1] // side) for side in strides)


def _is_ssd(outputs: Sequence[Tensor]) -> bool:
    """Boxes beside three or two rows of numbers."""
    boxes = [t for t in outputs if len(t.shape) == 3 and t.shape[-1] == 4]
    others = [t for t in outputs if t not in boxes]
    flat = all(len([size for size in tensor.shape if size != 1]) <= 1 for tensor in others)
    return len(outputs) in (3, 4) and len(boxes) == 1 and flat


def _of_one(
    tensor: Tensor,
    labels: int | None,
    size: tuple[int, int] | None,
    values: NDArray[np.float32] | None,
) -> str | None:
    if len(tensor.shape) != 3:
        return None
    _, rows, columns = tensor.shape
    if labels is not None and size is not None and rows == cells(size, _NANODET_STRIDES):
        return "nanodet" if columns == labels + _NANODET_BINS else None
    if labels is not None and size is not None and rows == cells(size, _YOLOX_STRIDES):
        is_grid = columns == 5 + labels and not _is_decoded(values)
        return "yolox" if is_grid else _of_rows(rows, columns, labels)
    return _of_rows(rows, columns, labels)


def _of_rows(rows: int | None, columns: int | None, labels: int | None) -> str | None:
    if labels is not None and columns != _FINISHED_COLUMNS:
        if 4 + labels in (rows, columns):
            return "yolov8"
        if columns == 5 + labels:
            return "yolov5"
    is_short = rows is None or rows <= _FINISHED_ROWS
    return "end-to-end" if columns == _FINISHED_COLUMNS and is_short else None


def _is_decoded(values: NDArray[np.float32] | None) -> bool:
    return values is not None and float(np.abs(values[..., :4]).max()) > _LARGEST_OFFSET


def _tensors(decoder: str, outputs: Sequence[Tensor], labels: int) -> list[str] | None:
    if decoder == "scores-boxes":
        pair = _scores_and_boxes(outputs, labels)
        return None if pair is None else [tensor.name for tensor in pair]
    head = one_head(outputs, labels, decoder)
    return None if head is None else [head.name]


def _fits(decoder: str, shape: Sequence[int | None], labels: int) -> bool:
    if len(shape) != 3:
        return False
    wanted = {
        "yolov8": 4 + labels,
        "end-to-end": _FINISHED_COLUMNS,
        "nanodet": labels + _NANODET_BINS,
    }.get(decoder, 5 + labels)
    return shape[2] == wanted if decoder == "end-to-end" else wanted in shape[1:]


def _scores_and_boxes(outputs: Sequence[Tensor], labels: int) -> tuple[Tensor, Tensor] | None:
    """The pair; where shapes allow several, by their names."""
    pairs = [
        (scores, boxes)
        for scores, boxes in itertools.permutations(outputs, 2)
        if _is_pair(scores.shape, boxes.shape, labels)
    ]
    if len(pairs) > 1:
        pairs = [
            (scores, boxes)
            for scores, boxes in pairs
            if _BOXES_NAME.search(boxes.name) and not _BOXES_NAME.search(scores.name)
        ]
    return pairs[0] if len(pairs) == 1 else None


def _is_pair(scores: Sequence[int | None], boxes: Sequence[int | None], labels: int) -> bool:
    if not 2 <= len(boxes) <= 4 or boxes[-1] != 4 or None in scores[1:] or None in boxes[1:]:
        return False
    count = math.prod(size or 1 for size in boxes) // 4
    if count in (0, 1) or count not in scores:
        return False
    return math.prod(size or 1 for size in scores) in (count * labels, count * (labels + 1))


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
    if values.ndim != 3 or not _fits(decoder, values.shape, labels):
        return None
    first: NDArray[np.float32] = values[0]
    lies = decoder != "yolov8" or first.shape[0] != 4 + labels
    return first.T if lies else first


def _with_coordinates(draft: Draft, boxes: NDArray[np.float32], usual: str) -> Draft:
    filled = boxes[np.abs(boxes).sum(axis=1) > 0]
    if not filled.size or not np.isfinite(filled).all():
        return draft
    largest = float(np.abs(filled).max())
    if largest < _LEAST_FRACTION:
        return draft
    unit = "fractions" if largest <= _HIGHEST_FRACTION else "pixels"
    if unit == usual or (unit == "fractions" and not _are_spread(filled)):
        return draft
    told = f"{_RUN}: the largest number of its boxes is {largest:.3g}"
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
