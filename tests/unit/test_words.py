"""Words said close together: runs of sound between pauses, and which of their spans count."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.inference.sounds.utterances import (
    PAUSE_MS,
    SHORTEST_MS,
    alone,
    runs_of_sound,
    windows_around,
)
from edge_runtime.inference.sounds.words import words
from edge_runtime.types import Inference, Span

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE_HZ = 16_000
HEAR = {"stop": 0.6, "go": 0.5}


def sound(*pieces_ms: int, level: float = 6000.0) -> NDArray[np.int16]:
    """A quiet room, sound, a quiet room, sound ... so many ms each."""
    rng = np.random.default_rng(4)
    made = [
        rng.normal(0, level if at % 2 else 30.0, ms * RATE_HZ // 1000)
        for at, ms in enumerate(pieces_ms)
    ]
    return np.concatenate(made).clip(-32768, 32767).astype(np.int16)


def heard(*spans: Span) -> Inference:
    return Inference(model="m/1", model_sha256="", scores=(), spans=spans)


def seconds(runs: list[tuple[int, int]]) -> list[tuple[float, float]]:
    return [(round(a / RATE_HZ, 1), round(b / RATE_HZ, 1)) for a, b in runs]


def test_two_words_three_tenths_of_a_second_apart_are_two_runs() -> None:
    runs = runs_of_sound(sound(300, 400, 300, 400, 500), RATE_HZ)
    assert seconds(runs) == [(0.3, 0.7), (1.0, 1.4)]


def test_the_hole_in_a_word_does_not_make_two_of_it() -> None:
    assert len(runs_of_sound(sound(300, 150, 90, 200, 500), RATE_HZ)) == 1


def test_a_click_is_no_word() -> None:
    assert seconds(runs_of_sound(sound(300, 400, 300, 40, 500), RATE_HZ)) == [(0.3, 0.7)]


def test_silence_and_steady_noise_have_no_runs() -> None:
    assert runs_of_sound(np.zeros(RATE_HZ, np.int16), RATE_HZ) == []
    assert runs_of_sound(sound(2000), RATE_HZ) == []
    assert runs_of_sound(np.zeros(10, np.int16), RATE_HZ) == []


@given(st.lists(st.integers(-3000, 3000), min_size=1, max_size=400), st.integers(1, 60))
def test_runs_are_in_order_apart_and_inside_the_segment(levels: list[int], stretch: int) -> None:
    samples = np.repeat(np.array(levels, np.int16), stretch * 16)
    samples[::2] = -samples[::2]
    runs = runs_of_sound(samples, RATE_HZ)
    assert all(0 <= first < end <= len(samples) for first, end in runs)
    assert all(end - first >= SHORTEST_MS * 16 for first, end in runs)
    assert all(later[0] - earlier[1] > PAUSE_MS * 16 for earlier, later in itertools.pairwise(runs))


def test_a_word_keeps_its_samples_while_its_neighbours_are_turned_down() -> None:
    samples = sound(300, 400, 300, 400, 500)
    runs = runs_of_sound(samples, RATE_HZ)
    quieter = alone(samples, runs, 0, RATE_HZ)
    first, second = (slice(*run) for run in runs)
    assert np.array_equal(quieter[first], samples[first])
    assert np.abs(quieter[second]).max() < 0.31 * np.abs(samples[second]).max()
    assert len(quieter) == len(samples)


def test_a_word_at_the_very_end_is_in_the_middle_of_its_window_too() -> None:
    samples = sound(300, 400)
    [run] = runs_of_sound(np.concatenate([samples, sound(300)]), RATE_HZ)
    aside, middle, _ = windows_around(samples, run, RATE_HZ, RATE_HZ)
    assert len(middle) == len(aside) == RATE_HZ
    loud = np.flatnonzero(np.abs(middle) > 500)
    assert abs((loud[0] + loud[-1]) / 2 - RATE_HZ / 2) < RATE_HZ * 0.03
    assert not np.array_equal(aside, middle)


def test_each_word_over_its_own_threshold_counts_in_the_order_of_time() -> None:
    late, early = Span("stop", 0.7, 1.2, 1.6), Span("go", 0.55, 0.3, 0.7)
    low, other = Span("stop", 0.59, 2.0, 2.4), Span("_unknown_", 0.9, 3.0, 3.4)
    assert words(heard(late, early, low, other), HEAR) == [early, late]


def test_the_same_word_said_three_times_is_three_words() -> None:
    said = [Span("stop", 0.9, at, at + 0.4) for at in (0.3, 1.1, 1.9)]
    assert words(heard(*said), HEAR) == said


def test_two_spans_of_the_same_sound_are_the_surer_one() -> None:
    stop, go = Span("stop", 0.7, 0.3, 1.3), Span("go", 0.9, 0.5, 1.5)
    assert words(heard(stop, go), HEAR) == [go]


def test_a_segment_without_a_word_has_none() -> None:
    assert words(heard(), HEAR) == []
