"""Bundles for tests: third-party models by path with manifests of ours, and tiny models."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.support.data import MODELS
from tests.support.tiny_onnx import dense_onnx

if TYPE_CHECKING:
    from collections.abc import Mapping

KWS_LABELS = [
    "down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes", "_silence_", "_unknown_",
]  # fmt: skip
NOT_KEYWORDS = ["_silence_", "_unknown_"]

MANIFESTS = Path(__file__).parent / "manifests"
"""One for each model of the real data, without its name and hash: what its card says."""
THIRD_PARTY = [
    "ad01_fp32.tflite",
    "ad01_int8.tflite",
    "dscnn_l_kws_fp32.onnx",
    "hello_world_int8.tflite",
    "kws_ref_model_float32.tflite",
    "kws_ref_model_int8.tflite",
    "micro_speech_quantized.tflite",
    "mww_okay_nabu_stateful.tflite",
    "mww_vad_stateful.tflite",
    "silero_vad_16k_op15.onnx",
    "spelling_letters_digits.onnx",
    "spelling_letters_digits_int8.tflite",
    "str_ww_marvin_int8.tflite",
    "tinyvad_fp32.onnx",
    "tinyvad_int8_int16head.tflite",
    "vww_96_int8.tflite",
]
"""All that can be run."""


def third_party_bundle(folder: Path, file: str, *, share: float = 1.0) -> Path:
    """A bundle in `folder` of a model of the real data, with a manifest of ours.

    `share`: only so much of the model, its hash right all the same.
    """
    folder.mkdir(parents=True, exist_ok=True)
    whole = (MODELS / file).read_bytes()
    model = whole[: int(len(whole) * share)]
    stem = file.rpartition(".")[0]
    head = {"format": 1, "name": stem.lower(), "version": "1.0.0", "file": file}
    tail = {"sha256": {file: hashlib.sha256(model).hexdigest()}}
    (folder / file).write_bytes(model)
    (folder / "model.toml").write_text(
        as_toml(head) + (MANIFESTS / f"{stem}.toml").read_text("utf-8") + as_toml(tail), "utf-8"
    )
    return folder


def loudness_bundle(folder: Path, *, name: str = "loudness") -> Path:
    """A speech detector that takes what is loud for speech: a frame of 20 ms a step, one output."""
    table = {
        "name": name,
        "task": "speech-detection",
        "labels": ["noise", "speech"],
        "ignore": ["noise"],
        "silence": ["noise"],
        "audio": {
            "front_end": "log_mel",
            "power": "power",
            "hop_ms": 20,
            "frame_length": 320,
            "frame_step": 320,
            "frames": 1,
            "mels": 8,
            "mean": 0.0,
        },
        "output": {"activation": "sigmoid"},
        "hear": {"speech": 0.6},
    }
    model = dense_onnx(np.full((8, 1), 0.125, np.float32), [1, 1, 8])
    return write_bundle(folder, model, table, file="m.onnx")


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
