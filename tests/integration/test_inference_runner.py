"""From pixels and samples to labels: what a lane gets from a runner."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from edge_runtime.errors import ItemError, ModelError
from edge_runtime.inference import load_model
from tests.support.data import DATA, needs_data
from tests.support.models import third_party_bundle, write_bundle
from tests.support.tiny_onnx import dense_onnx
from tests.support.tiny_tflite import dense_tflite

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from edge_runtime.inference.runner import LoadedModel
    from edge_runtime.protocols import PictureRunner
    from edge_runtime.types import Inference

SIDE = 8
RED, BLUE = (0, 0, 255), (255, 0, 0)


def picture(width: int, height: int, colour: tuple[int, int, int]) -> NDArray[np.uint8]:
    return np.full((height, width, 3), colour, np.uint8)


def colour_weights(layout: str) -> NDArray[np.float32]:
    """Label 0: mean red; label 1: mean blue (RGB order)."""
    weights = np.zeros((3, SIDE, SIDE, 2), np.float32)
    weights[0, :, :, 0] = weights[2, :, :, 1] = 1 / SIDE**2
    if layout == "NHWC":
        weights = weights.transpose(1, 2, 0, 3)
    return np.ascontiguousarray(weights.reshape(-1, 2))


def colour_model(folder: Path, file: str, layout: str, **quantised: Any) -> LoadedModel:
    shape = [1, 3, SIDE, SIDE] if layout == "NCHW" else [1, SIDE, SIDE, 3]
    maker: Any = dense_onnx if file.endswith("onnx") else dense_tflite
    table = {
        "task": "image-classification",
        "labels": ["red", "blue"],
        "image": {"width": SIDE, "height": SIDE, "layout": layout},
    }
    model = maker(colour_weights(layout), shape, **quantised)
    return load_model(write_bundle(folder, model, table, file=file))


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize(
    ("file", "quantised"),
    [
        ("m.onnx", {}),
        ("m.tflite", {}),
        (
            "m.tflite",
            {
                "dtype": "int8",
                "output": "int8",
                "input_q": (1 / 255, -128),
                "output_q": (1 / 256, -128),
            },
        ),
        ("m.tflite", {"dtype": "uint8", "output": "uint8", "input_q": (1 / 255, 0),
                      "output_q": (1 / 256, 0)}),
        ("m.tflite", {"dtype": "int16", "output": "int16", "input_q": (1 / 32767, 0),
                      "output_q": (1 / 32767, 0)}),
    ],
    ids=["onnx", "tflite", "int8", "uint8", "int16"],
)  # fmt: skip
def test_a_picture_comes_back_as_its_labels_best_first(
    tmp_path: Path, file: str, quantised: dict[str, Any], layout: str
) -> None:
    runner = colour_model(tmp_path / "m", file, layout, **quantised).picture_runner()
    red = runner.frame(picture(100, 60, RED))
    assert [(s.label, round(s.score, 2)) for s in red.scores] == [("red", 1.0), ("blue", 0.0)]
    blue = runner.frame(picture(9, 7, BLUE))
    assert blue.scores[0].label == "blue"
    assert blue.model == "fixture/1.0.0"
    assert len(blue.model_sha256) == 64
    assert blue.preprocess_ms > 0
    assert blue.infer_ms > 0


def test_frames_of_changing_sizes_do_not_leak_into_one_another(tmp_path: Path) -> None:
    model = colour_model(tmp_path / "m", "m.onnx", "NCHW")
    used = model.picture_runner()
    rng = np.random.default_rng(5)
    for size in [(60, 100, 3), (3, 5, 3), (60, 100, 3), (8, 8, 3), (1, 1, 3)]:
        shown = rng.integers(0, 256, size, np.uint8)
        assert used.frame(shown).scores == model.picture_runner().frame(shown).scores


def test_a_frame_may_be_read_only_or_a_view_with_gaps(tmp_path: Path) -> None:
    runner = colour_model(tmp_path / "m", "m.onnx", "NCHW").picture_runner()
    shown = np.random.default_rng(1).integers(0, 256, (40, 60, 3), np.uint8)
    expected = runner.frame(shown[10:30, 5:25].copy()).scores
    assert runner.frame(shown[10:30, 5:25]).scores == expected
    shown.flags.writeable = False
    assert runner.frame(shown[10:30, 5:25]).scores == expected
    mirrored = shown[:, ::-1]
    assert runner.frame(mirrored).scores == runner.frame(mirrored.copy()).scores


@pytest.mark.parametrize("file", ["m.onnx", "m.tflite"])
def test_runners_of_several_threads_answer_as_one_alone(tmp_path: Path, file: str) -> None:
    model = colour_model(tmp_path / "m", file, "NCHW")
    rng = np.random.default_rng(2)
    shown = [rng.integers(0, 256, (20 + i, 30, 3), np.uint8) for i in range(40)]
    alone = model.picture_runner()
    expected = [alone.frame(pixels).scores for pixels in shown]
    found: dict[int, list[Any]] = {}

    def work(number: int) -> None:
        runner = model.picture_runner()
        found[number] = [runner.frame(pixels).scores for pixels in shown]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert list(found.values()) == [expected] * 3


def test_a_model_of_sounds_has_no_way_in_for_a_lane_that_sees_and_the_other_way_round(
    tmp_path: Path,
) -> None:
    pictures = colour_model(tmp_path / "m", "m.onnx", "NCHW")
    with pytest.raises(
        ModelError, match=r"^fixture 1\.0\.0 is a model of pictures; this lane hears"
    ):
        pictures.sound_runner()
    with pytest.raises(ModelError, match="is a model of pictures; here it is rows of numbers"):
        pictures.numbers_runner()
    with pytest.raises(ModelError, match=r"^fixture 1\.0\.0 is a model of sounds; this lane sees"):
        loudness(tmp_path / "s").picture_runner()


def test_an_answer_that_is_no_number_is_a_bad_item_not_a_pass(tmp_path: Path) -> None:
    table = {
        "task": "image-classification",
        "labels": ["red", "blue"],
        "image": {"width": SIDE, "height": SIDE, "layout": "NCHW"},
    }
    weights = np.full((3 * SIDE * SIDE, 2), 3e38, np.float32)
    folder = write_bundle(tmp_path, dense_onnx(weights, [1, 3, SIDE, SIDE]), table, file="m.onnx")
    with pytest.raises(ItemError, match="NaN or infinity"):
        load_model(folder).picture_runner().frame(picture(8, 8, RED))


# --- tiles ---------------------------------------------------------------------------------------


def tile_model(
    folder: Path, *, file: str = "m.onnx", layout: str = "NHWC", batch: int = 4, **tiles: Any
) -> LoadedModel:
    """Scores a tile by its mean brightness; the picture is grey."""
    weights = np.zeros((SIDE * SIDE, 2), np.float32)
    weights[:, 1] = 1 / SIDE**2
    shape: list[Any] = [batch, SIDE, SIDE, 1] if layout == "NHWC" else [batch, 1, SIDE, SIDE]
    if file == "open.onnx":
        shape[0] = "n"
    if file == "open.tflite":
        shape[0] = 1
    maker: Any = dense_onnx if file.endswith("onnx") else dense_tflite
    model = maker(weights, shape, **({"open_batch": True} if file == "open.tflite" else {}))
    table = {
        "task": "tile-classification",
        "labels": ["ok", "bright"],
        "reject": {"bright": 0.7},
        "review": {"bright": 0.6},
        "image": {"width": SIDE, "height": SIDE, "layout": layout, "colour": "GRAY"},
        "tiles": {
            "width": SIDE, "height": SIDE, "stride": SIDE, "batch": batch, "positive": "bright",
            **tiles,
        },
    }  # fmt: skip
    return load_model(write_bundle(folder, model, table, file=file))


def with_spots(width: int, height: int, *spots: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    shown = picture(width, height, (20, 20, 20))
    for x0, y0, x1, y1 in spots:
        shown[y0:y1, x0:x1] = 255
    return shown


KINDS = [("m.onnx", "NHWC"), ("open.onnx", "NCHW"), ("m.tflite", "NCHW"), ("open.tflite", "NHWC")]


@pytest.mark.parametrize(("file", "layout"), KINDS)
def test_the_worst_tile_decides_and_bright_neighbours_are_one_region(
    tmp_path: Path, file: str, layout: str
) -> None:
    runner = tile_model(tmp_path / "m", file=file, layout=layout).picture_runner()
    answer = runner.frame(with_spots(52, 30, (8, 8, 24, 16), (44, 22, 52, 30)))
    assert answer.scores[0].label == "bright"
    assert answer.scores[0].score == pytest.approx(1.0, abs=1e-5)
    assert [(r.x0, r.y0, r.x1, r.y1) for r in answer.regions] == [(8, 8, 24, 16), (44, 22, 52, 30)]
    assert len(answer.tiles) == 7 * 4
    assert answer.tiles[0][:4] == (0, 0, 8, 8)
    assert answer.tiles[0][4] == pytest.approx(20 / 255, abs=1e-4)
    assert answer.tiles[-1] == pytest.approx((44, 22, 52, 30, 1.0), abs=1e-5)


@pytest.mark.parametrize(("file", "layout"), KINDS)
def test_tile_scores_do_not_depend_on_the_batch_or_on_the_frame_before(
    tmp_path: Path, file: str, layout: str
) -> None:
    rng = np.random.default_rng(4)
    frames = [rng.integers(0, 256, (30 + 9 * i, 61 - 5 * i, 3), np.uint8) for i in range(4)]
    one, many = (
        tile_model(
            tmp_path / str(batch), file=file, layout=layout, batch=batch, stride=5
        ).picture_runner()
        for batch in (1, 7)
    )
    for shown in [*frames, *frames[::-1]]:
        expected, found = one.frame(shown).tiles, many.frame(shown).tiles
        assert [t[:4] for t in found] == [t[:4] for t in expected]
        assert [t[4] for t in found] == pytest.approx([t[4] for t in expected], abs=1e-6)


def test_every_tile_is_scored_by_just_its_own_pixels(tmp_path: Path) -> None:
    shown = np.random.default_rng(6).integers(0, 256, (33, 47, 3), np.uint8)
    grey = np.asarray(cv2.cvtColor(shown, cv2.COLOR_BGR2GRAY))
    for x0, y0, x1, y1, score in (
        tile_model(tmp_path / "m", stride=6).picture_runner().frame(shown).tiles
    ):
        assert score == pytest.approx(grey[y0:y1, x0:x1].mean() / 255, abs=1e-5)


def test_a_large_picture_is_scaled_once_and_boxes_are_in_its_own_pixels(tmp_path: Path) -> None:
    runner = tile_model(tmp_path / "m", longer_side=32).picture_runner()
    answer = runner.frame(with_spots(128, 64, (32, 0, 64, 32)))
    assert [(r.x0, r.y0, r.x1, r.y1) for r in answer.regions] == [(32, 0, 64, 32)]
    assert len(answer.tiles) == 4 * 2


def test_a_picture_smaller_than_a_tile_is_one_tile(tmp_path: Path) -> None:
    answer = tile_model(tmp_path / "m").picture_runner().frame(with_spots(5, 3, (0, 0, 5, 3)))
    [tile] = answer.tiles
    assert tile == pytest.approx((0, 0, 5, 3, 1.0), abs=1e-5)


def test_a_clean_picture_shows_its_worst_tile_and_how_good_it_is(tmp_path: Path) -> None:
    answer = tile_model(tmp_path / "m").picture_runner().frame(with_spots(16, 8, (8, 0, 10, 1)))
    assert answer.scores[0].score < 0.6
    [region] = answer.regions
    assert (region.x0, region.x1) == (8, 16)
    assert region.score == max(tile[4] for tile in answer.tiles)


# --- sound ---------------------------------------------------------------------------------------


def loudness(folder: Path) -> LoadedModel:
    """Label "loud": the features' mean, of log mel energies."""
    weights = np.zeros((49 * 40, 2), np.float32)
    weights[:, 1] = 1 / (49 * 40)
    table = {
        "task": "audio-classification",
        "labels": ["quiet", "loud"],
        "ignore": ["quiet"],
        "audio": {"front_end": "log_mel"},
    }
    model = dense_onnx(weights, [1, 49, 40, 1])
    return load_model(write_bundle(folder, model, table, file="m.onnx"))


def score_of(answer: Inference, label: str) -> float:
    return next(score.score for score in answer.scores if score.label == label)


def noise(seconds: float, rate_hz: int, level: float = 3000.0) -> NDArray[np.int16]:
    rng = np.random.default_rng(9)
    return rng.normal(0, level, int(seconds * rate_hz)).astype(np.int16)


@pytest.mark.parametrize("count", [1, 2, 100, 15999, 16000, 16001, 19999, 20000, 70000])
def test_a_segment_of_any_length_has_an_answer(tmp_path: Path, count: int) -> None:
    runner = loudness(tmp_path).sound_runner()
    answer = runner.segment(noise(5, 16000)[:count], 16000)
    assert np.isfinite([score.score for score in answer.scores]).all()


def test_an_empty_segment_is_a_bad_item(tmp_path: Path) -> None:
    with pytest.raises(ItemError, match="n at least 1"):
        loudness(tmp_path).sound_runner().segment(np.zeros(0, np.int16), 16000)


def test_the_answer_hardly_changes_with_the_rate_of_the_same_sound(tmp_path: Path) -> None:
    runner = loudness(tmp_path).sound_runner()
    seconds = np.arange(48000) / 48000
    tones = np.arange(100, 3600, 37)[:, None]
    at_48k = np.sin(2 * np.pi * tones * seconds).sum(axis=0) * 200
    at_16k = at_48k[::3]
    first = score_of(runner.segment(at_48k.astype(np.int16), 48000), "loud")
    second = score_of(runner.segment(at_16k.astype(np.int16), 16000), "loud")
    assert first == pytest.approx(second, abs=0.15)


def test_a_segment_is_not_changed_and_may_be_read_only(tmp_path: Path) -> None:
    samples = noise(2.3, 16000)
    kept = samples.copy()
    samples.flags.writeable = False
    loudness(tmp_path).sound_runner().segment(samples, 16000)
    assert np.array_equal(samples, kept)


# --- a real one ----------------------------------------------------------------------------------


@needs_data
def test_a_third_party_int8_model_sees_no_person_in_a_machine_part(tmp_path: Path) -> None:
    model = load_model(third_party_bundle(tmp_path / "vww", "vww_96_int8.tflite"))
    runner: PictureRunner = model.picture_runner()
    part = cv2.imread(
        str(next((DATA / "ballscrew_BSData_CC-BY-SA" / "images").glob("*.jpg"))), cv2.IMREAD_COLOR
    )
    assert part is not None
    answer = runner.frame(np.asarray(part, np.uint8))
    assert answer.scores[0].label == "no person"
    assert sum(score.score for score in answer.scores) == pytest.approx(1.0, abs=0.02)
