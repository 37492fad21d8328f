"""Tapers, mel triangles and cosines: the matrices of the sound front ends.  Pure.

Mel scales, their corners evenly spaced between `low_hz` and `high_hz`::

    htk      mel = 1127 ln(1 + hz / 700)
    slaney   mel = 3 hz / 200 below 1 kHz, 15 + 27 ln(hz / 1000) / ln(6.4) from there on

Triangles rise and fall linearly in mel for htk (TensorFlow's ``linear_to_mel_weight_matrix``) and
linearly in hz for slaney (Slaney's Auditory Toolbox, librosa); ``norm = "slaney"`` divides each
by half its width in hz, so that all have an area of 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SLANEY_LINEAR_HZ = 1000.0
_SLANEY_HZ_A_MEL = 200.0 / 3.0
_SLANEY_LOG_STEP = np.log(6.4) / 27.0


def taper(kind: str, length: int) -> NDArray[np.float32]:
    """(length,) float32: ``hann`` periodic, ``hamming`` symmetric."""
    if kind == "hann":
        return periodic_hann(length)
    n = np.arange(length)
    return np.asarray(0.54 - 0.46 * np.cos(2 * np.pi * n / (length - 1)), np.float32)


def periodic_hann(length: int) -> NDArray[np.float32]:
    """(length,) float32: 0.5 - 0.5 cos(2 pi n / length)."""
    n = np.arange(length)
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * n / length), np.float32)


def mel_triangles(
    *,
    bins: int,
    rate_hz: int,
    mels: int,
    low_hz: float,
    high_hz: float,
    scale: str = "htk",
    norm: str = "none",
) -> NDArray[np.float32]:
    """(bins, mels) float32 weights; row 0, the DC bin, is zero."""
    spectrum_hz = np.linspace(0.0, rate_hz / 2, bins)
    if scale == "htk":
        axis, ends = _htk(spectrum_hz), _htk(np.array([low_hz, high_hz]))
        corners = np.linspace(ends[0], ends[1], mels + 2)
        widths_hz = np.diff(700.0 * np.expm1(corners / 1127.0))
    else:
        ends = _slaney(np.array([low_hz, high_hz]))
        corners = _slaney_hz(np.linspace(ends[0], ends[1], mels + 2))
        axis, widths_hz = spectrum_hz, np.diff(corners)
    left, centre, right = corners[:-2], corners[1:-1], corners[2:]
    rising = (axis[:, None] - left) / (centre - left)
    falling = (right - axis[:, None]) / (right - centre)
    weights = np.maximum(0.0, np.minimum(rising, falling))
    if norm == "slaney":
        weights *= 2.0 / (widths_hz[:-1] + widths_hz[1:])
    weights[0] = 0.0
    return np.asarray(weights, np.float32)


def cosines(mels: int, coefficients: int) -> NDArray[np.float32]:
    """(mels, coefficients) float32: the DCT-II, every row scaled by sqrt(2 / mels)."""
    m, c = np.arange(mels)[:, None], np.arange(coefficients)[None, :]
    matrix = np.sqrt(2.0 / mels) * np.cos(np.pi / mels * c * (m + 0.5))
    return np.asarray(matrix, np.float32)


def _htk(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1127.0 * np.log1p(hz / 700.0), np.float64)


def _slaney(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    above = np.log(np.maximum(hz, _SLANEY_LINEAR_HZ) / _SLANEY_LINEAR_HZ) / _SLANEY_LOG_STEP
    return np.asarray(np.minimum(hz, _SLANEY_LINEAR_HZ) / _SLANEY_HZ_A_MEL + above, np.float64)


def _slaney_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    knee = _SLANEY_LINEAR_HZ / _SLANEY_HZ_A_MEL
    above = np.exp(np.maximum(mel - knee, 0.0) * _SLANEY_LOG_STEP)
    return np.asarray(np.minimum(mel, knee) * _SLANEY_HZ_A_MEL * above, np.float64)
