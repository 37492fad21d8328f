"""Other speech detectors over a whole recording: (frames,) scores for (n,) int16 at 16 kHz."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tools.train.speech_gate_listener import FRAME, RATE_HZ, TfliteNetwork, onnx_session

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.protocols import SpeechScorer


def silero(file: Path) -> Callable[[np.ndarray], np.ndarray]:
    """512 new samples, preceded by the 64 before them, and the state."""
    session = onnx_session(file)
    rate = np.array(RATE_HZ, np.int64)

    def scores(samples: np.ndarray) -> np.ndarray:
        x = samples.astype(np.float32) / 32768
        state, before = np.zeros((2, 1, 128), np.float32), np.zeros(64, np.float32)
        found = []
        for start in range(0, len(x) - FRAME + 1, FRAME):
            hop = x[start : start + FRAME]
            given = np.concatenate([before, hop])[None]
            told, state = session.run(None, {"input": given, "state": state, "sr": rate})
            before = hop[-64:]
            found.append(float(told[0, 0]))
        return np.array(found)

    return scores


def tinyvad(file: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Blocks of 512 samples, 32 Slaney mels, the last 16 columns, standardised each window."""
    net = TfliteNetwork(file)
    mel, hann = slaney(32, 512, 20.0, 8000.0), 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(512) / 512)

    def scores(samples: np.ndarray) -> np.ndarray:
        blocks = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME) / 32768
        power = np.abs(np.fft.rfft(blocks * hann)) ** 2
        log = np.log(power @ mel + 1e-6)
        log = np.concatenate([np.full((15, 32), np.log(1e-6)), log])
        found = []
        for index in range(len(blocks)):
            patch = log[index : index + 16].T
            patch = (patch - patch.mean()) / max(patch.std(ddof=1), 1e-3)
            logit = net.infer(net.quantised(patch[None, None].astype(np.float32)))
            found.append(1 / (1 + np.exp(-logit)))
        return np.array(found)

    return scores


def slaney(mels: int, fft_length: int, low_hz: float, high_hz: float) -> np.ndarray:
    """(bins, mels) triangles of one area: linear below 1 kHz, then logarithmic."""
    step, bend = 200 / 3, 1000.0
    log_step = np.log(6.4) / 27

    def to_mel(hz: float) -> float:
        return hz / step if hz < bend else bend / step + float(np.log(hz / bend)) / log_step

    corners_mel = np.linspace(to_mel(low_hz), to_mel(high_hz), mels + 2)
    above = bend * np.exp(log_step * (corners_mel - bend / step))
    corners = np.where(corners_mel < bend / step, corners_mel * step, above)
    hz = np.linspace(0, RATE_HZ / 2, fft_length // 2 + 1)[:, None]
    left, centre, right = corners[:-2], corners[1:-1], corners[2:]
    rising, falling = (hz - left) / (centre - left), (right - hz) / (right - centre)
    return np.asarray(np.maximum(0, np.minimum(rising, falling)) * 2 / (right - left))


def webrtc_alone() -> Callable[[np.ndarray], np.ndarray]:
    """WebRTC's detector in mode 3 over 10 ms: 1 where it says speech."""
    import webrtcvad

    def scores(samples: np.ndarray) -> np.ndarray:
        vad = webrtcvad.Vad(3)
        windows = samples[: len(samples) // 160 * 160].reshape(-1, 160)
        said = np.array([float(vad.is_speech(w.tobytes(), RATE_HZ)) for w in windows])
        return over_frames(said, 160, len(samples))

    return scores


def of_runtime(scorer: SpeechScorer) -> Callable[[np.ndarray], np.ndarray]:
    """One of the runtime's own detectors."""
    window = scorer.window_ms * RATE_HZ // 1000

    def scores(samples: np.ndarray) -> np.ndarray:
        scorer.reset()
        windows = samples[: len(samples) // window * window].reshape(-1, window)
        return over_frames(np.array([scorer.score(w) for w in windows]), window, len(samples))

    return scores


def over_frames(scores: np.ndarray, window: int, count: int) -> np.ndarray:
    """The mean over each 32 ms frame of what was said about windows of another length."""
    each = np.repeat(scores, window)[:count]
    each = np.pad(each, (0, count - len(each)), mode="edge")
    return each[: count // FRAME * FRAME].reshape(-1, FRAME).mean(1)
