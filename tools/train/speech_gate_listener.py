"""speech-gate over a stream, by any of its forms.  Needs what the runtime needs and nothing else.

What the runtime does with a model of the task speech-detection, in a small loop: each hop the new
feature frames are computed, the window moves on, the network is asked.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from edge_runtime.inference.audio_features import FrontEnd
from edge_runtime.manifest import AudioInput

RATE_HZ = 16000
FRAME = 512
"""Samples; 32 ms."""
LOOK_AHEAD_HOPS = 3
"""The network's answer at the end of frame k is about frame k - 3."""


class Listener:
    """speech-gate over a stream: only the new feature frames of each hop are computed."""

    def __init__(self, folder: Path, model: Path) -> None:
        """`model`: the bundle's own, or the same network in another form."""
        manifest = tomllib.loads(folder.joinpath("model.toml").read_text())
        self._audio = msgspec.convert(manifest["audio"], AudioInput)
        audio = self._audio
        self._hop = audio.hop_ms * RATE_HZ // 1000
        self._new = self._hop // audio.frame_step
        # The frames that end within the newest hop, and the samples before it that they begin in.
        self._kept = (self._new - 1) * audio.frame_step + audio.frame_length - self._hop
        some = {"frames": self._new, "window_ms": 100}
        self._front = FrontEnd(msgspec.structs.replace(audio, **some))
        self._net = open_network(model)
        self.reset()

    @property
    def window_shape(self) -> tuple[int, ...]:
        """Of the network's input."""
        return self._window.shape

    def reset(self) -> None:
        """Before the first sample there was digital silence."""
        audio = self._audio
        silent = np.log(np.float32(audio.log_offset))
        self._window = np.full((1, audio.frames, audio.mels, 1), silent, np.float32)
        self._window = self._net.quantised(self._window)
        self._before = np.zeros(self._kept, np.int16)

    def score(self, hop: np.ndarray) -> float:
        """0..1 for the next (512,) int16 samples: speech, 96 ms ago."""
        samples = np.concatenate([self._before, hop])
        self._before = samples[len(samples) - self._kept :]
        window, new = self._window, self._new
        window[:, :-new] = window[:, new:]
        fresh = self._front.features(samples)
        window[0, -new:, :, 0] = self._net.quantised(fresh)
        return self._net.infer(window)

    def scores(self, samples: np.ndarray) -> np.ndarray:
        """(frames,) for (n,) int16: the stream from its start, followed by digital silence."""
        self.reset()
        frames = len(samples) // FRAME
        rest = np.zeros(LOOK_AHEAD_HOPS * FRAME, np.int16)
        hops = np.concatenate([samples[: frames * FRAME], rest]).reshape(-1, FRAME)
        return np.array([self.score(hop) for hop in hops])[LOOK_AHEAD_HOPS:]


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
        return quantised(features, self._quantisation)

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


def quantised(features: np.ndarray, quantisation: tuple[float, int] | None) -> np.ndarray:
    if quantisation is None:
        return features.astype(np.float32)
    scale, zero = quantisation
    return np.clip(np.round(features / scale) + zero, -128, 127).astype(np.int8)


def onnx_session(file: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(file), options)
