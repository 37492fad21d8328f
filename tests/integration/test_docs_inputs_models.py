"""Every row of "Models" in docs/inputs.md, run: what `models add` does and says."""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_runtime.errors import ExitCode
from tests.integration.test_models_add_detectors import (
    BOX,
    LABELS,
    PICTURE,
    PLAIN,
    RTDETR,
    SIDE,
    V5,
    V8,
    face_heads,
    rows,
    yolox_head,
)
from tests.support.command_line import run
from tests.support.data import PROJECT
from tests.support.exports import any_onnx, picture_tflite, taught_tflite, zip_of
from tests.support.picture_heads import detector_onnx
from tests.support.tiny_onnx import dense_onnx, field
from tests.support.tiny_tflite import dense_tflite

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT = (PROJECT / "docs" / "inputs.md").read_text("utf-8").partition("\n## Models")[2]
TABLE = TEXT.partition("\n## ")[0]
ROWS = re.findall(
    r"(?m)^\| (?!input|-)(.+?) \| (added|added, told|asked|refused) \| (.*?) ?\|$", TABLE
)
CODES = {
    "added": ExitCode.OK,
    "added, told": ExitCode.OK,
    "asked": ExitCode.USAGE,
    "refused": ExitCode.CONFIG,
}
Made = tuple[str, dict[str, bytes], tuple[str, ...]]
"""The file that is given, what there is, more options."""
DIGITS = (
    "--task", "image-classification", "--labels", "0,1,2,3,4,5,6,7,8,9", "--mean", "0",
    "--scale", "1/255", "--resize", "stretch", "--activation", "softmax",
)  # fmt: skip


def onnx(data: bytes, *more: str) -> Made:
    return "m.onnx", {"m.onnx": data}, more


def turned(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values.transpose(0, 2, 1))


def v5_with_grids() -> Made:
    grids = {f"g{s}": np.zeros((1, 3, SIDE // s, SIDE // s, 8), np.float32) for s in (8, 16)}
    heads = {"output": rows(84, objectness=True), **grids}
    return onnx(detector_onnx(heads, PICTURE, metadata=V5))


def open_axes() -> Made:
    declared = {"o": ["batch", "rows", "anchors"]}
    return onnx(detector_onnx({"o": turned(rows(84))}, PICTURE, metadata=V8, declared=declared))


def too_few_names() -> bytes:
    metadata = {**V8, "names": "{0: 'ok', 1: 'scratch'}"}
    return detector_onnx({"o": turned(rows(84))}, PICTURE, metadata=metadata)


def logits() -> bytes:
    head = turned(rows(84))
    head[0, 4:] = np.where(head[0, 4:] > 0.5, 2.0, -4.0)
    return detector_onnx({"o": head}, PICTURE)


def raw_grids() -> bytes:
    return detector_onnx({f"g{s}": np.zeros((1, 24, s, s), np.float32) for s in (4, 8)}, PICTURE)


def four_at_a_time() -> bytes:
    head = np.repeat(turned(rows(84)), 4, axis=0)
    return detector_onnx({"o": head}, [4, *PICTURE[1:]], metadata=V8)


def grey() -> Made:
    model = dense_tflite(np.zeros((28 * 28, 10), np.float32), (1, 28, 28))
    return "m.tflite", {"m.tflite": model}, DIGITS


def anomalib_11() -> Made:
    metadata = {
        "image_threshold": 30.0, "pixel_threshold": 10.0, "anomaly_maps.min": 0.0,
        "anomaly_maps.max": 16.0, "pred_scores.min": 10.0, "pred_scores.max": 60.0,
    }  # fmt: skip
    model = any_onnx([1, 3, 32, 32], {"output": [1, 1, 8, 8]}, name="input")
    return "m.onnx", {"m.onnx": model, "metadata.json": json.dumps(metadata).encode()}, ()


def nameless() -> Made:
    head = turned(rows(84)[..., :6])
    metadata = {**V8, "names": "{0: 'ok', 1: ''}"}
    return onnx(detector_onnx({"o": head}, PICTURE, metadata=metadata))


def loose(name: str, model: bytes, labels: str) -> Made:
    return name, {name: model, "labels.txt": labels.encode()}, ()


def zipped(name: str, model: bytes, labels: str) -> Made:
    return "m.zip", {"m.zip": zip_of({name: model, "labels.txt": labels})}, ()


def edge_impulse(name: str) -> Made:
    model = picture_tflite(2, dtype="int8", input_q=(1 / 255, -128), output="int8")
    return name, {name: model}, ("--labels", "bolt,nut")


def later() -> Made:
    model = dense_onnx(np.zeros((48, 2), np.float32), [1, 3, 4, 4])
    said = ("--task", "image-classification", "--labels", "a,b", "--colour", "RGB", "--size", "4x4",
            "--layout", "NCHW", *DIGITS[4:])  # fmt: skip
    return onnx(field(1, 30) + model[len(field(1, 8)) :], *said)


def lying(at: int, value: int) -> Made:
    data = bytearray(zip_of({"model.onnx": bytes(4 << 20)}))
    struct.pack_into("<I", data, data.rindex(b"PK\x01\x02") + at, value)
    if at == 20:
        struct.pack_into("<I", data, data.rindex(b"PK\x01\x02") + 24, 400 << 20)
    return "m.zip", {"m.zip": bytes(data)}, ()


def listed(times: int) -> Made:
    """A zip whose one entry is listed so many times."""
    data = zip_of({"m.onnx": np.random.default_rng(3).bytes(1 << 20)})
    begin, end = data.rindex(b"PK\x01\x02"), data.rindex(b"PK\x05\x06")
    entry, tail = data[begin:end], bytearray(data[end:])
    struct.pack_into("<HHI", tail, 8, min(times, 0xFFFF), min(times, 0xFFFF), len(entry) * times)
    return "m.zip", {"m.zip": data[:begin] + entry * times + bytes(tail)}, ()


def bzipped() -> Made:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("model.onnx", bytes(1 << 20))
    return "m.zip", {"m.zip": packed.getvalue()}, ()


def endless() -> Made:
    import gzip

    return "m.tar.gz", {"m.tar.gz": gzip.compress(bytes(30 << 20))}, ()


def nested() -> Made:
    inner = zip_of({"model.onnx": b"x"})
    return "m.zip", {"m.zip": zip_of({"inner.zip": inner})}, ()


PLAIN_NAMES = "airplane\nautomobile\nbird\n"
MAKERS: dict[str, Callable[[], Made]] = {
    "YOLOv5 with its three grids beside the boxes": v5_with_grids,
    "YOLOv8, RT-DETR and others with open axes": open_axes,
    "Ultralytics RT-DETR, a box a row": lambda: onnx(
        detector_onnx({"o": rows(300, unit=SIDE)}, PICTURE, metadata=RTDETR)
    ),
    "Ultralytics RT-DETR, a box a column": lambda: onnx(
        detector_onnx({"o": turned(rows(300, unit=SIDE))}, PICTURE, metadata=RTDETR)
    ),
    "Ultralytics with names that do not fit its outputs": lambda: onnx(too_few_names()),
    "the same with `--labels`": lambda: onnx(too_few_names(), "--labels", ",".join(LABELS)),
    "Ultralytics pose or oriented boxes": lambda: onnx(
        detector_onnx({"o": rows(84)}, PICTURE, metadata={**V8, "task": "pose"})
    ),
    "YOLOX, plain": lambda: onnx(detector_onnx({"o": yolox_head(BOX)}, PICTURE), *PLAIN),
    "UltraFace, plain": lambda: onnx(
        detector_onnx(face_heads(), PICTURE), *PLAIN, "--labels", "face"
    ),
    "YOLOX read as yolov5": lambda: onnx(
        detector_onnx({"o": yolox_head(BOX)}, PICTURE), *PLAIN, "--decoder", "yolov5"
    ),
    "scores that are no probabilities": lambda: onnx(logits(), *PLAIN, "--decoder", "yolov8"),
    "raw grids of a YOLO without its last layer": lambda: onnx(raw_grids(), *PLAIN),
    "an export for 4 pictures at a time": lambda: onnx(four_at_a_time()),
    "grey pictures into `[1, 28, 28]`": grey,
    "Anomalib 1.1 with a range of its own for the map": anomalib_11,
    "a label without a name": nameless,
    "Teachable Machine, zip": lambda: zipped(
        "model_unquant.tflite", taught_tflite(2), "0 Good\n1 Bad\n"
    ),
    "Teachable Machine, loose file with labels.txt": lambda: loose(
        "model_unquant.tflite", taught_tflite(2), "0 Good\n1 Bad\n"
    ),
    "another's model.tflite with labels.txt, zip": lambda: zipped(
        "model.tflite", picture_tflite(3, side=32), PLAIN_NAMES
    ),
    "another's model.tflite with labels.txt, loose": lambda: loose(
        "model.tflite", picture_tflite(3, side=32), PLAIN_NAMES
    ),
    "a network of 224 x 224 with numbered labels": lambda: loose(
        "mine.tflite", taught_tflite(2), "0 Good\n1 Bad\n"
    ),
    "Edge Impulse, its download": lambda: edge_impulse("ei-bolts-int8.lite"),
    "another's file named .lite": lambda: edge_impulse("bolts.lite"),
    "an ONNX file of a later version": later,
    "a zip whose member is larger than it says": lambda: lying(24, 5000),
    "a zip that claims more packed bytes than it has": lambda: lying(20, 4 << 20),
    "a zip whose members share their bytes": lambda: listed(40),
    "a zip of 60,000 members": lambda: listed(60_000),
    "a zip packed with bzip2 or LZMA": bzipped,
    "a gzip that unfolds without end": endless,
    "a zip in a zip": nested,
}


def test_every_row_is_made_and_every_maker_has_a_row() -> None:
    assert [row[0] for row in ROWS] == list(MAKERS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_is_true(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, row: tuple[str, str, str]
) -> None:
    name, result, said = row
    file, files, more = MAKERS[name]()
    for written, data in files.items():
        (tmp_path / written).write_bytes(data)
    ended = run(
        capsys, "models", "add", tmp_path / file, "--models-dir", tmp_path / "models",
        "--no-input", *more,
    )  # fmt: skip
    assert ended.code == CODES[result], ended.err
    card = "".join(path.read_text() for path in tmp_path.rglob("MODEL_CARD.md"))
    told = " ".join(f"{ended.out} {ended.err} {card}".split())
    for words in re.findall(r'"([^"]+)"', said):
        assert words in told
    assert (ended.err == "") == (result == "added")
