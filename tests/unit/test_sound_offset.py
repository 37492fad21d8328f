"""An offset is taken off, whatever it does, and a sound without one is left alone to the bit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_runtime.files.offset import OffsetRemover, without_offset

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE_HZ = 16_000
SECONDS = 6


def talk(level: float = 3_000.0) -> NDArray[np.float64]:
    """Syllables of 130 Hz with pauses, and hiss."""
    t = np.arange(SECONDS * RATE_HZ) / RATE_HZ
    voice = sum(np.sin(2 * np.pi * 130 * k * t + k) / k for k in range(1, 12))
    syllables = np.clip(np.sin(2 * np.pi * 1.7 * t), 0, None) ** 2
    return level * voice * syllables + np.random.default_rng(1).normal(0, 12, len(t))


def pcm(sound: NDArray[np.float64]) -> NDArray[np.int16]:
    return np.clip(np.rint(sound), -32768, 32767).astype(np.int16)


@pytest.mark.parametrize("level", [30.0, 300.0, 3_000.0, 12_000.0])
def test_a_sound_without_an_offset_comes_out_to_the_bit(level: float) -> None:
    said = pcm(talk(level))
    assert without_offset(said, RATE_HZ) is said


@pytest.mark.parametrize("offset", [-0.3, -0.1, -0.05, 0.02, 0.3])
def test_a_constant_offset_is_gone_from_the_first_sample_on(offset: float) -> None:
    bare = talk(1_500.0)
    found = without_offset(pcm(bare + offset * 32768), RATE_HZ)
    assert np.abs(found - bare)[: RATE_HZ // 10].max() < 400
    hops = (found - bare).reshape(-1, RATE_HZ // 10).mean(axis=1)
    assert np.abs(hops[5:]).max() < 160


def test_a_drifting_offset_is_followed() -> None:
    bare = talk(1_000.0)
    drift = np.linspace(-0.2, 0.1, len(bare)) * 32768
    found = without_offset(pcm(bare + drift), RATE_HZ)
    assert abs(float((found - bare)[RATE_HZ:].mean())) < 800
    assert np.abs((found - bare)[RATE_HZ:]).max() < 1_500


def test_an_offset_that_jumped_is_gone_within_half_a_second() -> None:
    bare = talk(600.0)
    step = np.where(np.arange(len(bare)) < 3 * RATE_HZ, -1_638, 1_638)
    found = without_offset(pcm(bare + step), RATE_HZ)
    wrong = np.abs((found - bare).reshape(-1, RATE_HZ // 100).mean(axis=1))
    assert wrong[50:300].max() < 120
    assert wrong[350:].max() < 120


def test_a_sound_clipped_at_its_offset_stays_within_16_bits() -> None:
    found = without_offset(pcm(talk(8_000.0) - 30_000), RATE_HZ)
    assert abs(float(np.median(found[RATE_HZ:]))) < 400
    rail = np.full(RATE_HZ, -32768, np.int16)
    assert not without_offset(rail, RATE_HZ).any()


@pytest.mark.parametrize("size", [160, 480, 441, 1_000, 16_000])
def test_the_result_does_not_depend_on_the_blocks(size: int) -> None:
    said = pcm(talk() - 2_000)
    remover = OffsetRemover(RATE_HZ)
    found = [remover.feed(said[at : at + size]) for at in range(0, len(said), size)]
    assert np.array_equal(np.concatenate(found), without_offset(said, RATE_HZ))


def test_no_sound_gives_no_sound() -> None:
    assert len(OffsetRemover(8_000).feed(np.empty(0, np.int16))) == 0
