from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
import soundfile

from tests.support.command_line import run

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
            *("latency_ms", "verdict"),
        }
        assert set(line["scores"]) == {"ok", "defect"}
        assert line["scores"][line["label"]] == line["score"] == max(line["scores"].values())
        assert line["latency_ms"] > 0


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
