from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
import soundfile

from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.config import Capture, Lane
from tests.support import h264
from tests.support.command_line import run
from tests.support.jpegs import cut, jpeg
from tests.support.models import write_bundle
from tests.support.picture_heads import constant_onnx
from tests.support.reading import read_all
from tests.support.sources import lane_source
from tests.support.tiny_onnx import (
    axis_attribute,
    onnx_model,
    onnx_node,
    onnx_tensor,
    onnx_value,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(3):
        plain = np.full((128, 192, 3), 100 + number, np.uint8)
        cv2.imwrite(str(folder / f"part_{number}.png"), plain)
    return folder


def test_each_picture_is_a_json_line(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ended = run(capsys, "infer", "surface-defect", pictures)
    assert ended.code == 0, ended.err
    assert [line["file"] for line in ended.json_lines] == [
        str(pictures / f"part_{number}.png") for number in range(3)
    ]
    for line in ended.json_lines:
        assert set(line) == {
            *("file", "label", "score", "scores", "regions", "spans", "values", "text"),
            *("latency_ms", "verdict", "decided"),
        }
        assert set(line["scores"]) == {"ok", "defect"}
        assert line["scores"][line["label"]] == line["score"] == max(line["scores"].values())
        assert line["latency_ms"] > 0


def _suspicious_model(folder: Path) -> Path:
    """Of a bright picture the defect's score is 0.87, of a white one 1; rejected from 0.9."""
    nodes = [
        onnx_node("GlobalAveragePool", ["x"], ["mean"]),
        onnx_node("Flatten", ["mean"], ["flat"]),
        onnx_node("MatMul", ["flat", "w"], ["bad"]),
        onnx_node("Sub", ["one", "bad"], ["good"]),
        onnx_node("Concat", ["good", "bad"], ["y"], attributes=[axis_attribute(1)]),
    ]
    model = onnx_model(
        nodes,
        inputs=[onnx_value("x", "float32", [1, 1, 8, 8])],
        outputs=[onnx_value("y", "float32", [1, 2])],
        tensors=[
            onnx_tensor("w", np.ones((1, 1), np.float32)),
            onnx_tensor("one", np.ones((1, 1), np.float32)),
        ],
    )
    table = {
        "task": "tile-classification",
        "labels": ["ok", "defect"],
        "image": {"width": 8, "height": 8, "layout": "NCHW", "colour": "GRAY"},
        "tiles": {"width": 8, "height": 8, "stride": 8, "positive": "defect"},
        "reject": {"defect": 0.9},
        "review": {"defect": 0.89},
    }
    return write_bundle(folder, model, table, file="m.onnx")


def test_what_passes_is_not_called_by_the_label_that_it_is_not_bad_enough_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = _suspicious_model(tmp_path / "b")
    for name, grey in (("clean", 222), ("bad", 250)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((8, 8, 3), grey, np.uint8))
    files = [tmp_path / "clean.png", tmp_path / "bad.png"]
    ended = run(capsys, "infer", folder, *files, "--pictures", tmp_path / "out")
    clean, bad = ended.json_lines
    assert (clean["verdict"], clean["label"]) == ("pass", "ok")
    assert clean["scores"]["defect"] == pytest.approx(222 / 255, abs=1e-4)
    assert clean["decided"] == {
        "label": "defect",
        "score": pytest.approx(222 / 255, abs=1e-4),
        "threshold": 0.89,
        "ruler": pytest.approx(0.5 * 222 / 255 / 0.89, abs=1e-4),
    }
    assert [region["counts"] for region in clean["regions"]] == [False]
    assert (bad["verdict"], bad["label"]) == ("reject", "defect")
    assert bad["decided"]["threshold"] == 0.9
    assert bad["decided"]["ruler"] > 0.5
    assert [region["counts"] for region in bad["regions"]] == [True]
    # Only the bad one has a box: the clean one's colour is its verdict's plate, above.
    for file, has_box in zip(("clean", "bad"), (False, True), strict=True):
        drawn = cv2.imread(str(tmp_path / "out" / f"{file}.jpg"))
        assert drawn is not None
        below = drawn[100:].astype(int)
        spread = (below.max(axis=2) - below.min(axis=2)).max()
        assert (spread > 100) == has_box


def test_people_read_the_score_against_its_threshold(tmp_path: Path) -> None:
    from edge_runtime.cli.infer import _text
    from edge_runtime.inference.infer_files import Answer
    from edge_runtime.types import Inference, Region, Score, Verdict, VerdictKind

    found = Inference(
        model="m/1",
        model_sha256="",
        scores=(Score("defect", 0.87), Score("ok", 0.13)),
        regions=(Region("defect", 0.87, 0, 0, 8, 8),),
    )
    answer = Answer("a.png", found, 1.0, pixels=np.zeros((8, 8, 3), np.uint8))
    passed = Verdict(VerdictKind.PASS, "defect", 0.87, 0.937)
    assert "pass      defect 0.870 < 0.93 " in _text(answer, passed, {"defect": 0.93})
    rejected = Verdict(VerdictKind.REJECT, "defect", 0.87, 0.6)
    assert "reject    defect 0.870 >= 0.6 " in _text(answer, rejected, {"defect": 0.6})


def test_a_detector_whose_labels_are_all_bad_calls_a_good_part_by_none_of_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], pictures: Path
) -> None:
    head = np.zeros((1, 6, 4), np.float32)
    head[0, :, 0] = [32, 32, 16, 16, 0.5, 0.1]
    table = {
        "task": "detection",
        "labels": ["dent", "scratch"],
        "image": {"width": 64, "height": 64, "layout": "NCHW"},
        "reject": {"dent": 0.6, "scratch": 0.6},
    }
    folder = write_bundle(
        tmp_path / "b", constant_onnx({"o": head}, [1, 3, 64, 64]), table, file="m.onnx"
    )
    line = run(capsys, "infer", folder, pictures / "part_0.png").json_lines[0]
    assert (line["verdict"], line["label"], line["score"]) == ("pass", None, None)
    assert (line["decided"]["label"], line["decided"]["score"]) == ("dent", 0.5)
    asked = run(capsys, "infer", folder, pictures / "part_0.png", "--threshold", "dent=0.4")
    (line,) = asked.json_lines
    assert (line["verdict"], line["label"], line["score"]) == ("reject", "dent", 0.5)


def test_detail_adds_every_tile_in_pixels_of_the_original(
    pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = run(capsys, "infer", "surface-defect", pictures / "part_0.png", "--detail")
    (line,) = ended.json_lines
    assert line["tiles"]
    assert max(tile[2] for tile in line["tiles"]) == 192
    assert max(tile[3] for tile in line["tiles"]) == 128
    assert max(tile[4] for tile in line["tiles"]) == line["scores"]["defect"]


def test_a_threshold_of_ones_own_decides_the_verdict(
    pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = pictures / "part_0.png"
    (line,) = run(capsys, "infer", "surface-defect", one, "--threshold", "defect=0").json_lines
    assert line["verdict"] == "reject"


@pytest.mark.parametrize("threshold", ["defect", "defect=x", "=0.5", "defect=2", "defect=nan"])
def test_a_threshold_that_is_none_is_a_usage_error(
    threshold: str, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = run(capsys, "infer", "surface-defect", pictures, "--threshold", threshold)
    assert ended.code == 64
    assert "write LABEL=SCORE, such as defect=0.6" in ended.err


def test_a_threshold_for_a_label_that_the_model_lacks_is_a_usage_error(
    pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = run(capsys, "infer", "surface-defect", pictures, "--threshold", "defct=0.5")
    assert ended.code == 64
    assert "reject.defct: the model has no such label; did you mean 'defect'?" in ended.err


def test_a_broken_file_is_a_line_with_its_error_and_the_rest_goes_on(
    pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (pictures / "part_1.png").write_bytes(b"\x89PNG\r\n\x1a\nnot really")
    ended = run(capsys, "infer", "surface-defect", pictures)
    assert ended.code == 66
    first, broken, last = ended.json_lines
    assert set(broken) == {"file", "error"}
    assert "part_1.png" in broken["error"]
    assert "label" in first
    assert "label" in last


def test_a_model_that_is_not_there_is_one_clear_line(
    pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = run(capsys, "infer", "no-such-model", pictures)
    assert ended.code == 78
    assert ended.err.startswith("edge-runtime: model 'no-such-model' is not in ")
    assert len(ended.err.splitlines()) == 1


def test_the_models_folder_of_a_config_is_used(
    tmp_path: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        '[device]\nid = "d"\nmodels_dir = "mine"\n'
        '[lanes.top]\nsource = "file:a.mp4"\nmodel = "surface-defect"\n'
    )
    ended = run(capsys, "infer", "no-such-model", pictures, "--config", path)
    assert f"{tmp_path}/mine" in ended.err


def test_sound_is_heard(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    quiet = tmp_path / "quiet.wav"
    soundfile.write(quiet, np.zeros(16000, np.int16), 16000)
    (line,) = run(capsys, "infer", "keywords", quiet).json_lines
    assert line["verdict"] in ("no_speech", "heard")
    assert "_silence_" in line["scores"]
    assert "tiles" not in line


def test_pictures_are_written_with_what_was_found_and_named_in_the_line(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    twin = tmp_path / "twin"
    twin.mkdir()
    (pictures / "part_0.png").rename(twin / "part_1.png")
    out = tmp_path / "out"
    ended = run(
        capsys, "infer", "surface-defect", pictures, twin, "--pictures", out,
        "--threshold", "defect=0",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    written = [out / "part_1.jpg", out / "part_2.jpg", out / "part_1-2.jpg"]
    assert [line["picture"] for line in ended.json_lines] == [str(path) for path in written]
    assert sorted(out.iterdir()) == sorted(written)
    drawn = cv2.imread(str(written[0]))
    assert drawn is not None
    red = (drawn[:, :, 2].astype(int) - drawn[:, :, 0]) > 100
    assert red.any()


def test_each_frame_of_a_video_is_a_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    writer = cv2.VideoWriter(
        str(tmp_path / "v.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (128, 128)
    )
    for _ in range(3):
        writer.write(np.full((128, 128, 3), 90, np.uint8))
    writer.release()
    run(capsys, "infer", "surface-defect", tmp_path / "v.avi", "--pictures", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        f"v-{frame:06d}.jpg" for frame in range(3)
    ]


def test_damaged_frames_of_a_recording_are_errors_where_a_lane_has_no_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "belt.mp4"
    h264.write_video(path, 30)
    data = path.read_bytes()
    middle = len(data) // 2
    path.write_bytes(data[:middle] + bytes(300) + data[middle + 300 :])
    lane = Lane(source=f"file:{path}", capture=Capture())
    found = read_all(lane_source(lane, clock=SYSTEM_CLOCK))
    assert found.bad
    ended = run(capsys, "infer", "surface-defect", path)
    assert ended.code == 66
    errors = [line["error"] for line in ended.json_lines if "error" in line]
    judged = [line["frame"] for line in ended.json_lines if "error" not in line]
    assert errors == found.bad
    assert [f"frame:{frame}" for frame in judged] == [frame.item for frame in found.items]


def test_a_region_of_interest_is_what_the_model_sees(
    pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = pictures / "part_0.png"  # 192 x 128
    for roi in ("0.5,0,1,1", "96,0,192,128"):
        ended = run(capsys, "infer", "surface-defect", one, "--detail", "--roi", roi)
        (line,) = ended.json_lines
        assert min(tile[0] for tile in line["tiles"]) == 96
        assert max(tile[2] for tile in line["tiles"]) == 192
    ended = run(capsys, "infer", "surface-defect", one, "--roi", "0,0,500,500")
    assert ended.code == 66
    assert (
        "the region [0, 0, 500, 500] lies outside the picture of 192x128"
        in ended.json_lines[0]["error"]
    )


@pytest.mark.parametrize("roi", ["1,2,3", "a,b,c,d", "0.5,0,0.5,1", "0.5,0,100,100"])
def test_a_region_of_interest_that_is_none_is_a_usage_error(
    roi: str, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = run(capsys, "infer", "surface-defect", pictures, "--roi", roi)
    assert ended.code == 64
    assert "--roi: found" in ended.err
    assert "such as 0.1,0,0.9,1" in ended.err


def test_what_a_folder_holds_besides_pictures_is_told_in_one_line(
    pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("1.heic", "2.HEIC", "labels.csv", ".hidden.heic", "part.jpg.tmp"):
        (pictures / name).write_bytes(b"x")
    ended = run(capsys, "infer", "surface-defect", pictures)
    assert len(ended.json_lines) == 3
    assert ended.err.splitlines() == [f"{pictures}: left out: 2 .heic, 1 .csv"]


def test_twelve_bits_in_sixteen_are_told_once_and_shown_by_an_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    noise = np.random.default_rng(0).integers(0, 4096, (128, 192), np.uint16)
    for name in ("a.png", "b.png", "c.tif"):
        cv2.imwrite(str(tmp_path / name), noise)
    cv2.imwrite(str(tmp_path / "shown.bmp"), (noise >> 4).astype(np.uint8))
    dark = run(capsys, "infer", "surface-defect", tmp_path)
    assert dark.err.count("capture.bits = 12") == len(dark.err.splitlines()) == 1
    shown = run(capsys, "infer", "surface-defect", tmp_path, "--bits", "12")
    assert shown.err == ""
    assert len({line["score"] for line in shown.json_lines}) == 1


def test_a_damaged_picture_is_told_in_the_words_of_a_lane(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "half.jpg").write_bytes(cut(jpeg(), 0.5))
    ended = run(capsys, "infer", "surface-defect", tmp_path)
    assert ended.code == 66
    (line,) = ended.json_lines
    assert line["error"].startswith(f"{tmp_path / 'half.jpg'}: the JPEG picture is damaged or cut")
