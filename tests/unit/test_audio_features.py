from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_runtime.errors import ModelError
from edge_runtime.inference.sounds.audio_features import FrontEnd
from edge_runtime.inference.sounds.mel import cosines, mel_triangles, periodic_hann
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
    "decibels, pre-emphasis, Hamming": AudioInput(
        front_end="log_mel",
        pre_emphasis=0.96875,
        frame_length=1024,
        frame_step=512,
        fft_length=1024,
        frames=30,
        taper="hamming",
        power="power",
        spectrum_scale=1 / 1024,
        low_hz=0.0,
        high_hz=8000.0,
        log="db",
        log_offset=0.0,
        log_floor=1e-30,
        mean=-52.0,
        scale=1 / 64,
        clip=(0.0, 1.0),
    ),
    "Slaney, mirrored, standardised": AudioInput(
        front_end="log_mel",
        reflect_pad=256,
        frame_length=512,
        frame_step=125,
        fft_length=512,
        frames=128,
        power="power",
        mels=64,
        mel_scale="slaney",
        mel_norm="slaney",
        high_hz=8000.0,
        standardise="window",
        layout="mels_first",
    ),
    "HTK of one area, peak power, not a power of two": AudioInput(
        front_end="log_mel",
        normalise="peak",
        power="power",
        mel_norm="slaney",
        frame_length=400,
        frame_step=160,
        fft_length=400,
        frames=98,
    ),
    "mfcc that is shifted": AudioInput(front_end="mfcc", normalise="none", mean=1.5, scale=0.25),
}


def noise(count: int = RATE_HZ, seed: int = 0) -> NDArray[np.int16]:
    rng = np.random.default_rng(seed)
    return (rng.normal(0, 3000, count)).astype(np.int16)


def step_by_step(spec: AudioInput, samples: NDArray[np.int16]) -> NDArray[np.float64]:
    """The formulas of the module's docstring in float64, by sums and loops, no FFT, no matrices."""
    x = samples.astype(np.float64)
    x /= {"pcm": 32768.0, "peak": x.max(), "none": 1.0}[spec.normalise]
    x = x - spec.pre_emphasis * np.concatenate([[0.0], x[:-1]])
    pad = spec.reflect_pad
    x = np.concatenate([x[pad:0:-1], x, x[-2 : -pad - 2 : -1]])
    n = np.arange(spec.frame_length)
    taper = 0.5 - 0.5 * np.cos(2 * np.pi * n / spec.frame_length)
    if spec.taper == "hamming":
        taper = 0.54 - 0.46 * np.cos(2 * np.pi * n / (spec.frame_length - 1))
    bins = np.arange(spec.fft_length // 2 + 1)
    turning = np.exp(-2j * np.pi * np.outer(bins, n) / spec.fft_length)
    corners_hz = [
        hz_of(m, spec.mel_scale)
        for m in np.linspace(
            mel(spec.low_hz, spec.mel_scale), mel(spec.high_hz, spec.mel_scale), spec.mels + 2
        )
    ]
    bands = []
    for left, centre, right in zip(corners_hz, corners_hz[1:], corners_hz[2:], strict=False):
        area = 2 / (right - left) if spec.mel_norm == "slaney" else 1.0
        weights = [
            area * triangle(hz, left, centre, right, spec.mel_scale) if left < hz < right else 0.0
            for hz in (bins * spec.rate_hz / spec.fft_length)[1:].tolist()
        ]
        bands.append([0.0, *weights])
    rows = []
    for f in range(spec.frames):
        frame = x[f * spec.frame_step : f * spec.frame_step + spec.frame_length] * taper
        spectrum = np.abs(turning @ frame) ** (2 if spec.power == "power" else 1)
        spectrum *= spec.spectrum_scale
        energies = []
        for band in bands:
            log = np.log(max(float(np.sum(spectrum * band)), spec.log_floor) + spec.log_offset)
            energies.append(log * (10 / np.log(10)) if spec.log == "db" else log)
        if spec.front_end == "mfcc":
            m = np.arange(spec.mels)
            energies = [
                np.sqrt(2 / spec.mels)
                * np.sum(energies * np.cos(np.pi / spec.mels * c * (m + 0.5)))
                for c in range(spec.coefficients)
            ]
        rows.append(energies)
    made: NDArray[np.float64] = (np.array(rows) - spec.mean) * spec.scale
    if spec.clip is not None:
        made = np.minimum(np.maximum(made, spec.clip[0]), spec.clip[1])
    if spec.standardise == "window":
        deviation = np.sqrt(((made - made.mean()) ** 2).sum() / (made.size - 1))
        made = (made - made.mean()) / max(deviation, spec.deviation_floor)
    return made.T if spec.layout == "mels_first" else made


def triangle(hz: float, left: float, centre: float, right: float, scale: str) -> float:
    """Linear in mel for HTK's, in hz for Slaney's."""
    at, low, top, high = (
        (mel(v, "htk") for v in (hz, left, centre, right))
        if scale == "htk"
        else (hz, left, centre, right)
    )
    return (at - low) / (top - low) if at <= top else (high - at) / (high - top)


def mel(hz: float, scale: str = "htk") -> float:
    if scale == "htk":
        return float(1127.0 * np.log(1.0 + hz / 700.0))
    return 3 * hz / 200 if hz < 1000 else 15 + 27 * float(np.log(hz / 1000) / np.log(6.4))


def hz_of(value: float, scale: str) -> float:
    if scale == "htk":
        return float(700.0 * (np.exp(value / 1127.0) - 1.0))
    return 200 * value / 3 if value < 15 else 1000 * float(6.4 ** ((value - 15) / 27))


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_features_agree_with_the_formulas_computed_step_by_step(name: str) -> None:
    spec = FRONT_ENDS[name]
    samples = noise()
    found = FrontEnd(spec).features(samples)
    expected = step_by_step(spec, samples)
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 2e-4 * max(1.0, spec.scale)


@pytest.mark.parametrize("name", FRONT_ENDS)
@pytest.mark.parametrize("hop", [1600, 1250, 37])
def test_windows_that_share_frames_have_the_features_of_windows_alone(name: str, hop: int) -> None:
    spec = FRONT_ENDS[name]
    front_end = FrontEnd(spec)
    samples = noise(RATE_HZ + 4 * hop + 123)
    found = list(front_end.sliding(samples, hop=hop, count=5))
    assert len(found) == 5
    # Pre-emphasis knows the sample before a window inside a sound: one frame's first sample.
    first = 1 if spec.pre_emphasis else 0
    for at, features in enumerate(found):
        alone = front_end.features(samples[at * hop : at * hop + RATE_HZ])
        assert features.flags.c_contiguous
        assert np.abs(features[first:] - alone[first:]).max() < 1e-4


def test_a_long_sound_in_chunks_has_the_features_of_the_whole() -> None:
    front_end = FrontEnd(AudioInput(front_end="log_mel", power="power"))
    samples = noise(RATE_HZ * 20)
    found = list(front_end.sliding(samples, hop=RATE_HZ, count=20))
    for at in (0, 5, 6, 19):
        alone = front_end.features(samples[at * RATE_HZ : (at + 1) * RATE_HZ])
        assert np.abs(found[at] - alone).max() < 1e-4


def test_a_waveform_is_the_samples_in_the_wanted_numbers() -> None:
    spec = AudioInput(front_end="waveform", window_ms=250, mean=0.5, scale=2.0)
    samples = noise(9000)
    front_end = FrontEnd(spec)
    assert front_end.window_samples == 4000
    windows = list(front_end.sliding(samples, hop=2500, count=3))
    assert windows[1] == pytest.approx((samples[2500:6500] / 32768 - 0.5) * 2, abs=1e-6)
    assert front_end.features(samples[:10]).shape == (4000,)
    peak = FrontEnd(AudioInput(front_end="waveform", normalise="peak")).features(samples)
    assert peak.max() == 1.0
    whole = FrontEnd(AudioInput(front_end="waveform", normalise="none")).features(samples)
    assert np.array_equal(whole[:9000], samples)


def test_the_deviation_of_silence_has_a_floor() -> None:
    spec = FRONT_ENDS["Slaney, mirrored, standardised"]
    assert np.abs(FrontEnd(spec).features(np.zeros(RATE_HZ, np.int16))).max() < 1e-3


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
