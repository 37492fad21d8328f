"""A model of the wrong kind for a lane is told before anything runs."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from edge_runtime.config import Config, Lane
from edge_runtime.manifest import Manifest
from edge_runtime.manifest.fits import check_models, kind_problems

INPUT: dict[str, dict[str, Any]] = {
    "image": {"image": {"width": 8, "height": 8, "layout": "NCHW"}},
    "audio": {"audio": {"front_end": "waveform"}},
    "numbers": {"numbers": {"columns": 3}},
}


def manifest(name: str, kind: str, task: str) -> Manifest:
    table = {
        "format": 1,
        "name": name,
        "version": "1.0.0",
        "task": task,
        "file": "model.onnx",
        "sha256": {"model.onnx": "0" * 64},
        "labels": ["a", "b"],
    }
    return msgspec.convert(table | INPUT[kind], Manifest)


MANIFESTS = {
    "scratch": manifest("scratch", "image", "image-classification"),
    "scratch/1.0.0": manifest("scratch", "image", "image-classification"),
    "finder": manifest("finder", "image", "detection"),
    "areas": manifest("areas", "image", "segmentation"),
    "words": manifest("words", "audio", "audio-classification"),
    "wake": manifest("wake", "audio", "wake-word"),
    "speech": manifest("speech", "audio", "speech-detection"),
    "sums": manifest("sums", "numbers", "numbers"),
}


def told(**lane: Any) -> list[str]:
    return kind_problems("top", msgspec.convert({"source": "v4l2:/dev/v"} | lane, Lane), MANIFESTS)


EARS = {"source": "microphone:default"}


@pytest.mark.parametrize(
    "lane",
    [
        {"model": "scratch"},
        {"models": ["scratch", "finder", "areas"]},
        {"chain": ["finder", "scratch"]},
        {"chain": ["areas", "finder", "scratch"]},
        {"model": "scratch", "shadow": ["finder"]},
        EARS | {"model": "words"},
        EARS | {"models": ["words", "wake"]},
    ],
)
def test_models_of_the_lanes_kind_fit(lane: dict[str, Any]) -> None:
    assert told(**lane) == []


@pytest.mark.parametrize("key", ["model", "models", "chain", "shadow"])
@pytest.mark.parametrize("model", ["words", "sums"])
def test_a_camera_takes_models_of_pictures_only(key: str, model: str) -> None:
    value = {"model": model, "models": [model], "chain": ["finder", model], "shadow": [model]}[key]
    (line,) = told(**{key: value})
    takes = {"words": "sound", "sums": "numbers"}[model]
    assert line == (
        f"lanes.top.{key}: model '{model}' takes {takes}; the lane is a camera and has pictures"
    )


@pytest.mark.parametrize(("model", "takes"), [("scratch", "pictures"), ("sums", "numbers")])
def test_a_microphone_takes_models_of_sound_only(model: str, takes: str) -> None:
    assert told(**EARS, model=model) == [
        f"lanes.top.model: model '{model}' takes {takes}; the lane is a microphone and has sound"
    ]


def test_a_speech_detector_is_a_gate_and_no_judge() -> None:
    (line,) = told(**EARS, model="speech")
    assert line.endswith("judges nothing; name it in gate.vad")


def test_only_the_last_of_a_chain_needs_no_boxes() -> None:
    (line,) = told(chain=["scratch", "finder"])
    assert line.startswith("lanes.top.chain: model 'scratch' is of task image-classification and ")
    (line,) = told(chain=["finder", "scratch", "scratch/1.0.0"])
    assert "model 'scratch' is of task" in line


def test_a_shadow_is_another_model_whatever_it_is_called() -> None:
    assert told(model="scratch", shadow=["scratch/1.0.0"]) == [
        "lanes.top.shadow: 'scratch/1.0.0' is 'scratch', which decides already"
    ]


def test_shipped_models_on_the_wrong_lanes_are_all_told_at_once() -> None:
    lanes = {
        "eyes": {"source": "v4l2:/dev/v", "model": "keywords"},
        "ears": {"source": "microphone:default", "model": "surface-defect"},
        "gone": {"source": "v4l2:/dev/v", "models": ["surface-defect", "nothing"]},
        "deaf": {
            "source": "microphone:default",
            "model": "keywords",
            "gate": {"vad": "surface-defect"},
        },
        "good": {"source": "microphone:default", "model": "keywords"},
    }
    found = check_models(msgspec.convert({"device": {"id": "d"}, "lanes": lanes}, Config))
    assert [line.partition(": ")[0] for line in found] == [
        *("lanes.eyes.model", "lanes.ears.model", "lanes.gone.models", "lanes.deaf.gate.vad")
    ]
    assert "model 'keywords' takes sound" in found[0]
    assert "model 'surface-defect' takes pictures" in found[1]
    assert "model 'nothing' is not in" in found[2]
