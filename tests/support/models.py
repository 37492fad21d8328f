"""Bundles for tests: third-party models by path with manifests of ours, and tiny models."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from tests.support.data import MODELS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

KWS_LABELS = [
    "down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes", "_silence_", "_unknown_",
]  # fmt: skip
DSCNN_LABELS = [
    "_silence_", "_unknown_", "yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go",
]  # fmt: skip
NOT_KEYWORDS = ["_silence_", "_unknown_"]

_KEYWORDS: dict[str, Any] = {
    "task": "audio-classification",
    "ignore": NOT_KEYWORDS,
    "silence": ["_silence_"],
}
THIRD_PARTY: dict[str, dict[str, Any]] = {
    "kws_ref_model_int8.tflite": {
        **_KEYWORDS,
        "labels": KWS_LABELS,
        "audio": {"front_end": "mfcc", "normalise": "peak"},
    },
    "kws_ref_model_float32.tflite": {
        **_KEYWORDS,
        "labels": KWS_LABELS,
        "audio": {"front_end": "mfcc", "normalise": "peak"},
    },
    "dscnn_l_kws_fp32.onnx": {
        **_KEYWORDS,
        "labels": DSCNN_LABELS,
        "audio": {
            "front_end": "mfcc",
            "frame_length": 640,
            "fft_length": 1024,
            "log_offset": 0.0,
            "log_floor": 1e-12,
        },
    },
    "vww_96_int8.tflite": {
        "task": "image-classification",
        "labels": ["no person", "person"],
        "image": {"width": 96, "height": 96, "layout": "NHWC", "colour": "RGB"},
    },
    "NEGATIVE_audio_preprocessor_int8.tflite": {
        **_KEYWORDS,
        "labels": KWS_LABELS,
        "audio": {"front_end": "mfcc"},
    },
}
"""What each model's card says, as a manifest."""


def third_party_bundle(folder: Path, file: str) -> Path:
    """A bundle in `folder` of a model of the real data, with a manifest of ours."""
    return write_bundle(folder, (MODELS / file).read_bytes(), THIRD_PARTY[file], file=file)


def write_bundle(
    folder: Path, model: bytes, table: Mapping[str, Any], *, file: str, sha256: str = ""
) -> Path:
    """Write `model` and its ``model.toml``; `sha256` overrides the true hash."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / file).write_bytes(model)
    digest = sha256 or hashlib.sha256(model).hexdigest()
    whole = {
        "format": 1,
        "name": "fixture",
        "version": "1.0.0",
        "file": file,
        "sha256": {file: digest},
        **table,
    }
    (folder / "model.toml").write_text(as_toml(whole), "utf-8")
    return folder


def as_toml(table: Mapping[str, Any]) -> str:
    """Plain values first, then one level of tables; JSON's scalars and lists are TOML's, too."""
    plain = [f"{key} = {json.dumps(v)}" for key, v in table.items() if not isinstance(v, dict)]
    for name, inner in table.items():
        if isinstance(inner, dict):
            plain += ["", f"[{name}]"]
            plain += [f"{json.dumps(key)} = {json.dumps(value)}" for key, value in inner.items()]
    return "\n".join(plain) + "\n"
