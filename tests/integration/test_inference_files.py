"""One model over files and folders: a line for everything, whatever is wrong with some of it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
import soundfile

from edge_runtime.errors import ItemError
from edge_runtime.files.video import read_video
from edge_runtime.inference import load_model
from edge_runtime.inference.infer_files import Answer, infer_paths
from tests.support.data import DATA, needs_data
from tests.support.models import write_bundle
from tests.support.tiny_onnx import dense_onnx

if TYPE_CHECKING:
    from edge_runtime.inference.runner import LoadedModel

SIDE = 64


@pytest.fixture
def tiled(tmp_path: Path) -> LoadedModel:
    """Scores tiles by brightness."""
    weights = np.zeros((SIDE * SIDE, 2), np.float32)
    weights[:, 1] = 1 / SIDE**2
    table = {
        "task": "tile-classification",
        "labels": ["ok", "bright"],
        "image": {"width": SIDE, "height": SIDE, "layout": "NCHW", "colour": "GRAY"},
        "tiles": {"width": SIDE, "height": SIDE, "stride": SIDE, "batch": 16, "positive": "bright"},
    }
    model = dense_onnx(weights, ["n", 1, SIDE, SIDE])
    return load_model(write_bundle(tmp_path / "tiled", model, table, file="m.onnx"))


@pytest.fixture
def heard(tmp_path: Path) -> LoadedModel:
    weights = np.zeros((490, 2), np.float32)
    table = {"task": "audio-classification", "labels": ["a", "b"], "audio": {"front_end": "mfcc"}}
    model = dense_onnx(weights, [1, 49, 10, 1])
    return load_model(write_bundle(tmp_path / "heard", model, table, file="m.onnx"))


def run(model: LoadedModel, *paths: Path) -> list[Answer]:
    return list(infer_paths(model, paths))


def write_picture(path: Path, level: int = 100, size: tuple[int, int] = (80, 130)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((*size, 3), level, np.uint8))
    return path


def write_video(path: Path, frames: int) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (128, 64))
    for index in range(frames):
        writer.write(np.full((64, 128, 3), index * 20 % 256, np.uint8))
    writer.release()
    return path


def test_a_line_has_the_fields_that_scripts_rely_on(tiled: LoadedModel, tmp_path: Path) -> None:
    [answer] = run(tiled, write_picture(tmp_path / "a.png", 255))
    told = json.loads(json.dumps(answer.as_json(detail=True)))
    assert list(told) == [
        "file", "label", "score", "scores", "regions", "spans", "values", "text", "latency_ms",
        "tiles",
    ]  # fmt: skip
    assert told["label"] == "bright"
    assert told["score"] == told["scores"]["bright"] == pytest.approx(1.0)
    assert set(told["scores"]) == {"ok", "bright"}
    assert told["regions"] == [{"label": "bright", "score": 1.0, "box": [0, 0, 130, 80]}]
    assert told["spans"] == told["values"] == []
    assert told["text"] is None
    assert told["latency_ms"] > 0
    assert told["tiles"][0] == [0, 0, 64, 64, pytest.approx(1.0)]
    assert len(told["tiles"]) == 3 * 2
    assert "tiles" not in answer.as_json()


def test_a_folder_is_searched_in_order_and_hidden_or_foreign_files_are_left_alone(
    tiled: LoadedModel, tmp_path: Path
) -> None:
    for name in ("b.png", "a/z.JPG", "a/c.bmp", ".hidden.png", ".trash/d.png"):
        write_picture(tmp_path / "in" / name.lower()).rename(tmp_path / "in" / name)
    (tmp_path / "in" / "notes.txt").write_text("no picture")
    answers = list(infer_paths(tiled, [tmp_path / "in"], subfolders=True))
    files = [Path(answer.file).relative_to(tmp_path / "in").as_posix() for answer in answers]
    assert files == ["a/c.bmp", "a/z.JPG", "b.png"]
    assert not any(answer.error for answer in answers)


def test_a_folder_is_read_as_a_lane_reads_it(tiled: LoadedModel, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    for name in ("b.png", "c.png", "monday/d.png"):
        write_picture(folder / name)
    for name in ("1.gif", "2.gif", "LICENSE"):
        (folder / name).write_bytes(b"x")
    (folder / "a.jpg").mkdir()
    os.mkfifo(folder / "e.png")
    (folder / "f.png").symlink_to(folder / "nowhere.png")
    told: list[str] = []
    answers = list(infer_paths(tiled, [folder], tell=told.append))
    assert [(Path(answer.file).name, answer.error) for answer in answers] == [
        ("a.jpg", f"{folder}/a.jpg: cannot be read: it is a folder and no file"),
        ("b.png", ""),
        ("c.png", ""),
        ("e.png", f"{folder}/e.png: cannot be read: it is a pipe and no file"),
        ("f.png", f"{folder}/f.png: cannot be read: it is a link that leads nowhere"),
    ]
    (line,) = told
    assert line == (
        f"{folder}: left out: 2 .gif, 1 name without an ending, "
        "1 sub-folder (--subfolders reads them)"
    )


def test_bad_files_are_lines_with_an_error_and_the_rest_goes_on(
    tiled: LoadedModel, tmp_path: Path
) -> None:
    good = write_picture(tmp_path / "good.png")
    cut = tmp_path / "cut.png"
    cut.write_bytes(good.read_bytes()[:-20])
    empty = tmp_path / "empty"
    empty.mkdir()
    answers = run(tiled, cut, tmp_path / "gone.png", empty, good)
    assert [bool(answer.error) for answer in answers] == [True, True, True, False]
    assert answers[0].as_json() == {
        "file": str(cut),
        "error": f"{cut}: the PNG picture is cut short",
    }
    assert answers[1].error.endswith("there is no such file or folder")
    assert answers[2].error.endswith("no pictures or videos in this folder")


def test_a_video_is_a_line_a_frame(tiled: LoadedModel, tmp_path: Path) -> None:
    answers = run(tiled, write_video(tmp_path / "v.avi", 6))
    assert [answer.frame for answer in answers] == list(range(6))
    assert answers[2].as_json()["frame"] == 2
    bright = [answer.as_json()["scores"]["bright"] for answer in answers]
    assert bright == pytest.approx([index * 20 / 255 for index in range(6)], abs=0.02)


def test_what_is_no_video_is_one_line_with_an_error(tiled: LoadedModel, tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    path.write_bytes(b"no video" * 100)
    [answer] = run(tiled, path)
    assert answer.error == f"{path}: not a video that FFmpeg can open"


@needs_data
def test_a_video_cut_off_gives_its_frames_and_then_an_error(tmp_path: Path) -> None:
    whole = (DATA / "video" / "bottle-detection.mp4").read_bytes()
    frames = sum(1 for _ in read_video(DATA / "video" / "bottle-detection.mp4"))
    assert frames > 20
    path = write_video(tmp_path / "cut.avi", 60)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ItemError, match=r"not a video|cut off or damaged"):
        list(read_video(path))
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: len(whole) // 3])
    with pytest.raises(ItemError, match=r"not a video|cut off or damaged"):
        list(read_video(path))


def test_sound_for_a_picture_model_is_a_line_with_an_error(
    tiled: LoadedModel, heard: LoadedModel, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(16000, np.int16), 16000)
    picture = write_picture(tmp_path / "a.png")
    [answer] = run(tiled, tmp_path / "a.wav")
    assert answer.error.endswith("the model takes pictures, not sound")
    [answer] = run(heard, picture)
    assert answer.error.endswith("the model takes sound, not pictures")


def test_sound_files_are_one_segment_each_at_any_rate(heard: LoadedModel, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    soundfile.write(folder / "a.wav", np.ones(8000, np.int16), 8000)
    soundfile.write(folder / "b.flac", np.ones((100_000, 2), np.int16), 48000)
    answers = run(heard, folder)
    assert [Path(answer.file).name for answer in answers] == ["a.wav", "b.flac"]
    assert all(answer.as_json()["regions"] == [] for answer in answers)


@needs_data
def test_malformed_wavs_are_lines_with_an_error(heard: LoadedModel) -> None:
    answers = run(heard, DATA / "malformed_wav")
    assert len(answers) == 4
    assert all(answer.error for answer in answers)


@needs_data
def test_real_phones_give_tiles_in_pixels_of_the_original(
    tiled: LoadedModel, tmp_path: Path
) -> None:
    pictures = sorted((DATA / "phone_screen_MSD_GPL3" / "images").glob("*.jpg"))[:2]
    for path in pictures:
        shutil.copy(path, tmp_path)
    for path, answer in zip(pictures, run(tiled, *pictures), strict=True):
        pixels = cv2.imread(str(path))
        assert pixels is not None
        height, width = pixels.shape[:2]
        tiles: list[Any] = answer.as_json(detail=True)["tiles"]
        assert max(tile[2] for tile in tiles) == width
        assert max(tile[3] for tile in tiles) == height
        assert all(type(value) is int for tile in tiles for value in tile[:4])
        assert all(0.0 <= tile[4] <= 1.0 for tile in tiles)
