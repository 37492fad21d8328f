"""Audio front ends: samples into the features that a model was trained on.  Pure numpy, float32.

With x the window's samples as float, f the frame, w the periodic Hann window of `frame_length`,

    S[f, k] = |rfft(x[f * step : f * step + length] * w, fft_length)|      (squared for "power")
    M[f, m] = sum_k S[f, k] * T[k, m]
    L[f, m] = ln(max(M, log_floor) + log_offset)
    C[f, c] = sqrt(2 / mels) * sum_m L[f, m] * cos(pi / mels * c * (m + 1/2))      ("mfcc")

T are triangles that rise and fall linearly in mel = 1127 ln(1 + hz / 700), their corners evenly
spaced in mel between `low_hz` and `high_hz`, the DC bin left out (HTK's scale; what TensorFlow's
``linear_to_mel_weight_matrix`` and, where no used bin lies below ``1.5`` bins, ``audio_ops.mfcc``
compute).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_runtime.manifest import AudioInput

PCM_STEPS = 32768.0


class FrontEnd:
    """One manifest's front end, its matrices computed once.  Stateless after that; any thread."""

    def __init__(self, spec: AudioInput) -> None:
        """Precompute the window, the mel triangles and, for "mfcc", the cosines.

        Raises `ModelError` for a band without a bin.
        """
        self._spec = spec
        self._hann = periodic_hann(spec.frame_length)
        triangles = mel_triangles(
            bins=spec.fft_length // 2 + 1,
            rate_hz=spec.rate_hz,
            mels=spec.mels,
            low_hz=spec.low_hz,
            high_hz=spec.high_hz,
        )
        # Bins outside all triangles need no square root and no product.
        used = np.flatnonzero(triangles.any(axis=1))
        if len(used) == 0:
            raise ModelError("[audio] no bin of the spectrum lies between low_hz and high_hz")
        self._bins = slice(int(used[0]), int(used[-1]) + 1)
        self._mel = triangles[self._bins]
        self._cosines = cosines(spec.mels, spec.coefficients)
        self._needed = (spec.frames - 1) * spec.frame_step + spec.frame_length

    @property
    def window_samples(self) -> int:
        """Samples in one window."""
        return self._spec.rate_hz * self._spec.window_ms // 1000

    def features(self, samples: NDArray[np.int16]) -> NDArray[np.float32]:
        """(frames, coefficients or mels) float32 of one window of (n,) int16 samples.

        A shorter window is filled with zeros at its end.  With ``mels_first`` the other way round.
        """
        spec = self._spec
        spectrum = self._spectrum(self._normalised(samples))
        if spec.power == "power":
            spectrum *= spectrum
        mel = spectrum @ self._mel
        if spec.log_floor:
            np.maximum(mel, np.float32(spec.log_floor), out=mel)
        if spec.log_offset:
            mel += np.float32(spec.log_offset)
        log = np.log(mel, out=mel)
        found = log @ self._cosines if spec.front_end == "mfcc" else log
        made = found.T if spec.layout == "mels_first" else found
        return np.ascontiguousarray(made, dtype=np.float32)

    def _spectrum(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """(frames, used bins) magnitudes."""
        spec = self._spec
        frames = np.lib.stride_tricks.sliding_window_view(x, spec.frame_length)
        windowed = np.zeros((spec.frames, spec.fft_length), np.float32)
        np.multiply(
            frames[:: spec.frame_step][: spec.frames],
            self._hann,
            out=windowed[:, : spec.frame_length],
        )
        return np.asarray(np.abs(np.fft.rfft(windowed)[:, self._bins]), np.float32)

    def _normalised(self, samples: NDArray[np.int16]) -> NDArray[np.float32]:
        x = np.zeros(max(self._needed, self.window_samples), np.float32)
        taken = samples[: self.window_samples]
        if self._spec.normalise == "pcm":
            divisor = PCM_STEPS
        else:
            # The loudest positive sample, as the models were trained; silence stays silence.
            divisor = max(1.0, float(taken.max(initial=0)))
        np.divide(taken, np.float32(divisor), out=x[: len(taken)], dtype=np.float32)
        return x


def periodic_hann(length: int) -> NDArray[np.float32]:
    """(length,) float32: 0.5 - 0.5 cos(2 pi n / length)."""
    n = np.arange(length)
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * n / length), np.float32)


def mel_triangles(
    *, bins: int, rate_hz: int, mels: int, low_hz: float, high_hz: float
) -> NDArray[np.float32]:
    """(bins, mels) float32 weights; row 0, the DC bin, is zero."""
    spectrum_mel = _mel(np.linspace(0.0, rate_hz / 2, bins))[:, None]
    corners = np.linspace(_mel(np.float64(low_hz)), _mel(np.float64(high_hz)), mels + 2)
    left, centre, right = corners[:-2], corners[1:-1], corners[2:]
    rising = (spectrum_mel - left) / (centre - left)
    falling = (right - spectrum_mel) / (right - centre)
    weights = np.asarray(np.maximum(0.0, np.minimum(rising, falling)), np.float32)
    weights[0] = 0.0
    return weights


def cosines(mels: int, coefficients: int) -> NDArray[np.float32]:
    """(mels, coefficients) float32: the DCT-II, every row scaled by sqrt(2 / mels)."""
    m, c = np.arange(mels)[:, None], np.arange(coefficients)[None, :]
    matrix = np.sqrt(2.0 / mels) * np.cos(np.pi / mels * c * (m + 0.5))
    return np.asarray(matrix, np.float32)


def _mel(hz: NDArray[np.float64] | np.float64) -> NDArray[np.float64]:
    return np.asarray(1127.0 * np.log1p(np.asarray(hz) / 700.0), dtype=np.float64)
