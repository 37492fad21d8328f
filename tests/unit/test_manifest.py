from __future__ import annotations

from typing import Any

import msgspec
import pytest

from edge_runtime.manifest import Manifest, version_key
from edge_runtime.manifest.checks import cross_checks
from edge_runtime.toml.table import TableError, convert

IMAGE = {"width": 32, "height": 32, "layout": "NCHW"}
TILES = {"width": 32, "height": 32, "stride": 32, "positive": "defect"}
WHOLE: dict[str, Any] = {
    "format": 1,
    "name": "surface",
    "version": "1.0.0",
    "task": "tile-classification",
    "file": "model.onnx",
    "sha256": {"model.onnx": "0" * 64},
    "labels": ["ok", "defect"],
    "image": IMAGE,
    "tiles": TILES,
}
AUDIO = {"front_end": "mfcc"}


def problems(**changes: object) -> list[str]:
    return cross_checks(convert({**WHOLE, **changes}, Manifest, "model.toml"))


def audio_problems(**changes: object) -> list[str]:
    table = {key: value for key, value in WHOLE.items() if key not in ("image", "tiles")}
    table |= {"task": "audio-classification", "audio": {**AUDIO, **changes}}
    return cross_checks(convert(table, Manifest, "model.toml"))


def test_a_whole_manifest_has_no_problems() -> None:
    assert problems() == []
    assert audio_problems() == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"sha256": {}}, "sha256: has no entry for the model file 'model.onnx'"),
        (
            {"sha256": {"model.onnx": "0" * 64, "../x": "0" * 64}},
            "sha256: '../x' is not a plain file name",
        ),
        ({"labels": ["ok", "ok", "defect"]}, "labels: a label is there twice"),
        ({"labels": ["ok", "bad"]}, "tiles.positive: 'defect' is not in labels"),
        ({"reject": {"scratch": 0.5}}, "reject.scratch: is not in labels"),
        ({"silence": ["ok"]}, "silence: 'ok' is not in ignore"),
        ({"image": {**IMAGE, "mean": [1.0, 2.0]}}, "image.mean: 2 numbers; give 1 or 3"),
        ({"image": {**IMAGE, "colour": "GRAY", "scale": [1.0, 1.0, 1.0]}}, "give 1 or 1"),
        ({"tiles": {**TILES, "stride": 33}}, "tiles.stride: 33 leaves gaps between the tiles"),
        ({"image": {**IMAGE, "width": 64}}, "32 x 32 pixels, but [image] is 64 x 32"),
    ],
)
def test_what_contradicts_itself_is_told_with_its_key(
    changes: dict[str, object], told: str
) -> None:
    assert told in " / ".join(problems(**changes))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"frames": 60}, "audio.frames: need 19360 samples, window_ms has 16000"),
        ({"fft_length": 256}, "audio.fft_length: is less than frame_length, 480"),
        ({"high_hz": 9000.0}, "audio.high_hz: 9000 is not between low_hz, 20, and half"),
        ({"low_hz": 5000.0}, "audio.high_hz: 4000 is not between low_hz, 5000, and half"),
        ({"mels": 8}, "audio.coefficients: are more than mels, 8"),
        ({"log_offset": 0.0}, "audio.log_floor: give it or log_offset"),
    ],
)
def test_a_front_end_that_cannot_be_computed_is_told_with_its_key(
    changes: dict[str, object], told: str
) -> None:
    assert told in " / ".join(audio_problems(**changes))


def test_a_task_without_its_input_is_told() -> None:
    table = {key: value for key, value in WHOLE.items() if key not in ("image", "tiles")}
    told = cross_checks(convert(table, Manifest, "model.toml"))
    assert told == [
        "[image]: missing; task tile-classification needs it",
        "[tiles]: missing; task tile-classification needs it",
    ]


def test_every_wrong_key_is_told_at_once() -> None:
    table = {**WHOLE, "labels": [], "file": "model.pkl", "image": {**IMAGE, "layout": "HWC"}}
    with pytest.raises(TableError) as raised:
        convert(table, Manifest, "model.toml")
    told = "\n".join(raised.value.problems)
    assert len(raised.value.problems) == 3
    for key in ("labels", "file", "image.layout"):
        assert f"model.toml: {key}: " in told


def test_versions_sort_as_numbers() -> None:
    versions = ["0.10.0", "0.9.0", "1.0.0", "0.9.0-rc1"]
    assert max(versions, key=version_key) == "1.0.0"
    assert sorted(["0.10.0", "0.9.0"], key=version_key) == ["0.9.0", "0.10.0"]


def test_a_manifest_cannot_be_changed() -> None:
    manifest = convert(WHOLE, Manifest, "model.toml")
    assert manifest.id == "surface/1.0.0"
    with pytest.raises(AttributeError):
        manifest.name = "other"  # type: ignore[misc]
    assert isinstance(manifest, msgspec.Struct)


DETECTOR: dict[str, Any] = {
    **{key: value for key, value in WHOLE.items() if key != "tiles"},
    "task": "detection",
}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"output": {"decoder": "semantic"}},
            (
                "output.decoder: 'semantic' is none of task detection; possible: yolov8, yolov5, "
                "end-to-end, ssd, yolox, nanodet, fastestdet, scores-boxes"
            ),
        ),
        (
            {"output": {"decoder": "ssd", "tensors": ["a", "b"]}},
            "output.tensors: 2 named; decoder 'ssd' reads boxes, classes, scores, count",
        ),
        (
            {"reject": {"defect": 0.3}, "output": {"score_min": 0.4}},
            "reject.defect: 0.3 is below output.score_min, 0.4: what lies between is never seen",
        ),
        (
            {"image": {**IMAGE, "crop_from": 40}},
            'image.crop_from: has no effect with resize = "stretch"',
        ),
        (
            {"image": {**IMAGE, "resize": "crop", "crop_from": 31}},
            (
                "image.crop_from: 31 is less than the input's longer side, 32: there would be nothing "
                "to cut out of"
            ),
        ),
        (
            {"image": {**IMAGE, "pad_colour": [1, 2]}},
            "image.pad_colour: 2 numbers; give 3, or pad_value for grey",
        ),
        (
            {"image": {**IMAGE, "colour": "GRAY", "pad_colour": [1, 2, 3]}},
            "image.pad_colour: 3 numbers; give 3, or pad_value for grey",
        ),
        (
            {"task": "anomaly", "labels": ["a", "b", "c"]},
            "labels: an anomaly model has one, or two: what is good, then what is not; there are 3",
        ),
        (
            {"task": "anomaly", "output": {"minimum": 2.0, "maximum": 2.0}},
            "output.maximum: 2 is not above output.minimum, 2",
        ),
        (
            {"task": "anomaly", "output": {"map_minimum": 2.0, "map_maximum": 1.0}},
            "output.map_maximum: 1 is not above output.map_minimum, 2",
        ),
        (
            {"task": "anomaly", "output": {"map_minimum": 2.0}},
            "output.map_minimum and output.map_maximum: give both, or none",
        ),
        (
            {"output": {"strides": [8]}},
            "output.strides: has no effect on decoder 'yolov8'",
        ),
        (
            {"output": {"decoder": "nanodet", "coordinates": "fractions"}},
            "output.coordinates: has no effect on decoder 'nanodet'",
        ),
        (
            {"output": {"decoder": "yolox", "box_form": "corners"}},
            "output.box_form: has no effect on decoder 'yolox'",
        ),
        (
            {"output": {"decoder": "scores-boxes", "tensors": ["scores"]}},
            "output.tensors: 1 named; decoder 'scores-boxes' reads scores, boxes",
        ),
        ({"labels": ["a", ""]}, "labels: number 2 of 2 is '', which nobody can name"),
        ({"labels": ["  ", "b"]}, "labels: number 1 of 2 is '  ', which nobody can name"),
        ({"labels": ["a\nb", "c"]}, "labels: number 1 of 2 is 'a\\nb', which nobody can name"),
        (
            {"task": "anomaly", "output": {"pixel_threshold": 2.0}},
            "output.image_threshold: missing; output.pixel_threshold is there",
        ),
    ],
)
def test_a_contradiction_about_pictures_is_one_line(changes: dict[str, Any], told: str) -> None:
    assert cross_checks(convert({**DETECTOR, **changes}, Manifest, "model.toml")) == [told]


@pytest.mark.parametrize(
    ("task", "decoder"),
    [
        ("image-classification", "classification"),
        ("detection", "yolov8"),
        ("segmentation", "semantic"),
        ("anomaly", "anomaly-map"),
        ("embedding", "embedding"),
    ],
)
def test_a_task_has_a_decoder_of_its_own(task: str, decoder: str) -> None:
    made = convert({**DETECTOR, "task": task}, Manifest, "model.toml")
    assert cross_checks(made) == []
    assert made.decoder == decoder
