"""What ``[audio]`` and ``[stream]`` may not say."""

from __future__ import annotations

from typing import Any

import pytest

from edge_runtime.manifest import Manifest
from edge_runtime.manifest.checks import cross_checks
from edge_runtime.toml.table import convert

WAVE = {"front_end": "waveform"}
MICRO = {"front_end": "micro", "frame_step": 160, "frames": 3, "low_hz": 125.0, "high_hz": 7500.0}


def problems(task: str, audio: dict[str, Any], **changes: Any) -> list[str]:
    table: dict[str, Any] = {
        "format": 1,
        "name": "m",
        "version": "1",
        "task": task,
        "file": "m.onnx",
        "sha256": {"m.onnx": "0" * 64},
        "labels": ["speech"],
        "audio": audio,
    }
    return cross_checks(convert({**table, **changes}, Manifest, "model.toml"))


@pytest.mark.parametrize(
    ("task", "audio", "changes"),
    [
        ("speech-detection", WAVE, {"stream": {"step": 512, "context": 64}}),
        ("wake-word", MICRO, {"stream": {"step": 3}}),
        ("wake-word", {"front_end": "log_mel", "frames": 400, "hop_ms": 20}, {}),
        ("speech-detection", WAVE, {}),
        ("audio-classification", WAVE, {}),
        ("audio-classification", {"front_end": "log_mel", "reflect_pad": 256, "frames": 50}, {}),
        ("embedding", {"front_end": "log_mel"}, {}),
    ],
)
def test_what_can_be_computed_has_no_problems(
    task: str, audio: dict[str, Any], changes: dict[str, Any]
) -> None:
    assert problems(task, audio, **changes) == []


@pytest.mark.parametrize(
    ("task", "audio", "changes", "told"),
    [
        (
            "wake-word",
            {"front_end": "log_mel", "frames": 400},
            {},
            "stream.step: missing; hop_ms, 250, is no whole number of frames of 320 samples",
        ),
        (
            "wake-word",
            {"front_end": "log_mel", "frames": 5, "hop_ms": 200},
            {},
            "audio.hop_ms: 10 new frames do not go into the model's 5",
        ),
        ("audio-classification", WAVE, {"stream": {}}, "[stream]: has no effect on task audio-"),
        (
            "speech-detection",
            {"front_end": "log_mel", "normalise": "peak"},
            {},
            "audio.normalise: a stream has no loudest sample; give pcm or none",
        ),
        (
            "speech-detection",
            {"front_end": "log_mel", "reflect_pad": 100},
            {},
            "audio.reflect_pad: a stream has no end to mirror at",
        ),
        ("wake-word", MICRO, {"stream": {"step": 4}}, "4 new frames do not go into the model's 3"),
        ("wake-word", MICRO, {"stream": {"context": 4}}, "stream.context: is for waveform"),
        ("wake-word", {**MICRO, "fft_length": 500}, {}, "audio.fft_length: a power of two"),
        ("wake-word", {"front_end": "mfcc", "fft_length": 513}, {}, "audio.fft_length: 513 is odd"),
    ],
)
def test_what_contradicts_itself_is_told_with_its_key(
    task: str, audio: dict[str, Any], changes: dict[str, Any], told: str
) -> None:
    assert told in " / ".join(problems(task, audio, **changes))
