from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edge_runtime.errors import ItemError
from edge_runtime.inference.decoders import picture_decoder
from edge_runtime.inference.engines.tensors import Tensor
from edge_runtime.inference.pictures.placement import Placement
from edge_runtime.manifest import Manifest
from edge_runtime.toml.table import convert

if TYPE_CHECKING:
    from edge_runtime.inference.decoders import Answer, PictureDecoder

SIDE = 16
AS_IT_IS = Placement(SIDE, SIDE, 1.0, 1.0, 0.0, 0.0)
DOUBLED = Placement(2 * SIDE, 2 * SIDE, 0.5, 0.5, 0.0, 0.0)


def decoder(
    task: str, labels: list[str], made: list[Tensor] | None = None, **more: Any
) -> PictureDecoder:
    layout = more.pop("layout", "NCHW")
    table = {
        "format": 1,
        "name": "m",
        "version": "1",
        "task": task,
        "file": "m.onnx",
        "sha256": {"m.onnx": "0" * 64},
        "labels": labels,
        "ignore": more.pop("ignore", []),
        "image": {"width": SIDE, "height": SIDE, "layout": layout},
        "output": more,
    }
    return picture_decoder(convert(table, Manifest, "model.toml"), made or [])


def boxes(answer: Answer) -> list[tuple[str, int, int, int, int]]:
    return [(r.label, r.x0, r.y0, r.x1, r.y1) for r in answer.regions]


def planes(count: int, size: int = SIDE) -> Any:
    return np.zeros((1, count, size, size), np.float32)


def test_the_best_label_has_the_pixel_and_what_touches_is_one_region() -> None:
    values = planes(3)
    values[0, 0] = 0.4
    values[0, 1, 2:5, 2:6] = 0.9
    values[0, 1, 5, 6] = 0.5  # touches by its corner
    values[0, 1, 10, 10] = 0.3  # less than the background
    values[0, 2, 12:14, 0:3] = 0.7
    semantic = decoder("segmentation", ["ground", "dent", "dust"], ignore=["ground"])
    answer = semantic.decode([values], AS_IT_IS)
    assert boxes(answer) == [("dent", 2, 2, 7, 6), ("dust", 0, 12, 3, 14)]
    assert [(s.label, round(s.score, 5)) for s in answer.scores] == [("dent", 0.9), ("dust", 0.7)]
    assert answer.heat is not None
    assert answer.heat.shape == (SIDE, SIDE)
    assert answer.heat[3, 3] == np.float32(0.9)
    assert answer.heat[10, 10] == 0.0


def test_the_last_axis_may_hold_the_labels() -> None:
    values = planes(3)
    values[0, 1, 2:5, 2:6] = 0.9
    one = decoder("segmentation", ["ground", "dent", "dust"], ignore=["ground"])
    other = decoder("segmentation", ["ground", "dent", "dust"], ignore=["ground"], layout="NHWC")
    wanted = boxes(one.decode([values], AS_IT_IS))
    assert wanted == [("dent", 2, 2, 6, 5)]
    assert boxes(other.decode([values.transpose(0, 2, 3, 1)], AS_IT_IS)) == wanted


def test_one_plane_alone_and_planes_of_a_sigmoid_are_cut_at_mask_min() -> None:
    values = planes(1)
    values[0, 0, 1:3, 1:3], values[0, 0, 8, 8] = 0.6, 0.4
    assert boxes(decoder("segmentation", ["dent"]).decode([values], AS_IT_IS)) == [
        ("dent", 1, 1, 3, 3)
    ]
    low = decoder("segmentation", ["dent"], mask_min=0.3)
    assert len(low.decode([values], AS_IT_IS).regions) == 2
    logits = np.full((1, 2, SIDE, SIDE), -5.0, np.float32)
    logits[0, :, 4:6, 4:6] = 3.0  # both labels at once
    both = decoder("segmentation", ["dent", "dust"], activation="sigmoid")
    assert boxes(both.decode([logits], AS_IT_IS)) == [("dent", 4, 4, 6, 6), ("dust", 4, 4, 6, 6)]


def test_logits_become_probabilities_by_softmax() -> None:
    logits = planes(2)
    logits[0, 1, 4:6, 4:6] = 2.0
    answer = decoder(
        "segmentation", ["ground", "dent"], ignore=["ground"], activation="softmax"
    ).decode([logits], AS_IT_IS)
    assert answer.regions[0].score == pytest.approx(np.exp(2) / (1 + np.exp(2)), rel=1e-6)


def test_planes_that_are_no_probabilities_are_an_item_error() -> None:
    with pytest.raises(ItemError, match=r"no probabilities; correct output\.activation"):
        decoder("segmentation", ["a", "b"]).decode([planes(2) - 7.0], AS_IT_IS)


def test_class_ids_below_the_first_are_background() -> None:
    ids = np.zeros((1, SIDE, SIDE), np.float32)
    ids[0, 2:4, 2:4], ids[0, 3:8, 10] = 1, 2
    named = decoder("segmentation", ["dent", "dust"], decoder="class-ids", first_class=1)
    for shape in ((1, SIDE, SIDE), (1, 1, SIDE, SIDE), (1, SIDE, SIDE, 1), (SIDE, SIDE)):
        assert named.mismatch([shape]) == ""
        answer = named.decode([ids.reshape(shape)], AS_IT_IS)
        assert sorted(boxes(answer)) == [("dent", 2, 2, 4, 4), ("dust", 10, 3, 11, 8)]
        assert all(region.score == 1.0 for region in answer.regions)
    ids[0, 0, 0] = 3
    with pytest.raises(ItemError, match="class 3; the manifest's 2 labels are classes 1 to 2"):
        named.decode([ids], AS_IT_IS)


def test_small_regions_are_dropped_by_their_area_in_the_original() -> None:
    values = planes(1)
    values[0, 0, 0:2, 0:2], values[0, 0, 8:11, 8:11] = 0.9, 0.8  # 4 and 9 pixels; twice as wide
    for least, count in ((16.0, 2), (16.5, 1), (36.0, 1), (36.5, 0)):
        made = decoder("segmentation", ["dent"], area_min_px=least).decode([values], DOUBLED)
        assert len(made.regions) == count, least
        assert made.scores[0].score == pytest.approx([0.0, 0.8, 0.9][count])


def test_a_region_scores_by_its_best_pixel_or_their_mean() -> None:
    values = planes(1)
    values[0, 0, 4, 4:8] = [0.6, 0.6, 0.6, 1.0]
    for how, score in (("max", 1.0), ("mean", 0.7)):
        made = decoder("segmentation", ["dent"], region_score=how).decode([values], AS_IT_IS)
        assert made.regions[0].score == pytest.approx(score)


def test_a_map_of_less_resolution_and_the_bars_of_a_letterbox_come_back_right() -> None:
    """A picture of 64 x 32 in 16 x 16: rows 4 to 12 of the input, 1 to 3 of a map of 4 x 4."""
    placement = Placement(64, 32, 0.25, 0.25, 0.0, 4.0)
    values = planes(1, 4)
    values[0, 0, 0, :], values[0, 0, 1:3, 1] = 0.9, 0.8  # in the bar, and below it
    answer = decoder("segmentation", ["dent"]).decode([values], placement)
    assert boxes(answer) == [("dent", 16, 0, 32, 32)]
    assert answer.regions[0].score == pytest.approx(0.8)
    assert answer.heat is not None
    assert answer.heat.tolist() == [[0.0, pytest.approx(0.8), 0.0, 0.0]] * 2


def with_masks() -> tuple[np.ndarray, np.ndarray]:
    """Two boxes, the mask of the first its left half, of the second empty; prototypes 8 x 8."""
    head = np.zeros((1, 4 + 2 + 32, 2), np.float32)
    head[0, :4, 0], head[0, 4, 0], head[0, 6, 0] = (6, 6, 8, 8), 0.9, 1.0
    head[0, :4, 1], head[0, 5, 1], head[0, 7, 1] = (12, 12, 4, 4), 0.8, 1.0
    prototypes = np.full((1, 32, 8, 8), -1.0, np.float32)
    prototypes[0, 0, :, :3] = 2.0
    return head, prototypes


def test_boxes_with_masks_are_regions_and_their_masks_the_heat() -> None:
    head, prototypes = with_masks()
    seg = decoder("segmentation", ["bolt", "nut"], decoder="yolov8-seg")
    for outputs in (
        [head, prototypes],
        [prototypes, head],
        [head, prototypes.transpose(0, 2, 3, 1)],
    ):
        assert seg.mismatch([values.shape for values in outputs]) == ""
        answer = seg.decode(outputs, AS_IT_IS)
        assert boxes(answer) == [("bolt", 2, 2, 10, 10)]  # the nut has no mask
        assert [(s.label, round(s.score, 6)) for s in answer.scores] == [
            ("bolt", 0.9),
            ("nut", 0.0),
        ]
        assert answer.heat is not None
        shown = np.zeros((8, 8), np.float32)
        shown[1:5, 1:3] = 0.9
        np.testing.assert_allclose(answer.heat, shown)


def test_a_mask_is_measured_in_pixels_of_the_original() -> None:
    head, prototypes = with_masks()  # the mask: 8 of 8 x 8, 32 px of the input, 128 of the original
    for least, count in ((128.0, 1), (129.0, 0)):
        seg = decoder("segmentation", ["bolt", "nut"], decoder="yolov8-seg", area_min_px=least)
        assert len(seg.decode([head, prototypes], DOUBLED).regions) == count


def test_finished_boxes_may_have_masks_too() -> None:
    head, prototypes = with_masks()
    finished = np.zeros((1, 3, 6 + 32), np.float32)
    finished[0, 0] = [2, 2, 10, 10, 0.9, 0, *head[0, 6:, 0]]
    seg = decoder("segmentation", ["bolt", "nut"], decoder="end-to-end-seg")
    assert seg.mismatch([finished.shape, prototypes.shape]) == ""
    answer = seg.decode([finished, prototypes], AS_IT_IS)
    assert boxes(answer) == [("bolt", 2, 2, 10, 10)]


def tensors(**shapes: str) -> list[Tensor]:
    return [Tensor(name, (), np.dtype(dtype)) for name, dtype in shapes.items()]


FOUR = tensors(pred_score="float32", pred_label="bool", anomaly_map="float32", pred_mask="bool")


def anomaly_outputs() -> list[np.ndarray]:
    values = planes(1)
    values[0, 0, 3:6, 8:10] = 0.8
    values[0, 0, 12, 1] = 0.45
    score = np.array([[0.77]], np.float32)
    return [score, np.ones((1, 1), np.float32), values, (values > 0.5).astype(np.float32)]


def test_an_anomaly_is_the_models_score_and_regions_of_its_map() -> None:
    seen = decoder("anomaly", ["good", "bad"], FOUR)
    answer = seen.decode(anomaly_outputs(), AS_IT_IS)
    assert [(s.label, round(s.score, 5)) for s in answer.scores] == [("bad", 0.77), ("good", 0.23)]
    assert boxes(answer) == [("bad", 8, 3, 10, 6)]
    assert answer.regions[0].score == pytest.approx(0.8)
    assert answer.heat is not None
    assert answer.heat[4, 9] == np.float32(0.8)


def test_outputs_of_numbers_named_as_labels_and_masks_are_not_read_either() -> None:
    as_numbers = tensors(
        pred_score="float32", pred_label="int64", anomaly_map="float32", pred_mask="float32"
    )
    seen = decoder("anomaly", ["bad"], as_numbers)
    assert seen.mismatch([(1, 1), (1, 1), (1, 1, 16, 16), (1, 1, 16, 16)]) == ""
    assert seen.decode(anomaly_outputs(), AS_IT_IS).scores[0].score == pytest.approx(0.77)


def test_a_raw_map_alone_is_normalised_by_the_metadatas_numbers() -> None:
    """((x - threshold) / (maximum - minimum)) + 0.5, the picture by its highest pixel."""
    values = planes(1)
    values[0, 0, 2:4, 2:4], values[0, 0, 8, 8] = 30.0, 22.0
    seen = decoder(
        "anomaly", ["bad"], tensors(output="float32"),
        image_threshold=25.0, pixel_threshold=20.0, minimum=0.0, maximum=50.0,
    )  # fmt: skip
    answer = seen.decode([values], AS_IT_IS)
    assert answer.scores[0].score == pytest.approx((30 - 25) / 50 + 0.5)
    assert boxes(answer) == [("bad", 2, 2, 4, 4), ("bad", 8, 8, 9, 9)]
    assert answer.regions[0].score == pytest.approx((30 - 20) / 50 + 0.5)
    assert answer.heat is not None
    assert answer.heat.min() == pytest.approx((0 - 20) / 50 + 0.5)


def test_a_normalised_score_stays_within_0_and_1() -> None:
    seen = decoder("anomaly", ["bad"], tensors(o="float32"), image_threshold=1.0, maximum=2.0)
    assert seen.decode([planes(1) + 1000.0], AS_IT_IS).scores[0].score == 1.0
    assert seen.decode([planes(1) - 1000.0], AS_IT_IS).scores[0].score == 0.0


def test_a_score_without_a_map_has_no_regions() -> None:
    seen = decoder("anomaly", ["bad"], tensors(score="float32"))
    answer = seen.decode([np.array([0.9], np.float32)], AS_IT_IS)
    assert (len(answer.scores), answer.regions, answer.heat) == (1, (), None)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_a_reconstruction_errs_by_the_mean_square_of_each_pixels_difference(layout: str) -> None:
    given = np.random.default_rng(4).random((1, 3, SIDE, SIDE), np.float32)
    made = given.copy()
    made[0, 0, 5, 6] += 1.0
    made[0, 1, 5, 6] += 2.0
    if layout == "NHWC":
        given, made = given.transpose(0, 2, 3, 1), made.transpose(0, 2, 3, 1)
    seen = decoder("anomaly", ["bad"], decoder="reconstruction", layout=layout, mask_min=1.0)
    assert seen.reads_input
    assert seen.mismatch([made.shape]) == ""
    answer = seen.decode([made, given], AS_IT_IS)
    error = (1.0 + 4.0) / 3
    assert answer.scores[0].score == pytest.approx(error / SIDE**2, rel=1e-5)
    assert boxes(answer) == [("bad", 6, 5, 7, 6)]
    assert answer.regions[0].score == pytest.approx(error, rel=1e-5)
    by_max = decoder("anomaly", ["bad"], decoder="reconstruction", layout=layout, image_score="max")
    assert by_max.decode([made, given], AS_IT_IS).scores[0].score == pytest.approx(error, rel=1e-5)


def test_an_embedding_is_numbers_of_length_one_or_as_they_are() -> None:
    values = np.array([[3.0, 4.0]], np.float32)
    answer = decoder("embedding", ["x"]).decode([values], AS_IT_IS)
    assert answer.values == pytest.approx((0.6, 0.8))
    assert answer.scores == ()
    as_they_are = decoder("embedding", ["x"], unit_length=False)
    assert as_they_are.decode([values], AS_IT_IS).values == (3.0, 4.0)
    nothing = decoder("embedding", ["x"]).decode([values * 0.0], AS_IT_IS)
    assert nothing.values == (0.0, 0.0)


@pytest.mark.parametrize(
    ("task", "output", "shapes", "wanted"),
    [
        ("segmentation", {}, [(1, 3, 8, 8)], "one output [1, 2, h, w] or [1, h, w, 2]"),
        ("segmentation", {"decoder": "class-ids"}, [(1, 2, 8, 8)], "a class id a pixel"),
        ("segmentation", {"decoder": "yolov8-seg"}, [(1, 38, 9)], "prototypes [1, 32, h, w]"),
        ("segmentation", {"decoder": "yolov8-seg"}, [(1, 38, 9), (1, 16, 8, 8)], "boxes [1, 38"),
        ("segmentation", {"decoder": "end-to-end-seg"}, [(1, 9, 6), (1, 32, 8, 8)], "[1, n, 38]"),
        ("anomaly", {"decoder": "reconstruction"}, [(1, 3, 8, 8)], "of the input's shape"),
        ("embedding", {}, [(1, 1)], "one output [1, n]"),
    ],
)
def test_outputs_of_another_shape_are_told_in_one_line(
    task: str, output: dict[str, Any], shapes: list[tuple[int, ...]], wanted: str
) -> None:
    assert wanted in decoder(task, ["a", "b"], **output).mismatch(shapes)


@pytest.mark.parametrize(
    "shapes",
    [
        [(1, 1, 16, 16), (1, 1, 16, 16)],
        [(1,), (1, 1)],
        [(1, 3, 16, 16)],
        [(1,), (1, 1, 16, 16), (1, 5)],
    ],
)
def test_what_is_not_a_score_and_a_map_is_no_anomaly(shapes: list[tuple[int, ...]]) -> None:
    made = [Tensor(f"y{n}", (), np.dtype("float32")) for n in range(len(shapes))]
    assert "a score [1], a map" in decoder("anomaly", ["bad"], made).mismatch(shapes)


def test_a_map_with_a_range_of_its_own_is_normalised_by_it() -> None:
    """Anomalib 1.1: (12 - 10) / (16 - 0) + 0.5, where the score's range would make it 0.54."""
    seen = decoder(
        "anomaly", ["bad"], tensors(output="float32"),
        image_threshold=30.0, pixel_threshold=10.0, minimum=10.0, maximum=60.0,
        map_minimum=0.0, map_maximum=16.0,
    )  # fmt: skip
    values = planes(1) + 12.0
    answer = seen.decode([values], AS_IT_IS)
    assert answer.heat is not None
    assert float(answer.heat.max()) == pytest.approx(0.625)
    assert answer.regions[0].score == pytest.approx(0.625)
    assert answer.scores[0].score == pytest.approx((12 - 30) / 50 + 0.5)
