from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_runtime.errors import ModelError
from edge_runtime.inference.audio_features import FrontEnd
from edge_runtime.inference.mel import cosines, mel_triangles, periodic_hann
from edge_runtime.manifest import AudioInput

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE_HZ = 16000
FRONT_ENDS = {
    "48 mfcc of peak": AudioInput(front_end="mfcc", normalise="peak"),
    "mfcc with a floor": AudioInput(
        front_end="mfcc", frame_length=640, fft_length=1024, log_offset=0.0, log_floor=1e-12
    ),
    "log mel of power": AudioInput(
        front_end="log_mel", power="power", mels=64, high_hz=7600, layout="mels_first"
    ),
}


def noise(count: int = RATE_HZ, seed: int = 0) -> NDArray[np.int16]:
    rng = np.random.default_rng(seed)
    return (rng.normal(0, 3000, count)).astype(np.int16)


def step_by_step(spec: AudioInput, samples: NDArray[np.int16]) -> NDArray[np.float64]:
    """The formulas of the module's docstring in float64, by sums and loops, no FFT, no matrices."""
    x = samples.astype(np.float64)
    x /= 32768.0 if spec.normalise == "pcm" else x.max()
    n = np.arange(spec.frame_length)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * n / spec.frame_length)
    bins = np.arange(spec.fft_length // 2 + 1)
    turning = np.exp(-2j * np.pi * np.outer(bins, n) / spec.fft_length)
    corners = np.linspace(mel(spec.low_hz), mel(spec.high_hz), spec.mels + 2)
    rows = []
    for f in range(spec.frames):
        frame = x[f * spec.frame_step : f * spec.frame_step + spec.frame_length] * hann
        spectrum = np.abs(turning @ frame) ** (2 if spec.power == "power" else 1)
        energies = []
        for left, centre, right in zip(corners, corners[1:], corners[2:], strict=False):
            total = 0.0
            for k in bins[1:]:
                at = mel(k * spec.rate_hz / spec.fft_length)
                if left < at <= centre:
                    total += spectrum[k] * (at - left) / (centre - left)
                elif centre < at < right:
                    total += spectrum[k] * (right - at) / (right - centre)
            energies.append(np.log(max(total, spec.log_floor) + spec.log_offset))
        if spec.front_end == "mfcc":
            m = np.arange(spec.mels)
            energies = [
                np.sqrt(2 / spec.mels)
                * np.sum(energies * np.cos(np.pi / spec.mels * c * (m + 0.5)))
                for c in range(spec.coefficients)
            ]
        rows.append(energies)
    made: NDArray[np.float64] = np.array(rows)
    return made.T if spec.layout == "mels_first" else made


def mel(hz: float) -> float:
    return float(1127.0 * np.log(1.0 + hz / 700.0))


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_features_agree_with_the_formulas_computed_step_by_step(name: str) -> None:
    spec = FRONT_ENDS[name]
    samples = noise()
    found = FrontEnd(spec).features(samples)
    expected = step_by_step(spec, samples)
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 2e-4


def test_silence_has_features_too() -> None:
    for spec in FRONT_ENDS.values():
        assert np.isfinite(FrontEnd(spec).features(np.zeros(RATE_HZ, np.int16))).all()


def test_a_front_end_is_stateless_and_leaves_the_samples_alone() -> None:
    front_end = FrontEnd(FRONT_ENDS["48 mfcc of peak"])
    samples = noise()
    samples.flags.writeable = False
    first = front_end.features(samples)
    front_end.features(noise(seed=1))
    assert np.array_equal(front_end.features(samples), first)


def test_a_short_window_is_filled_with_zeros_at_its_end() -> None:
    front_end = FrontEnd(FRONT_ENDS["48 mfcc of peak"])
    short = noise(9000)
    whole = np.concatenate([short, np.zeros(7000, np.int16)])
    assert np.array_equal(front_end.features(short), front_end.features(whole))


def test_what_follows_the_window_does_not_count() -> None:
    front_end = FrontEnd(FRONT_ENDS["48 mfcc of peak"])
    loud_end = np.concatenate([noise() // 100, np.full(100, 32767, np.int16)])
    assert np.array_equal(front_end.features(loud_end), front_end.features(noise() // 100))


def test_peak_normalisation_makes_loudness_irrelevant() -> None:
    front_end = FrontEnd(FRONT_ENDS["48 mfcc of peak"])
    samples = noise() // 8 * 2
    assert front_end.features(samples) == pytest.approx(front_end.features(samples * 4), abs=1e-3)


def test_a_tone_lights_the_mel_band_around_its_frequency() -> None:
    spec = AudioInput(front_end="log_mel", high_hz=8000.0)
    tone = (10000 * np.sin(2 * np.pi * 1000 * np.arange(RATE_HZ) / RATE_HZ)).astype(np.int16)
    bands = FrontEnd(spec).features(tone).mean(axis=0)
    corners = np.linspace(mel(20.0), mel(8000.0), 42)
    assert abs(corners[int(bands.argmax()) + 1] - mel(1000.0)) < corners[1] - corners[0]


def test_mel_triangles_peak_at_one_and_leave_out_the_dc_bin() -> None:
    weights = mel_triangles(bins=4097, rate_hz=RATE_HZ, mels=20, low_hz=0.0, high_hz=8000.0)
    assert weights[0].max() == 0.0
    assert weights.max(axis=0) == pytest.approx(np.ones(20), abs=0.03)
    # Between the first and the last centre the triangles of every bin sum to one.
    inner = weights.sum(axis=1)[int(weights[:, 0].argmax()) : int(weights[:, -1].argmax())]
    assert inner == pytest.approx(np.ones(len(inner)), abs=1e-5)


def test_the_window_is_periodic_and_the_cosines_are_orthogonal() -> None:
    assert periodic_hann(4).tolist() == pytest.approx([0.0, 0.5, 1.0, 0.5])
    products = cosines(40, 40).T @ cosines(40, 40)
    assert products == pytest.approx(np.diag([2.0, *[1.0] * 39]), abs=1e-5)


def test_a_band_that_no_bin_falls_into_is_refused() -> None:
    with pytest.raises(ModelError, match="no bin of the spectrum"):
        FrontEnd(AudioInput(front_end="log_mel", fft_length=512, low_hz=40.0, high_hz=50.0))
