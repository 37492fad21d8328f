"""The table "Bring your model" of docs/models.md, line by line."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from edge_runtime.errors import ExitCode
from tests.support.command_line import run
from tests.support.data import PROJECT
from tests.support.exports import (
    SIDE_PX,
    any_onnx,
    ir_xml,
    picture_tflite,
    taught_tflite,
    tflite_with_metadata,
    ultralytics_onnx,
    zip_of,
)

Capsys = pytest.CaptureFixture[str]
Row = tuple[str, str, str]
PICTURE = [1, 3, SIDE_PX, SIDE_PX]
MAP = [1, 1, 8, 8]
DETECTOR = ultralytics_onnx("detect", ["ok", "bad"], {"output0": [1, 6, 20]})


def rows() -> list[Row]:
    text = (PROJECT / "docs" / "models.md").read_text()
    section = text.partition("## Bring your model")[2].partition("\n## ")[0]
    found = re.findall(r"(?m)^\| (?!from|-)(.+?) \| `edge-runtime (.+?)` \| (.+) \|$", section)
    return [(origin, command, asked) for origin, command, asked in found]


def make(folder: Path) -> None:
    """The files that the commands name."""
    anomalib_1 = {"image_threshold": 3.0, "pixel_threshold": 3.5, "min": 1.0, "max": 9.0}
    beans = tflite_with_metadata(picture_tflite(2), ["a", "b"], mean=[127.5], deviation=[127.5])
    info = {"model_type": "YOLO", "labels": "a b", "resize_type": "standard"}
    files: dict[str, bytes] = {
        "yolo11n.onnx": DETECTOR,
        "carpet.onnx": any_onnx(PICTURE, {"pred_score": [1], "anomaly_map": MAP}, name="input"),
        "beans.tflite": beans,
        "converted_tflite.zip": zip_of(
            {"model_unquant.tflite": taught_tflite(2), "labels.txt": "0 Good\n1 Bad\n"}
        ),
        "part.xml": ir_xml(PICTURE, {"output": [1, 6, 20]}, info),
        "part.bin": b"",
        "ei-bolts.lite": picture_tflite(2, dtype="int8", input_q=(1 / 255, -128), output="int8"),
        "plain.onnx": any_onnx(PICTURE, {"scores": [1, 2]}),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    wood = folder / "wood"
    wood.mkdir()
    (wood / "wood.onnx").write_bytes(any_onnx(PICTURE, {"output": MAP}, name="input"))
    (wood / "metadata.json").write_text(json.dumps(anomalib_1))


def bundle_zip(capsys: Capsys, folder: Path) -> None:
    made = folder / "made"
    assert run(capsys, "models", "add", folder / "yolo11n.onnx", "--models-dir", made).code == 0
    home = made / "yolo11n" / "1.0.0"
    members = {str(p.relative_to(home)): p.read_bytes() for p in home.rglob("*") if p.is_file()}
    (folder / "bundle.zip").write_bytes(zip_of(dict(members)))


def test_the_table_has_a_line_for_every_origin() -> None:
    told = " ".join(origin for origin, _, _ in rows())
    for tool in (
        "Ultralytics", "Anomalib 2", "Anomalib 1", "TFLite Metadata", "Teachable Machine",
        "OpenVINO IR", "Edge Impulse", "any other", "a bundle",
    ):  # fmt: skip
        assert tool in told


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0][:30])
def test_a_line_of_the_table_is_true(
    capsys: Capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: Row
) -> None:
    _, command, asked = row
    make(tmp_path)
    words = shlex.split(command)
    if "bundle.zip" in words:
        bundle_zip(capsys, tmp_path)
    # Anomalib's older files need their metadata beside them, and nobody else's.
    monkeypatch.chdir(tmp_path / "wood" if "wood.onnx" in words else tmp_path)
    # The made IR has no weights: its manifest is made, nothing runs it.
    more = ["--dry-run"] if "part.xml" in words else ["--models-dir", str(tmp_path / "models")]
    strict = run(capsys, *words, *more, "--no-input")
    if asked == "nothing":
        assert strict.code == ExitCode.OK, strict.err
        return
    assert strict.code == ExitCode.USAGE
    assert set(re.findall(r"--[a-z-]+", strict.err)) == set(re.findall(r"--[a-z-]+", asked))
    likely = run(capsys, *words, *more, "--yes")
    assert likely.code == ExitCode.OK, likely.err
