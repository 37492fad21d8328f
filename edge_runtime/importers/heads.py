"""What the outputs of a detector say of its decoder, by their shapes.  Pure."""

from __future__ import annotations

import itertools
import math
import re
from typing import TYPE_CHECKING, Any

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
_FASTESTDET_STRIDE = 16
_LARGEST_OFFSET = 16.0
"""In cells: offsets and logarithms of sizes lie below it, decoded boxes far above."""
_BOXES_NAME = re.compile(r"box|loc|rect", re.IGNORECASE)
_PRACTICES: dict[str, dict[str, Any]] = {
    "yolox": {"colour": "BGR", "mean": [0.0], "scale": [1.0], "resize": "letterbox"},
    "fastestdet": {"colour": "BGR", "mean": [0.0], "scale": [1 / 255], "resize": "stretch"},
    "nanodet": {
        "colour": "BGR",
        "mean": [103.53, 116.28, 123.675],
        "scale": [1 / 57.375, 1 / 57.12, 1 / 58.395],
        "resize": "stretch",
    },
}
ONE_HEAD = ("yolov8", "yolov5", "yolox", "nanodet", "end-to-end")


def box_decoder(
    outputs: Sequence[Tensor],
    labels: int | None,
    size: tuple[int, int] | None = None,
    trial: Trial | None = None,
) -> str | None:
    """The decoder of a detector's outputs; None where neither shapes nor `trial` say.

    (1, 4 + labels, boxes) or (1, boxes, 4 + labels) yolov8 · (1, boxes, 5 + labels) yolov5, with
    one box a cell of the input's `size` yolox · (1, cells, labels + 32) nanodet ·
    (1, 5 + labels, h, w) fastestdet · (1, boxes, 6) end-to-end, unless that is one label of
    yolov5 · boxes, classes, scores, count ssd · scores beside boxes scores-boxes.
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


def likely_pictures(draft: Draft) -> dict[str, Any]:
    """``image.*`` as the makers of such a head prepare pictures; empty where they differ."""
    labels = draft.value("labels")
    count = len(labels) if labels else None
    decoder = draft.value("output.decoder") or box_decoder(
        draft.outputs, count, draft.size, draft.trial
    )
    return _PRACTICES.get(decoder or "", {})


def one_head(outputs: Sequence[Tensor], labels: int, decoder: str) -> Tensor | None:
    """The only output that such a decoder could read."""
    fitting = [tensor for tensor in outputs if fits(decoder, tensor.shape, labels)]
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
    if len(tensor.shape) == 4 and labels is not None and size is not None:
        return "fastestdet" if _is_one_grid(tensor.shape, labels, size) else None
    if len(tensor.shape) != 3:
        return None
    _, rows, columns = tensor.shape
    if labels is not None and size is not None and rows == cells(size, _NANODET_STRIDES):
        return "nanodet" if columns == labels + _NANODET_BINS else None
    if labels is not None and size is not None and rows == cells(size, _YOLOX_STRIDES):
        is_grid = columns == 5 + labels and not _is_decoded(values)
        return "yolox" if is_grid else _of_rows(rows, columns, labels)
    return _of_rows(rows, columns, labels)


def _is_one_grid(shape: Sequence[int | None], labels: int, size: tuple[int, int]) -> bool:
    side = _FASTESTDET_STRIDE
    return tuple(shape[1:]) == (5 + labels, size[1] // side, size[0] // side)


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


def tensors_of(decoder: str, outputs: Sequence[Tensor], labels: int) -> list[str] | None:
    """The names of the outputs that such a decoder reads, in its order; None where unclear."""
    if decoder == "scores-boxes":
        pair = _scores_and_boxes(outputs, labels)
        return None if pair is None else [tensor.name for tensor in pair]
    head = one_head(outputs, labels, decoder)
    return None if head is None else [head.name]


def fits(decoder: str, shape: Sequence[int | None], labels: int) -> bool:
    """Whether a decoder of one output reads one of this shape."""
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
