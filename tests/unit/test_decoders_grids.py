"""Heads that count from cells, and heads of scores beside boxes: known boxes come back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.unit.test_decoders_detection import AS_IT_IS, HEIGHT, LABELS, WIDTH, boxes, decoder

STRIDES = (8, 16, 32)


def cell_at(x: float, y: float, stride: int, strides: tuple[int, ...] = STRIDES) -> int:
    """Number of the cell of `stride` px that holds a point."""
    before = sum(-(-WIDTH // s) * -(-HEIGHT // s) for s in strides[: strides.index(stride)])
    return before + int(y // stride) * -(-WIDTH // stride) + int(x // stride)


def cells(strides: tuple[int, ...] = STRIDES) -> int:
    return sum(-(-WIDTH // s) * -(-HEIGHT // s) for s in strides)


def yolox(found: list[tuple[int, list[float], list[float]]]) -> np.ndarray:
    """[1, n, 5 + labels] whose cells of a stride hold a box of ``x y w h`` px and its scores."""
    head = np.zeros((1, cells(), 5 + len(LABELS)), np.float32)
    for stride, (x, y, w, h), scores in found:
        row = head[0, cell_at(x, y, stride)]
        row[:2] = x / stride - x // stride, y / stride - y // stride
        row[2:4] = np.log(w / stride), np.log(h / stride)
        row[4:] = scores
    return head


@pytest.mark.parametrize("lies", [False, True])
def test_yolox_boxes_count_from_the_cells_of_three_grids(lies: bool) -> None:
    head = yolox(
        [
            (8, [101, 50, 40, 20], [0.9, 0.1, 1.0, 0.2]),
            (16, [210, 130, 60, 60], [0.5, 0.1, 0.1, 0.9]),
            (32, [200, 200, 100, 50], [0.9, 0.8, 0.1, 0.1]),
        ]
    )
    seen = decoder(decoder="yolox")
    given = head.transpose(0, 2, 1) if lies else head
    assert seen.mismatch([given.shape]) == ""
    answer = seen.decode([given], AS_IT_IS)
    assert boxes(answer) == [
        ("nut", 81, 40, 121, 60),
        ("bolt", 150, 175, 250, 225),
        ("washer", 180, 100, 240, 160),
    ]
    assert [r.score for r in answer.regions] == pytest.approx([0.9, 0.72, 0.45])


def test_yolox_of_other_strides_names_how_many_cells_it_wants() -> None:
    seen = decoder(decoder="yolox", strides=[16])
    assert seen.mismatch([(1, 300, 8)]) == ""
    assert "[1, 300, 8]" in seen.mismatch([(1, cells(), 8)])
    assert "output.strides" in seen.mismatch([(1, cells(), 8)])


def test_yolox_scores_that_are_no_probabilities_yet_are_activated() -> None:
    head = yolox([(8, [100, 50, 40, 20], [2.0, -3.0, 1.0, -3.0])])
    head[0, :, 4:] += np.where(head[0, :, 4:] == 0, -9, 0)
    answer = decoder(decoder="yolox", activation="sigmoid").decode([head], AS_IT_IS)
    assert boxes(answer) == [("nut", 80, 40, 120, 60)]
    assert answer.regions[0].score == pytest.approx(1 / (1 + np.exp(-2)) / (1 + np.exp(-1)))


def test_a_damaged_yolox_head_overflows_nothing() -> None:
    head = yolox([(8, [100, 50, 40, 20], [1, 1, 0, 0])])
    head[0, :, 2:4] = 1e30
    (region,) = decoder(decoder="yolox", score_min=0.9).decode([head], AS_IT_IS).regions
    assert (region.x0, region.y0, region.x1, region.y1) == (0, 0, WIDTH, HEIGHT)


def test_nanodet_borders_are_the_means_of_their_bins() -> None:
    strides = (8, 16, 32, 64)
    head = np.zeros((1, cells(strides), len(LABELS) + 32), np.float32)
    row = head[0, cell_at(64, 96, 16, strides)]
    row[:3] = 0.1, 0.2, 0.8
    bins = np.full((4, 8), -50, np.float32)
    for border, cells_far in enumerate([1, 2, 3, 5]):
        bins[border, cells_far] = 50
    bins[3, 6] = 50  # as likely as 5: the mean is 5.5
    row[3:] = bins.ravel()
    seen = decoder(decoder="nanodet")
    assert seen.mismatch([head.shape]) == ""
    answer = seen.decode([head], AS_IT_IS)
    assert boxes(answer) == [("washer", 64 - 16, 96 - 32, 64 + 48, 96 + 88)]
    assert answer.regions[0].score == pytest.approx(0.8)


FORMS: list[tuple[str, list[float]]] = [
    ("corners", [80, 40, 120, 60]),
    ("yx-corners", [40, 80, 60, 120]),
    ("centre", [100, 50, 40, 20]),
    ("corner-size", [80, 40, 40, 20]),
]


@pytest.mark.parametrize(("form", "numbers"), FORMS)
@pytest.mark.parametrize("swapped", [False, True])
def test_scores_beside_boxes_of_any_form(
    form: str,
    numbers: list[float],
    swapped: bool,
) -> None:
    scores = np.array([[[0.1, 0.7, 0.2], [0.1, 0.1, 0.1], [0.9, 0, 0]]], np.float32)
    given = np.array([[numbers, [0, 0, 9, 9], numbers]], np.float32)
    given[0, 2] += 100 if form.endswith("corners") else [100, 100, 0, 0]
    seen = decoder(decoder="scores-boxes", box_form=form, coordinates="pixels")
    outputs = [given, scores] if swapped else [scores, given]
    assert seen.mismatch([values.shape for values in outputs]) == ""
    answer = seen.decode(outputs, AS_IT_IS)
    assert boxes(answer) == [("bolt", 180, 140, 220, 160), ("nut", 80, 40, 120, 60)]


def test_a_background_before_or_behind_the_labels_is_none_of_them() -> None:
    given = np.array([[[0.25, 0.25, 0.5, 0.5], [0, 0, 0.1, 0.1]]], np.float32)
    first = np.array([[[0.1, 0.2, 0.6, 0.1], [0.97, 0.01, 0.01, 0.01]]], np.float32)
    wanted = [("nut", 80, 60, 160, 120)]
    named: dict[str, Any] = {"decoder": "scores-boxes", "tensors": ["scores", "boxes"]}
    assert boxes(decoder(**named, first_class=1).decode([first, given], AS_IT_IS)) == wanted
    last = np.concatenate([first[..., 1:], first[..., :1]], axis=-1)
    assert boxes(decoder(**named).decode([last, given], AS_IT_IS)) == wanted


def test_a_transformers_logits_are_made_scores_over_all_columns() -> None:
    """DETR: a softmax over the labels and "no object", boxes as fractions around their middles."""
    logits = np.array([[[0, 4, 0, 0], [0, 0, 0, 9]]], np.float32)
    given = np.array([[[0.5, 0.5, 0.5, 0.5], [0.1, 0.1, 0.1, 0.1]]], np.float32)
    seen = decoder(
        decoder="scores-boxes", box_form="centre", activation="softmax", tensors=["logits", "boxes"]
    )
    answer = seen.decode([logits, given], AS_IT_IS)
    assert boxes(answer) == [("nut", 80, 60, 240, 180)]
    assert answer.regions[0].score == pytest.approx(np.exp(4) / (np.exp(4) + 3))


def test_scores_that_lie_the_other_way_round_are_turned() -> None:
    given = np.zeros((1, 5, 4), np.float32)
    given[0, 3] = [0.25, 0.25, 0.5, 0.5]
    scores = np.zeros((1, 3, 5), np.float32)
    scores[0, 1, 3] = 0.9
    seen = decoder(decoder="scores-boxes")
    assert seen.mismatch([scores.shape, given.shape]) == ""
    assert boxes(seen.decode([scores, given], AS_IT_IS)) == [("nut", 80, 60, 160, 120)]


@pytest.mark.parametrize(
    ("shapes", "more"),
    [
        ([(1, 9, 4), (1, 9, 4)], {}),  # three labels and a background: which are the boxes?
        ([(1, 9, 3)], {}),
        ([(1, 9, 3), (1, 8, 4)], {}),
        ([(1, 9, 4), (1, 9, 3)], {"tensors": ["scores", "boxes"]}),
    ],
)
def test_outputs_that_are_no_scores_and_boxes_say_what_is_wanted(
    shapes: list[tuple[int, ...]], more: dict[str, Any]
) -> None:
    told = decoder(decoder="scores-boxes", **more).mismatch(shapes)
    assert told.startswith("scores [1, n, 3] (or 4, the last for no object) and boxes [1, n, 4]")


def test_two_outputs_of_four_columns_are_told_apart_by_their_names() -> None:
    seen = decoder(decoder="scores-boxes", first_class=1, tensors=["scores", "boxes"])
    assert seen.mismatch([(1, 9, 4), (1, 9, 4)]) == ""


@pytest.mark.parametrize("form", ["corners", "centre"])
def test_other_heads_take_a_form_too(form: str) -> None:
    numbers = [80, 40, 120, 60] if form == "corners" else [100, 50, 40, 20]
    head = np.array([[[*numbers, 0.9, 0.1, 0.8, 0.1]]], np.float32)
    answer = decoder(decoder="yolov5", box_form=form).decode([head], AS_IT_IS)
    assert boxes(answer) == [("nut", 80, 40, 120, 60)]


def test_named_boxes_classes_and_scores_need_no_batch() -> None:
    """torchvision's detectors: boxes [n, 4] in pixels, labels [n], scores [n]."""
    seen = decoder(
        decoder="ssd", tensors=["boxes", "labels", "scores"], box_form="corners",
        coordinates="pixels", first_class=1,
    )  # fmt: skip
    outputs = [
        np.array([[80, 40, 120, 60], [1, 1, 2, 2]], np.float32),
        np.array([2, 1], np.float32),
        np.array([0.9, 0.1], np.float32),
    ]
    assert seen.mismatch([values.shape for values in outputs]) == ""
    assert boxes(seen.decode(outputs, AS_IT_IS)) == [("nut", 80, 40, 120, 60)]


def test_fastestdet_is_one_grid_of_offsets_and_shares() -> None:
    head = np.zeros((1, 5 + len(LABELS), HEIGHT // 16, WIDTH // 16), np.float32)
    cell = head[0, :, 5, 7]
    cell[0] = 0.9
    cell[1:3] = np.arctanh([0.25, -0.5])
    cell[3:5] = np.log(0.25 / 0.75), np.log(0.1 / 0.9)
    cell[5:] = 0.1, 0.2, 0.7
    seen = decoder(decoder="fastestdet")
    assert seen.mismatch([head.shape]) == ""
    answer = seen.decode([head], AS_IT_IS)
    x, y = (7 + 0.25) * 16, (5 - 0.5) * 16
    assert boxes(answer) == [("washer", round(x - 40), round(y - 12), round(x + 40), round(y + 12))]
    assert answer.regions[0].score == pytest.approx(0.9**0.6 * 0.7**0.4)
    assert "[1, 8, h, w]" in seen.mismatch([(1, 8, 15, 21)])
