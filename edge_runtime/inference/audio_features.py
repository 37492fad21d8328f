"""Audio front ends: samples into the tensor that a model was trained on.  Pure numpy.

With x the window's samples as float, f the frame, w the periodic Hann window of `frame_length`,

    S[f, k] = |rfft(x[f * step : f * step + length] * w, fft_length)|      (squared for "power")
    M[f, m] = sum_k S[f, k] * T[k, m]
    L[f, m] = ln(max(M, log_floor) + log_offset)
    C[f, c] = sqrt(2 / mels) * sum_m L[f, m] * cos(pi / mels * c * (m + 1/2))      ("mfcc")

T are triangles that rise and fall linearly in mel = 1127 ln(1 + hz / 700), their corners evenly spaced
in mel between `low_hz` and `high_hz`, the DC bin left out (HTK's scale; what TensorFlow's
``linear_to_mel_weight_matrix`` and ``audio_ops.mfcc`` compute).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_runtime.manifest import AudioInput

PCM_SCALE = 1.0 / 32768.0


class FrontEnd:
    """One manifest's front end, its matrices computed once.  Stateless after that; any thread."""

    def __init__(self, spec: AudioInput) -> None:
        """Precompute the window, the mel triangles and, for "mfcc", the cosines."""
        self._spec = spec
        self._hann = periodic_hann(spec.frame_length)
        self._mel = mel_triangles(
            bins=spec.fft_length // 2 + 1,
            rate_hz=spec.rate_hz,
            mels=spec.mels,
            low_hz=spec.low_hz,
            high_hz=spec.high_hz,
        )
        self._cosines = cosines(spec.mels, spec.coefficients)
        self._needed = (spec.frames - 1) * spec.frame_step + spec.frame_length

    @property
    def window_samples(self) -> int:
        """Samples in one window."""
        return self._spec.rate_hz * self._spec.window_ms // 1000

    def features(self, samples: NDArray[np.int16]) -> NDArray[np.float32]:
        """(frames, coefficients or mels) float32 of one window of (n,) int16 samples.

        A shorter window is filled with zeros at its end.
        """
        spec = self._spec
        x = self._normalised(samples)
        frames = np.lib.stride_tricks.sliding_window_view(x, spec.frame_length)
        frames = frames[:: spec.frame_step][: spec.frames] * self._hann
        spectrum: NDArray[np.float32] = np.abs(np.fft.rfft(frames, spec.fft_length, axis=1))
        if spec.power == "power":
            spectrum = spectrum * spectrum
        mel = spectrum @ self._mel
        log = np.log(np.maximum(mel, np.float32(spec.log_floor)) + np.float32(spec.log_offset))
        found: NDArray[np.float32] = log @ self._cosines if spec.front_end == "mfcc" else log
        if spec.layout == "mels_first":
            found = found.T
        return np.ascontiguousarray(found, dtype=np.float32)

    def _normalised(self, samples: NDArray[np.int16]) -> NDArray[np.float32]:
        x = np.zeros(max(self._needed, self.window_samples), np.float32)
        taken = samples[: len(x)]
        x[: len(taken)] = taken
        if self._spec.normalise == "pcm":
            x *= np.float32(PCM_SCALE)
        else:
            peak = float(x.max())
            x /= np.float32(peak if peak > 0 else 1.0)
        return x


def periodic_hann(length: int) -> NDArray[np.float32]:
    """(length,) float32: 0.5 - 0.5 cos(2 pi n / length)."""
    n = np.arange(length)
    return (0.5 - 0.5 * np.cos(2 * np.pi * n / length)).astype(np.float32)


def mel_triangles(
    *, bins: int, rate_hz: int, mels: int, low_hz: float, high_hz: float
) -> NDArray[np.float32]:
    """(bins, mels) float32 weights; row 0, the DC bin, is zero."""
    spectrum_mel = _mel(np.linspace(0.0, rate_hz / 2, bins))[:, None]
    corners = np.linspace(_mel(np.float64(low_hz)), _mel(np.float64(high_hz)), mels + 2)
    left, centre, right = corners[:-2], corners[1:-1], corners[2:]
    rising = (spectrum_mel - left) / (centre - left)
    falling = (right - spectrum_mel) / (right - centre)
    weights = np.maximum(0.0, np.minimum(rising, falling))
    weights[0] = 0.0
    return weights.astype(np.float32)


def cosines(mels: int, coefficients: int) -> NDArray[np.float32]:
    """(mels, coefficients) float32: the DCT-II with its orthonormal scale sqrt(2 / mels)."""
    m, c = np.arange(mels)[:, None], np.arange(coefficients)[None, :]
    matrix = np.sqrt(2.0 / mels) * np.cos(np.pi / mels * c * (m + 0.5))
    return matrix.astype(np.float32)


def _mel(hz: NDArray[np.float64] | np.float64) -> NDArray[np.float64]:
    return np.asarray(1127.0 * np.log1p(np.asarray(hz) / 700.0), dtype=np.float64)
