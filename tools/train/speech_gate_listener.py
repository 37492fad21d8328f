"""speech-gate over whole recordings, through the runtime itself, and one inference at a time.

The packages of the runtime are enough.
"""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.inference import load_model
from tools.train import bundle

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.protocols import SpeechScorer

RATE_HZ = 16000
FRAME = 512
"""Samples; 32 ms."""
LOOK_AHEAD_HOPS = 3
"""The network's answer at the end of frame k is about frame k - 3."""


def listener(folder: Path) -> Callable[[np.ndarray], np.ndarray]:
    """The bundle's detector over a recording, as the runtime's microphone gate has it."""
    return ahead(load_model(folder).speech_scorer())


def ahead(scorer: SpeechScorer) -> Callable[[np.ndarray], np.ndarray]:
    """(frames,) for (n,) int16: each frame's score, which the detector knows 96 ms later.

    A recording is a stream from its start; behind its end there is digital silence.
    """

    def scores(samples: np.ndarray) -> np.ndarray:
        scorer.reset()
        frames = len(samples) // FRAME
        rest = np.zeros(LOOK_AHEAD_HOPS * FRAME, np.int16)
        hops = np.concatenate([samples[: frames * FRAME], rest]).reshape(-1, FRAME)
        return np.array([scorer.score(hop) for hop in hops])[LOOK_AHEAD_HOPS:]

    return scores


def in_form(folder: Path, model: Path, into: Path) -> Path:
    """The bundle with the same network in another file."""
    manifest = tomllib.loads(folder.joinpath("model.toml").read_text())
    into.mkdir()
    shutil.copy(model, into)
    shutil.copy(folder / bundle.LABELS, into)
    manifest["file"] = model.name
    manifest["sha256"] = bundle.hashes(into / model.name, into / bundle.LABELS)
    bundle.write(into, manifest)
    return into


class TfliteNetwork:
    """One thread of LiteRT."""

    def __init__(self, file: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._net = Interpreter(model_path=str(file), num_threads=1)
        self._net.allocate_tensors()
        given, made = self._net.get_input_details()[0], self._net.get_output_details()[0]
        self._in, self._out = given["index"], made["index"]
        self._quantisation = given["quantization"] if given["dtype"] == np.int8 else None
        self._scale, self._zero = made["quantization"]

    def quantised(self, features: np.ndarray) -> np.ndarray:
        if self._quantisation is None:
            return features.astype(np.float32)
        scale, zero = self._quantisation
        return np.clip(np.round(features / scale) + zero, -128, 127).astype(np.int8)

    def infer(self, window: np.ndarray) -> float:
        self._net.set_tensor(self._in, window)
        self._net.invoke()
        told = float(self._net.get_tensor(self._out).reshape(-1)[-1])
        return (told - self._zero) * self._scale if self._scale else told


class OnnxNetwork:
    """One thread of ONNX Runtime; the file takes and gives real numbers."""

    def __init__(self, file: Path) -> None:
        self._net = onnx_session(file)
        self._name = self._net.get_inputs()[0].name

    def quantised(self, features: np.ndarray) -> np.ndarray:
        return features.astype(np.float32)

    def infer(self, window: np.ndarray) -> float:
        return float(self._net.run(None, {self._name: window})[0].reshape(-1)[-1])


def open_network(file: Path) -> TfliteNetwork | OnnxNetwork:
    return OnnxNetwork(file) if file.suffix == ".onnx" else TfliteNetwork(file)


def onnx_session(file: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(file), options)
