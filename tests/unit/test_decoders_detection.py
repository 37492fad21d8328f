from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edge_runtime.errors import ItemError
from edge_runtime.inference.decoders import picture_decoder
from edge_runtime.inference.pictures.placement import Placement
from edge_runtime.manifest import Manifest
from edge_runtime.toml.table import convert

if TYPE_CHECKING:
    from edge_runtime.inference.decoders import Answer, PictureDecoder

LABELS = ["bolt", "nut", "washer"]
WIDTH, HEIGHT = 320, 240
AS_IT_IS = Placement(WIDTH, HEIGHT, 1.0, 1.0, 0.0, 0.0)


def decoder(**output: Any) -> PictureDecoder:
    table = {
        "format": 1,
        "name": "m",
        "version": "1",
        "task": "detection",
        "file": "m.onnx",
        "sha256": {"m.onnx": "0" * 64},
        "labels": LABELS,
        "image": {"width": WIDTH, "height": HEIGHT, "layout": "NCHW"},
        "output": output,
    }
    return picture_decoder(convert(table, Manifest, "model.toml"))


def v8(*boxes: list[float]) -> np.ndarray:
    """[1, 7, n] of ``x y w h`` and three scores each."""
    return np.array(boxes, np.float32).reshape(-1, 7).T[None]


def boxes(answer: Answer) -> list[tuple[str, int, int, int, int]]:
    return [(r.label, r.x0, r.y0, r.x1, r.y1) for r in answer.regions]


def test_yolov8_rows_are_middle_size_and_a_score_a_label() -> None:
    head = v8([100, 50, 40, 20, 0.1, 0.9, 0.2], [200, 200, 10, 10, 0.6, 0.1, 0.1])
    answer = decoder().decode([head], AS_IT_IS)
    assert boxes(answer) == [("nut", 80, 40, 120, 60), ("bolt", 195, 195, 205, 205)]
    assert [round(region.score, 6) for region in answer.regions] == [0.9, 0.6]


def test_every_label_has_a_score_its_best_box_or_nothing() -> None:
    head = v8([100, 50, 40, 20, 0, 0.9, 0], [200, 200, 10, 10, 0, 0.5, 0])
    scores = decoder().decode([head], AS_IT_IS).scores
    assert [(s.label, round(s.score, 6)) for s in scores] == [
        ("nut", 0.9), ("bolt", 0.0), ("washer", 0.0),
    ]  # fmt: skip


def test_a_picture_without_boxes_scores_zero_for_every_label() -> None:
    answer = decoder().decode([np.zeros((1, 7, 50), np.float32)], AS_IT_IS)
    assert answer.regions == ()
    assert [(s.label, s.score) for s in answer.scores] == [(label, 0.0) for label in LABELS]


def test_a_head_may_lie_the_other_way_round() -> None:
    head = v8([100, 50, 40, 20, 0.1, 0.9, 0.2], [200, 200, 10, 10, 0.6, 0.1, 0.1])
    wanted = decoder().decode([head], AS_IT_IS)
    assert decoder().decode([head.transpose(0, 2, 1)], AS_IT_IS) == wanted


def test_yolov5_multiplies_what_is_there_with_what_it_is() -> None:
    head = np.array(
        [[[100, 50, 40, 20, 0.5, 0.1, 0.8, 0.2], [9, 9, 4, 4, 0.2, 1, 1, 1]]], np.float32
    )
    answer = decoder(decoder="yolov5").decode([head], AS_IT_IS)
    assert boxes(answer) == [("nut", 80, 40, 120, 60)]
    assert answer.regions[0].score == pytest.approx(0.4)


def test_an_end_to_end_head_gives_corners_score_and_class_and_its_filling_is_left_out() -> None:
    head = np.array([[[10, 20, 30, 40, 0.7, 2], [11, 20, 30, 40, 0.6, 2], [0] * 6]], np.float32)
    answer = decoder(decoder="end-to-end").decode([head], AS_IT_IS)
    # Overlapping boxes stay: such a head has chosen already.
    assert boxes(answer) == [("washer", 10, 20, 30, 40), ("washer", 11, 20, 30, 40)]


def ssd_outputs(count: float = 2) -> list[np.ndarray]:
    corners = np.array([[[0.1, 0.25, 0.5, 0.75], [0, 0, 1, 1], [0, 0, 1, 1]]], np.float32)
    classes, scores = np.array([[1, 0, 2]], np.float32), np.array([[0.9, 0.3, 0.8]], np.float32)
    return [corners, classes, scores, np.array([count], np.float32)]


def test_ssd_boxes_are_fractions_with_y_first_and_count_says_how_many_are_real() -> None:
    answer = decoder(decoder="ssd").decode(ssd_outputs(), AS_IT_IS)
    assert boxes(answer) == [("nut", 80, 24, 240, 120), ("bolt", 0, 0, 320, 240)]


def test_ssd_outputs_in_the_order_of_tensorflow_2_are_told_by_where_the_boxes_are() -> None:
    corners, classes, scores, count = ssd_outputs()
    one, other = decoder(decoder="ssd"), decoder(decoder="ssd")
    wanted = one.decode([corners, classes, scores, count], AS_IT_IS)
    assert other.decode([scores, corners, count, classes], AS_IT_IS) == wanted


def test_ssd_without_a_count_reads_all_and_class_ids_may_begin_elsewhere() -> None:
    corners, classes, scores, _ = ssd_outputs()
    named = decoder(decoder="ssd", tensors=["a", "b", "c"], first_class=1)
    answer = named.decode([corners, classes + 1, scores], AS_IT_IS)
    assert [region.label for region in answer.regions] == ["nut", "washer", "bolt"]


def test_a_class_that_no_label_has_is_an_item_error() -> None:
    corners, classes, scores, count = ssd_outputs()
    with pytest.raises(ItemError, match=r"class 91; the manifest's 3 labels are classes 0 to 2"):
        decoder(decoder="ssd").decode([corners, classes + 90, scores, count], AS_IT_IS)
    swapped = [corners, scores, classes + 0.4, count]
    with pytest.raises(ItemError, match=r"named class 0\.9"):
        decoder(decoder="ssd").decode(swapped, AS_IT_IS)


def test_scores_that_are_no_probabilities_are_an_item_error_that_names_the_key() -> None:
    head = v8([100, 50, 40, 20, -3.0, 7.0, -1.0])
    with pytest.raises(ItemError, match=r"no probabilities; correct output\.activation"):
        decoder().decode([head], AS_IT_IS)
    answer = decoder(activation="sigmoid").decode([head], AS_IT_IS)
    assert answer.regions[0].score == pytest.approx(1 / (1 + np.exp(-7.0)))


def test_a_quantised_score_a_little_over_one_is_one() -> None:
    answer = decoder().decode([v8([100, 50, 40, 20, 0, 1.02, 0])], AS_IT_IS)
    assert answer.regions[0].score == 1.0


def test_fractions_become_pixels_of_the_input_before_anything_is_compared() -> None:
    head = v8([0.5, 0.5, 0.25, 0.5, 0.9, 0, 0])
    answer = decoder(coordinates="fractions").decode([head], AS_IT_IS)
    assert boxes(answer) == [("bolt", 120, 60, 200, 180)]


def test_boxes_below_score_min_are_none() -> None:
    head = v8([100, 50, 40, 20, 0.39, 0, 0], [100, 150, 40, 20, 0.41, 0, 0])
    assert len(decoder(score_min=0.4).decode([head], AS_IT_IS).regions) == 1
    assert len(decoder(score_min=0.2).decode([head], AS_IT_IS).regions) == 2


def test_a_worse_box_over_a_better_one_goes_among_its_label_or_among_all() -> None:
    head = v8(
        [100, 50, 40, 20, 0.9, 0, 0],
        [101, 50, 40, 20, 0.8, 0, 0],
        [102, 50, 40, 20, 0, 0.7, 0],
        [119, 50, 40, 20, 0.6, 0, 0],
    )
    labels = {
        suppress: [r.label for r in decoder(suppress=suppress).decode([head], AS_IT_IS).regions]
        for suppress in ("per_label", "across_labels", "none")
    }
    assert labels == {
        "per_label": ["bolt", "nut", "bolt"],
        "across_labels": ["bolt", "bolt"],
        "none": ["bolt", "bolt", "nut", "bolt"],
    }
    assert len(decoder(iou=0.3).decode([head], AS_IT_IS).regions) == 2


def test_only_the_best_regions_are_kept() -> None:
    head = v8(*([20 * n, 20, 10, 10, 0.3 + n / 100, 0, 0] for n in range(10)))
    answer = decoder(regions_max=3).decode([head], AS_IT_IS)
    assert [region.x0 for region in answer.regions] == [175, 155, 135]


def test_a_box_in_the_bars_of_a_letterbox_is_about_nothing() -> None:
    """320 x 60 in the middle of 320 x 240, of a picture twice as large."""
    placement = Placement(640, 120, 0.5, 0.5, 0.0, 90.0)
    head = v8([100, 40, 40, 20, 0.9, 0, 0], [100, 90, 40, 20, 0.8, 0, 0])
    answer = decoder().decode([head], placement)
    assert boxes(answer) == [("bolt", 160, 0, 240, 20)]
    assert answer.scores[0].score == pytest.approx(0.8)


@pytest.mark.parametrize("name", ["yolov8", "yolov5", "end-to-end", "ssd"])
@pytest.mark.parametrize("size", [3e38, -3e38, 1e30])
def test_a_damaged_models_numbers_do_no_harm(name: str, size: float) -> None:
    heads = {
        "yolov8": [v8([size, size, size, size, 0.9, 0, 0], [size, 0, -size, 5, 0, 0.9, 0])],
        "yolov5": [np.array([[[size, -size, size, size, 1, 0.9, 0, 0]]], np.float32)],
        "end-to-end": [np.array([[[-size, -size, size, size, 0.9, 1]]], np.float32)],
        "ssd": [np.full((1, 1, 4), size, np.float32), np.zeros((1, 1), np.float32),
                np.full((1, 1), 0.9, np.float32), np.ones(1, np.float32)],
    }  # fmt: skip
    for region in decoder(decoder=name).decode(heads[name], AS_IT_IS).regions:
        assert 0 <= region.x0 < region.x1 <= WIDTH
        assert 0 <= region.y0 < region.y1 <= HEIGHT


@pytest.mark.parametrize(
    ("name", "shapes", "wanted"),
    [
        ("yolov8", [(1, 84, 2100)], "one output [1, 7, n]: 4 of the box, 3 of the labels"),
        ("yolov8", [(1, 7, 9), (1, 7, 9)], "one output [1, 7, n]"),
        ("yolov8", [(2, 7, 9)], "one output [1, 7, n]"),
        ("yolov5", [(1, 2100, 7)], "[1, n, 8]: 4 of the box, 1 of the object, 3 of the labels"),
        ("end-to-end", [(1, 300, 7)], "one output [1, n, 6]"),
        ("ssd", [(1, 10, 4), (1, 10), (1, 10)], "boxes [1, n, 4], classes [1, n], scores"),
        ("ssd", [(1, 10), (1, 10), (1, 10, 4), (1,)], "name them in this order"),
        ("ssd", [(1, 10, 4), (1, 9), (1, 10), (1,)], "classes and scores of its 10 boxes"),
    ],
)
def test_a_head_of_another_shape_is_told_in_one_line(
    name: str, shapes: list[tuple[int, ...]], wanted: str
) -> None:
    told = decoder(decoder=name).mismatch(shapes)
    assert wanted in told
    assert "\n" not in told


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("yolov8", [(1, 7, 2100)]),
        ("yolov8", [(1, 300, 7)]),
        ("yolov5", [(1, 6300, 8)]),
        ("end-to-end", [(1, 300, 6)]),
        ("end-to-end", [(1, 0, 6)]),
        ("ssd", [(1, 10, 4), (1, 10), (1, 10), (1,)]),
        ("ssd", [(1, 25), (1, 25, 4), (1,), (1, 25)]),
    ],
)
def test_the_documented_shapes_fit(name: str, shapes: list[tuple[int, ...]]) -> None:
    assert decoder(decoder=name).mismatch(shapes) == ""
