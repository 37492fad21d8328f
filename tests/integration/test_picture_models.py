"""Detectors, segmenters and anomaly models from their file to an answer about a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edge_runtime.errors import ModelError
from edge_runtime.inference import load_model
from tests.support.models import write_bundle
from tests.support.picture_heads import anomaly_onnx, constant_onnx, flat_onnx
from tests.support.tiny_tflite import ssd_tflite

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from edge_runtime.protocols import PictureRunner
    from edge_runtime.types import Inference

SIDE = 64
SHAPE = [1, 3, SIDE, SIDE]
LABELS = ["bolt", "nut"]


def runner(
    folder: Path, model: bytes, task: str, *, file: str = "m.onnx", **more: Any
) -> PictureRunner:
    table = {
        "task": task,
        "labels": more.pop("labels", LABELS),
        "image": {
            "width": SIDE,
            "height": SIDE,
            "layout": "NHWC" if file.endswith("tflite") else "NCHW",
            "resize": more.pop("resize", "letterbox"),
        },
        "output": more,
    }
    return load_model(write_bundle(folder / "m", model, table, file=file)).picture_runner()


def black(width: int, height: int) -> NDArray[np.uint8]:
    return np.zeros((height, width, 3), np.uint8)


def boxes(found: Inference) -> list[tuple[str, int, int, int, int]]:
    return [(r.label, r.x0, r.y0, r.x1, r.y1) for r in found.regions]


def head(*rows: list[float]) -> NDArray[np.float32]:
    return np.array(rows, np.float32).T[None]


def test_a_detectors_boxes_lie_in_the_pixels_of_the_picture(tmp_path: Path) -> None:
    """128 x 64 in a letterbox of 64 x 64: half the size, 16 rows further down."""
    model = constant_onnx({"output0": head([32, 32, 16, 8, 0.9, 0.1])}, SHAPE)
    found = runner(tmp_path, model, "detection").frame(black(128, 64))
    assert boxes(found) == [("bolt", 48, 24, 80, 40)]
    assert [(s.label, round(s.score, 6)) for s in found.scores] == [("bolt", 0.9), ("nut", 0.0)]
    assert found.infer_ms > 0


def test_tflites_own_detection_operator_is_read(tmp_path: Path) -> None:
    corners = np.array([[0.25, 0.5, 0.5, 0.75], [0.0, 0.0, 0.25, 0.25]], np.float32)
    scores = np.array([[0.1, 0.8], [0.6, 0.2]], np.float32)
    model = ssd_tflite(corners, scores, SIDE)
    found = runner(
        tmp_path, model, "detection", file="m.tflite", decoder="ssd", resize="stretch"
    ).frame(black(200, 100))
    assert boxes(found) == [("nut", 100, 25, 150, 50), ("bolt", 0, 0, 50, 25)]
    assert [round(region.score, 5) for region in found.regions] == [0.8, 0.6]


def test_masks_of_a_segmenter_are_stretched_over_the_picture(tmp_path: Path) -> None:
    boxes_head = np.zeros((1, 38, 1), np.float32)
    boxes_head[0, :5, 0], boxes_head[0, 6, 0] = (32, 32, 32, 16, 0.9), 1.0
    prototypes = np.ones((1, 32, 16, 16), np.float32)
    model = constant_onnx({"output0": boxes_head, "output1": prototypes}, SHAPE)
    found = runner(tmp_path, model, "segmentation", decoder="yolov8-seg").frame(black(128, 64))
    assert boxes(found) == [("bolt", 32, 16, 96, 48)]
    assert found.heat is not None
    assert found.heat.shape == (8, 16)  # without the bars
    assert [row for row in range(8) if found.heat[row].any()] == [2, 3, 4, 5]


def test_an_anomaly_is_found_where_the_picture_is_bright(tmp_path: Path) -> None:
    shown = black(128, 64)
    shown[16:32, 64:80] = 255
    labels = ["good", "bright"]
    seen = runner(tmp_path, anomaly_onnx(SIDE), "anomaly", labels=labels, resize="stretch")
    found = seen.frame(shown)
    assert [(s.label, s.score) for s in found.scores] == [("bright", 1.0), ("good", 0.0)]
    assert boxes(found) == [("bright", 64, 16, 80, 32)]
    assert found.heat is not None
    assert found.heat.max() == 1.0
    assert seen.frame(black(128, 64)).scores[0].label == "good"


def test_what_an_autoencoder_cannot_make_again_is_an_anomaly(tmp_path: Path) -> None:
    """It has learned grey of 1/4 at most; a spot of white differs by 3/4."""
    shown = black(64, 64) + np.uint8(32)
    shown[8:16, 8:16] = 255
    seen = runner(
        tmp_path, flat_onnx(SIDE, 0.25), "anomaly", labels=["odd"], decoder="reconstruction"
    )
    found = seen.frame(shown)
    assert found.scores[0].score == pytest.approx(0.75**2 * 64 / SIDE**2)
    assert boxes(found) == [("odd", 8, 8, 16, 16)]
    assert found.regions[0].score == pytest.approx(0.75**2)
    assert seen.frame(black(64, 64)).scores[0].score == 0.0


@pytest.mark.parametrize(
    ("task", "outputs", "output", "told"),
    [
        (
            "detection",
            {"output0": np.zeros((1, 84, 21), np.float32)},
            {},
            (
                "decoder 'yolov8' with 2 labels wants one output [1, 6, n]: 4 of the box, 2 of the "
                "labels; the model's outputs are 'output0' [1, 84, 21] float32; correct [output] or "
                "labels in model.toml"
            ),
        ),
        (
            "segmentation",
            {"a": np.zeros((1, 5, 8, 8), np.float32), "b": np.zeros((1,), np.float32)},
            {},
            (
                "decoder 'semantic' with 2 labels wants one output [1, 2, h, w] or [1, h, w, 2]: a "
                "plane a label; the model's outputs are 'a' [1, 5, 8, 8] float32, 'b' [1] float32; "
                "correct [output] or labels in model.toml"
            ),
        ),
    ],
)
def test_outputs_that_the_decoder_cannot_read_are_refused_when_the_model_is_loaded(
    tmp_path: Path,
    task: str,
    outputs: dict[str, NDArray[np.float32]],
    output: dict[str, Any],
    told: str,
) -> None:
    with pytest.raises(ModelError) as caught:
        runner(tmp_path, constant_onnx(outputs, SHAPE), task, **output)
    assert str(caught.value) == f"{tmp_path / 'm' / 'm.onnx'}: {told}"


def test_one_output_of_several_can_be_chosen_by_its_name(tmp_path: Path) -> None:
    outputs = {
        "features": np.zeros((1, 9, 9), np.float32),
        "found": head([32, 32, 16, 8, 0.1, 0.9]),
    }
    model = constant_onnx(outputs, SHAPE)
    with pytest.raises(ModelError, match=r"'features' \[1, 9, 9\] float32, 'found'"):
        runner(tmp_path, model, "detection")
    seen = runner(tmp_path, model, "detection", tensors=["found"])
    assert boxes(seen.frame(black(64, 64))) == [("nut", 24, 28, 40, 36)]
