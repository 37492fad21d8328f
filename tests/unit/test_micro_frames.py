"""The expected numbers are those of the original C code of TensorFlow, compiled from its source."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_runtime.inference.sounds.audio_features import FrontEnd
from edge_runtime.inference.sounds.fixed_fft import FixedFft
from edge_runtime.inference.sounds.micro_frames import MicroFrames
from edge_runtime.manifest import AudioInput

if TYPE_CHECKING:
    from numpy.typing import NDArray

EVERY_10_MS = AudioInput(
    front_end="micro", frame_length=480, frame_step=160, low_hz=125.0, high_hz=7500.0
)
ORIGINALS_FIRST_FRAME = [
    640, 586, 626, 581, 619, 578, 617, 568, 617, 561, 611, 562, 602, 564, 591, 562, 591, 556, 588,
    554, 583, 552, 579, 549, 575, 546, 572, 545, 569, 542, 566, 541, 564, 539, 564, 538, 563, 538,
    562, 538,
]  # fmt: skip
ORIGINALS_LAST_FRAME = [
    0, 0, 0, 0, 0, 0, 236, 0, 266, 0, 0, 258, 406, 177, 133, 0, 0, 0, 0, 403, 531, 500, 258, 0, 297,
    344, 413, 248, 0, 274, 423, 342, 0, 456, 452, 0, 236, 0, 443, 462,
]  # fmt: skip
ORIGINALS_SHA256 = "5b569a1ad003ec6d8a1afd3f16c999d2ca9e94d519340f344f93498ec6293492"
"""Of all 98 x 40 values, unsigned 16 bits, least significant byte first."""


def swelling_chirps() -> NDArray[np.int16]:
    """One second, from integers alone: the same on every machine."""
    n = np.arange(16000)
    return (((n * n // 7) % 8001 - 4000) * (n % 4000) // 4000).astype(np.int16)


def test_every_value_is_that_of_the_original() -> None:
    values = MicroFrames(EVERY_10_MS).values(swelling_chirps())
    assert values.shape == (98, 40)
    assert values[0].tolist() == ORIGINALS_FIRST_FRAME
    assert values[-1].tolist() == ORIGINALS_LAST_FRAME
    assert hashlib.sha256(values.astype("<u2").tobytes()).hexdigest() == ORIGINALS_SHA256


def test_frames_in_pieces_are_those_of_the_whole_because_the_noise_is_remembered() -> None:
    samples = swelling_chirps()
    whole = MicroFrames(EVERY_10_MS).values(samples)
    pieces = MicroFrames(EVERY_10_MS)
    found = [pieces.values(samples[at * 160 : at * 160 + 2 * 160 + 480]) for at in range(0, 96, 3)]
    assert np.array_equal(np.concatenate(found), whole[:96])
    pieces.reset()
    assert np.array_equal(pieces.values(samples), whole)


def test_silence_and_full_scale_are_in_range() -> None:
    for level in (0, 32767, -32768):
        values = MicroFrames(EVERY_10_MS).values(np.full(1600, level, np.int16))
        assert values.min() >= 0
        assert values.max() <= 65535
    assert MicroFrames(EVERY_10_MS).values(np.zeros(1600, np.int16)).max() == 0


def test_features_are_values_times_the_scale_of_the_model() -> None:
    spec = AudioInput(
        front_end="micro", frame_step=320, low_hz=125, high_hz=7500, mean=10.0, scale=0.5
    )
    samples = swelling_chirps()
    values = MicroFrames(spec).values(samples)
    assert np.array_equal(FrontEnd(spec).features(samples), (values - 10) * np.float32(0.5))


def test_windows_of_one_sound_go_through_the_front_end_as_one_stream() -> None:
    spec = AudioInput(front_end="micro", frame_step=320, low_hz=125, high_hz=7500)
    samples = np.tile(swelling_chirps(), 2)
    step = 1600 // 320
    frames = MicroFrames(spec).values(samples)
    for at, window in enumerate(FrontEnd(spec).sliding(samples, hop=1600, count=11)):
        assert np.array_equal(window, frames[at * step : at * step + 49])
    [first, second] = FrontEnd(spec).sliding(samples, hop=1001, count=2)  # no whole frames between
    assert np.array_equal(first, FrontEnd(spec).features(samples[:16000]))
    assert np.array_equal(second, FrontEnd(spec).features(samples[1001:17001]))


@pytest.mark.parametrize("length", [64, 128, 256, 512, 1024])
def test_the_fixed_point_transform_is_the_transform_within_its_rounding(length: int) -> None:
    samples = np.random.default_rng(length).integers(-20000, 20000, (50, length)).astype(np.int16)
    re, im = FixedFft(length).transform(samples)
    exact = np.fft.rfft(samples) / length
    assert max(np.abs(re - exact.real).max(), np.abs(im - exact.imag).max()) < 5
