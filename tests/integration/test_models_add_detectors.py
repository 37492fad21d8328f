"""Detectors of many exporters, with known boxes: added, run over a picture, the boxes are right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_runtime.errors import ExitCode
from edge_runtime.manifest import load_manifest
from tests.support.command_line import Ended, run
from tests.support.data import PROJECT
from tests.support.picture_heads import detector_onnx

Capsys = pytest.CaptureFixture[str]
SIDE = 128
PICTURE = [1, 3, SIDE, SIDE]
LABELS = ["ok", "scratch", "dent"]
V5 = {"stride": "32", "names": "{0: 'ok', 1: 'scratch', 2: 'dent'}"}
V8 = {**V5, "task": "detect", "imgsz": f"[{SIDE}, {SIDE}]", "description": "Ultralytics YOLO11n"}
RTDETR = {**V8, "description": "Ultralytics RTDETR-x model"}
PLAIN = (
    "--task", "detection", "--labels", ",".join(LABELS), "--colour", "RGB", "--mean", "0",
    "--scale", "1/255", "--resize", "stretch",
)  # fmt: skip
BOX = [16, 32, 80, 64]
"""x0 y0 x1 y1 of a scratch, in px of the input and of the picture."""
CASES = PROJECT.parent / "shared" / "cases" / "models"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    import cv2

    path = tmp_path / "part.png"
    cv2.imwrite(str(path), np.full((SIDE, SIDE, 3), 90, np.uint8))
    return path


def add(capsys: Capsys, folder: Path, model: bytes, *more: str | Path) -> Ended:
    file = folder / "m.onnx"
    file.write_bytes(model)
    return run(capsys, "models", "add", file, "--models-dir", folder / "models", *more)


def regions(capsys: Capsys, folder: Path, picture: Path) -> list[tuple[str, float, list[int]]]:
    ended = run(capsys, "infer", "m", picture, "--models-dir", folder / "models", "--json")
    assert ended.code == ExitCode.OK, ended.err
    (line,) = ended.json_lines
    return [(r["label"], round(r["score"], 4), r["box"]) for r in line["regions"]]


def rows(count: int, *, objectness: bool = False, unit: float = 1.0) -> np.ndarray:
    """[1, count, 4 (+ 1) + labels] with the scratch in row 5; the others all over the picture."""
    made = np.zeros((1, count, 4 + objectness + len(LABELS)), np.float32)
    made[0, :, 0] = np.linspace(0, SIDE, count) / unit
    made[0, :, 1] = np.linspace(SIDE, 0, count) / unit
    made[0, :, 2:4] = 20 / unit
    x0, y0, x1, y1 = BOX
    middle = [(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0]
    scores = [0.5, 0.1, 0.8, 0.2] if objectness else [0.1, 0.8, 0.2]
    made[0, 5] = [*(value / unit for value in middle), *scores]
    return made


def test_yolov5_with_its_three_grids_beside_the_boxes(
    capsys: Capsys, tmp_path: Path, picture: Path
) -> None:
    grids = {f"g{s}": np.zeros((1, 3, SIDE // s, SIDE // s, 8), np.float32) for s in (8, 16, 32)}
    model = detector_onnx({"output": rows(84, objectness=True), **grids}, PICTURE, metadata=V5)
    ended = add(capsys, tmp_path, model, "--no-input")
    assert ended.code == ExitCode.OK, ended.err
    assert regions(capsys, tmp_path, picture) == [("scratch", 0.4, BOX)]


@pytest.mark.parametrize("lies", [False, True])
@pytest.mark.parametrize("metadata", [RTDETR, V8])
def test_rtdetr_rows_are_fractions_whichever_way_they_lie(
    capsys: Capsys, tmp_path: Path, picture: Path, metadata: dict[str, str], lies: bool
) -> None:
    head = rows(300, unit=SIDE)
    head = np.ascontiguousarray(head.transpose(0, 2, 1)) if lies else head
    ended = add(
        capsys, tmp_path, detector_onnx({"output0": head}, PICTURE, metadata=metadata), "--no-input"
    )
    assert ended.code == ExitCode.OK, ended.err
    assert regions(capsys, tmp_path, picture) == [("scratch", 0.8, BOX)]
    manifest = load_manifest(tmp_path / "models" / "m" / "1.0.0")
    assert manifest.output.coordinates == "fractions"
    assert manifest.image is not None
    is_stretched = metadata is RTDETR or not lies
    assert manifest.image.resize == ("stretch" if is_stretched else "letterbox")


def test_rtdetr_of_two_labels_is_no_end_to_end_head(
    capsys: Capsys, tmp_path: Path, picture: Path
) -> None:
    head = rows(300, unit=SIDE)[:, :, [0, 1, 2, 3, 4, 5]]
    metadata = {**RTDETR, "names": "{0: 'ok', 1: 'scratch'}"}
    model = detector_onnx({"output0": head}, PICTURE, metadata=metadata)
    assert add(capsys, tmp_path, model, "--no-input").code == ExitCode.OK
    assert regions(capsys, tmp_path, picture) == [("scratch", 0.8, BOX)]


@pytest.mark.parametrize(
    ("given", "declared"),
    [
        (PICTURE, [1, "rows", "anchors"]),
        (PICTURE, ["batch", "rows", "anchors"]),
        (["batch", 3, "height", "width"], ["batch", "rows", "anchors"]),
    ],
)
def test_axes_that_the_file_leaves_open_are_known_from_a_run(
    capsys: Capsys,
    tmp_path: Path,
    picture: Path,
    given: list[int | str],
    declared: list[int | str],
) -> None:
    head = np.ascontiguousarray(rows(84).transpose(0, 2, 1))
    model = detector_onnx({"o": head}, given, metadata=V8, declared={"o": declared})
    ended = add(capsys, tmp_path, model, "--no-input")
    assert ended.code == ExitCode.OK, ended.err
    assert regions(capsys, tmp_path, picture) == [("scratch", 0.8, BOX)]


def test_a_plain_detector_with_open_axes_is_read_by_its_size(
    capsys: Capsys, tmp_path: Path, picture: Path
) -> None:
    head = rows(84, objectness=True)
    given: list[int | str] = ["n", 3, "h", "w"]
    model = detector_onnx({"o": head}, given, declared={"o": ["n", "a", "b"]})
    size = ("--size", f"{SIDE}x{SIDE}")
    strict = add(capsys, tmp_path, model, "--no-input", *PLAIN, *size)
    assert strict.code == ExitCode.USAGE
    assert "(likely: yolov5)" in strict.err
    assert add(capsys, tmp_path, model, "--yes", *PLAIN, *size).code == ExitCode.OK
    assert regions(capsys, tmp_path, picture) == [("scratch", 0.4, BOX)]


def test_options_go_before_what_the_file_says(
    capsys: Capsys, tmp_path: Path, picture: Path
) -> None:
    """Names of one class too few: refused with the options that help, and they do help."""
    metadata = {**V8, "names": "{0: 'ok', 1: 'scratch'}"}
    head = np.ascontiguousarray(rows(84).transpose(0, 2, 1))
    model = detector_onnx({"output0": head}, PICTURE, metadata=metadata)
    refused = add(capsys, tmp_path, model, "--no-input")
    assert refused.code == ExitCode.CONFIG
    for option in ("--labels", "--decoder", "output.tensors"):
        assert option in refused.err
    ended = add(capsys, tmp_path, model, "--no-input", "--labels", ",".join(LABELS))
    assert ended.code == ExitCode.OK, ended.err
    assert regions(capsys, tmp_path, picture) == [("scratch", 0.8, BOX)]


def test_a_task_that_has_no_decoder_is_read_as_a_person_says(
    capsys: Capsys, tmp_path: Path, picture: Path
) -> None:
    model = detector_onnx({"output0": rows(84)}, PICTURE, metadata={**V8, "task": "obb"})
    refused = add(capsys, tmp_path, model, "--no-input")
    assert refused.code == ExitCode.CONFIG
    assert "--task" in refused.err
    more = ("--task", "detection", "--decoder", "yolov8")
    assert add(capsys, tmp_path, model, "--no-input", *more).code == ExitCode.OK
    assert regions(capsys, tmp_path, picture) == [("scratch", 0.8, BOX)]


def yolox_head(box: list[int], strides: tuple[int, ...] = (8, 16, 32)) -> np.ndarray:
    """The box from a cell of 16 px; all other cells hold boxes of one cell."""
    sides = [SIDE // stride for stride in strides]
    head = np.zeros((1, sum(side * side for side in sides), 5 + len(LABELS)), np.float32)
    head[..., :2] = 0.5
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    at = sides[0] ** 2 + int(y // 16) * sides[1] + int(x // 16)
    head[0, at] = [
        x / 16 - x // 16, y / 16 - y // 16, np.log((box[2] - box[0]) / 16),
        np.log((box[3] - box[1]) / 16), 0.9, 0.1, 0.9, 0.1,
    ]  # fmt: skip
    return head


def test_yolox_is_likely_by_the_number_of_its_cells(
    capsys: Capsys, tmp_path: Path, picture: Path
) -> None:
    model = detector_onnx({"output": yolox_head(BOX)}, PICTURE)
    strict = add(capsys, tmp_path, model, "--no-input", *PLAIN)
    assert strict.code == ExitCode.USAGE
    assert "(likely: yolox)" in strict.err
    ended = add(capsys, tmp_path, model, "--no-input", *PLAIN, "--decoder", "yolox", "--json")
    assert ended.code == ExitCode.OK, ended.err
    assert ended.json["warnings"] == []
    assert regions(capsys, tmp_path, picture) == [("scratch", 0.81, BOX)]


def test_yolox_is_fed_as_its_makers_do(capsys: Capsys, tmp_path: Path) -> None:
    model = detector_onnx({"output": yolox_head(BOX)}, PICTURE)
    labels = ("--labels", ",".join(LABELS))
    ended = add(capsys, tmp_path, model, "--yes", "--task", "detection", *labels)
    assert ended.code == ExitCode.OK, ended.err
    image = load_manifest(tmp_path / "models" / "m" / "1.0.0").image
    assert image is not None
    assert (image.colour, image.mean, image.scale) == ("BGR", (0.0,), (1.0,))
    assert (image.resize, image.pad_at) == ("letterbox", "after")


def test_fastestdet_is_likely_by_its_grid(capsys: Capsys, tmp_path: Path, picture: Path) -> None:
    head = np.zeros((1, 8, SIDE // 16, SIDE // 16), np.float32)
    x0, y0, x1, y1 = BOX
    cell = head[0, :, (y0 + y1) // 32, (x0 + x1) // 32]
    shares = np.array([(x1 - x0) / SIDE, (y1 - y0) / SIDE])
    cell[:] = [1, 0, 0, *np.log(shares / (1 - shares)), 0, 1, 0]
    model = detector_onnx({"out": head}, PICTURE)
    labels = ("--labels", ",".join(LABELS))
    ended = add(capsys, tmp_path, model, "--yes", "--task", "detection", *labels)
    assert ended.code == ExitCode.OK, ended.err
    assert regions(capsys, tmp_path, picture) == [("scratch", 1.0, BOX)]


def test_outputs_that_no_decoder_reads_are_named(capsys: Capsys, tmp_path: Path) -> None:
    grids = {f"g{s}": np.zeros((1, 24, s, s), np.float32) for s in (4, 8, 16)}
    ended = add(capsys, tmp_path, detector_onnx(grids, PICTURE), "--no-input", *PLAIN)
    assert ended.code == ExitCode.USAGE
    assert "shapes tell no decoder of the outputs 'g4' [1, 24, 4, 4] float32, 'g8'" in ended.err


def test_boxes_that_are_decoded_in_the_graph_are_no_yolox(capsys: Capsys, tmp_path: Path) -> None:
    model = detector_onnx({"output": rows(336, objectness=True)}, PICTURE)
    strict = add(capsys, tmp_path, model, "--no-input", *PLAIN)
    assert "(likely: yolov5)" in strict.err


def test_a_wrong_decoder_with_all_boxes_in_a_corner_is_a_warning(
    capsys: Capsys, tmp_path: Path
) -> None:
    model = detector_onnx({"output": yolox_head(BOX)}, PICTURE)
    ended = add(capsys, tmp_path, model, "--no-input", *PLAIN, "--decoder", "yolov5")
    assert ended.code == ExitCode.OK, ended.err
    (line,) = ended.err.splitlines()
    assert "models add: warning: Every one of the " in line
    assert "upper left corner" in line
    assert "output.decoder" in line
    card = (tmp_path / "models" / "m" / "1.0.0" / "MODEL_CARD.md").read_text()
    assert "## Look at this before it is used" in card


def test_fractions_read_as_pixels_are_a_warning(capsys: Capsys, tmp_path: Path) -> None:
    model = detector_onnx({"output": rows(84, objectness=True, unit=SIDE)}, PICTURE)
    more = ("--decoder", "yolov5", "--set", "output.coordinates=pixels")
    ended = add(capsys, tmp_path, model, "--no-input", *PLAIN, *more)
    assert ended.code == ExitCode.OK, ended.err
    assert "upper left corner" in ended.err
    right = add(capsys, tmp_path, model, "--replace", *PLAIN, "--decoder", "yolov5")
    assert right.code == ExitCode.OK
    assert right.err == ""


def test_scores_that_are_no_probabilities_are_seen_on_a_run(
    capsys: Capsys, tmp_path: Path, picture: Path
) -> None:
    head = np.ascontiguousarray(rows(84).transpose(0, 2, 1))
    head[0, 4:] = np.where(head[0, 4:] > 0.5, 2.0, -4.0)
    model = detector_onnx({"output": head}, PICTURE)
    ended = add(capsys, tmp_path, model, "--no-input", *PLAIN, "--decoder", "yolov8")
    assert ended.code == ExitCode.OK, ended.err
    found = regions(capsys, tmp_path, picture)
    assert found == [("scratch", round(float(1 / (1 + np.exp(-2))), 4), BOX)]
    none = ("--activation", "none")
    told = add(capsys, tmp_path, model, "--replace", *PLAIN, "--decoder", "yolov8", *none)
    assert "are no probabilities" in told.err


def face_heads(count: int = 60) -> dict[str, np.ndarray]:
    """UltraFace: background and face, corners as fractions."""
    scores = np.tile(np.array([0.98, 0.02], np.float32), (1, count, 1))
    boxes = np.zeros((1, count, 4), np.float32)
    boxes[0, :, :2] = np.linspace(0, 0.7, count)[:, None]
    boxes[0, :, 2:] = boxes[0, :, :2] + 0.2
    scores[0, 9], boxes[0, 9] = [0.1, 0.9], np.array(BOX, np.float32) / SIDE
    return {"scores": scores, "boxes": boxes}


@pytest.mark.parametrize("order", [["scores", "boxes"], ["boxes", "scores"]])
@pytest.mark.parametrize("has_landmarks", [False, True])
def test_a_face_detectors_scores_and_boxes(
    capsys: Capsys, tmp_path: Path, picture: Path, order: list[str], has_landmarks: bool
) -> None:
    heads = face_heads()
    outputs: dict[str, Any] = {name: heads[name] for name in order}
    if has_landmarks:
        outputs["landmarks"] = np.zeros((1, 60, 10), np.float32)
    model = detector_onnx(outputs, PICTURE)
    more = [*PLAIN, "--labels", "face"]
    strict = add(capsys, tmp_path, model, "--no-input", *more)
    assert "(likely: scores-boxes)" in strict.err
    ended = add(capsys, tmp_path, model, "--yes", *more, "--json")
    assert ended.code == ExitCode.OK, ended.err
    assert ended.json["warnings"] == []
    assert regions(capsys, tmp_path, picture) == [("face", 0.9, BOX)]


def test_a_transformer_with_logits_beside_boxes(
    capsys: Capsys, tmp_path: Path, picture: Path
) -> None:
    count = 50
    logits = np.full((1, count, 4), -3, np.float32)
    logits[..., 3] = 6  # no object
    boxes = np.tile(np.array([0.1, 0.1, 0.05, 0.05], np.float32), (1, count, 1))
    boxes[0, :, 0] = np.linspace(0.05, 0.95, count)
    x0, y0, x1, y1 = (value / SIDE for value in BOX)
    boxes[0, 7] = [(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0]
    logits[0, 7] = [-3, 4, -3, -3]
    model = detector_onnx({"logits": logits, "pred_boxes": boxes}, PICTURE)
    ended = add(capsys, tmp_path, model, "--no-input", *PLAIN, "--decoder", "scores-boxes")
    assert ended.code == ExitCode.OK, ended.err
    ((label, score, box),) = regions(capsys, tmp_path, picture)
    assert (label, box) == ("scratch", BOX)
    assert score > 0.99


def test_an_export_for_four_pictures_at_a_time_says_how_to_export_it(
    capsys: Capsys, tmp_path: Path
) -> None:
    head = np.repeat(rows(84).transpose(0, 2, 1), 4, axis=0)
    model = detector_onnx({"output0": head}, [4, *PICTURE[1:]], metadata={**V8, "batch": "4"})
    ended = add(capsys, tmp_path, model, "--no-input")
    assert ended.code == ExitCode.CONFIG
    assert "exported for 4 pictures at a time" in ended.err
    assert "correct [image]" not in ended.err


def test_labels_that_nobody_can_name_are_refused(capsys: Capsys, tmp_path: Path) -> None:
    head = np.ascontiguousarray(rows(84).transpose(0, 2, 1))
    for names in ("{0: '', 1: 'a', 2: 'b'}", "{0: 'a', 1: '  ', 2: 'b'}"):
        model = detector_onnx({"output0": head}, PICTURE, metadata={**V8, "names": names})
        ended = add(capsys, tmp_path, model, "--no-input")
        assert ended.code == ExitCode.CONFIG
        assert "which nobody can name" in ended.err
    ended = add(capsys, tmp_path, model, "--no-input", "--labels", "a,,b")
    assert ended.code == ExitCode.CONFIG
    assert "labels: number 2 of 3 is ''" in ended.err


@pytest.mark.skipif(not CASES.is_dir(), reason="the inputs that failed are not here")
@pytest.mark.parametrize(("file", "labels"), [("v5_four_outputs.onnx", 3), ("rtdetr_rows.onnx", 3)])
def test_exports_that_failed_once_give_boxes(
    capsys: Capsys, tmp_path: Path, picture: Path, file: str, labels: int
) -> None:
    ended = add(capsys, tmp_path, (CASES / file).read_bytes(), "--no-input")
    assert ended.code == ExitCode.OK, ended.err
    assert ended.err == ""
    assert len(load_manifest(tmp_path / "models" / "m" / "1.0.0").labels) == labels
    ((label, _, box),) = regions(capsys, tmp_path, picture)
    assert label == "scratch"
    assert box[2] - box[0] > 10


def test_what_a_person_says_goes_before_model_info_and_tflite_metadata(
    capsys: Capsys, tmp_path: Path
) -> None:
    from tests.support import tiny_metadata
    from tests.support.exports import any_onnx, picture_tflite, tflite_with_metadata
    from tests.support.tiny_tflite import with_metadata_buffer

    info = {"model_type": "MaskRCNN", "resize_type": "odd", "labels": "a b"}
    model = any_onnx(
        PICTURE, {"o": [1, 2]}, metadata={f"model_info {k}": v for k, v in info.items()}
    )
    said = ("--task", "image-classification", "--resize", "crop", "--activation", "none",
            "--colour", "RGB")  # fmt: skip
    assert add(capsys, tmp_path, model, "--no-input").code == ExitCode.CONFIG
    assert add(capsys, tmp_path, model, "--no-input", *said).code == ExitCode.OK
    assert load_manifest(tmp_path / "models" / "m" / "1.0.0").labels == ["a", "b"]

    missing = tiny_metadata.metadata_buffer(label_file="gone.txt")
    file = tmp_path / "t.tflite"
    file.write_bytes(with_metadata_buffer(picture_tflite(2), "TFLITE_METADATA", missing))
    command = ("models", "add", file, "--models-dir", tmp_path / "models", *said, "--mean", "0",
               "--scale", "1/255")  # fmt: skip
    assert run(capsys, *command).code == ExitCode.CONFIG
    assert run(capsys, *command, "--labels", "x,y").code == ExitCode.OK

    file.write_bytes(
        tflite_with_metadata(
            picture_tflite(2), ["a", "b"], outputs=tiny_metadata.SSD, box_order=[0, 1, 2, 3]
        )
    )
    refused = run(capsys, "models", "add", file, "--dry-run", "--no-input")
    assert "--set output.box_form" in refused.err
