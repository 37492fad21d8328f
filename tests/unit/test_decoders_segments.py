from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_runtime.inference.sounds.segments import smoothed, weights_of, windows_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

WORD, OTHER, SILENCE = 0, 1, 2
IGNORED = [False, True, True]
RATE_HZ = 16000


def scores(*labels: int) -> NDArray[np.float32]:
    return np.eye(3, dtype=np.float32)[list(labels)]


def ones(count: int) -> NDArray[np.float64]:
    return np.ones(count)


def ramp(count: int) -> NDArray[np.int16]:
    return np.arange(count, dtype=np.int16)


def test_windows_lie_every_hop_and_the_rest_is_shared_between_both_ends() -> None:
    windows = windows_of(ramp(115), window=50, hop=20)
    assert [int(window[0]) for window in windows] == [2, 22, 42, 62]
    assert {len(window) for window in windows} == {50}


def test_a_segment_of_one_window_is_that_window() -> None:
    [window] = windows_of(ramp(50), window=50, hop=20)
    assert window.tolist() == list(range(50))


def test_a_short_segment_is_placed_at_the_windows_end_middle_and_start() -> None:
    windows = windows_of(np.ones(4, np.int16), window=10, hop=5)
    assert [window.tolist() for window in windows] == [
        [0, 0, 0, 0, 0, 0, 1, 1, 1, 1],
        [0, 0, 0, 1, 1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0, 0, 0, 0, 0],
    ]


def test_a_word_alone_keeps_its_score() -> None:
    found = smoothed(scores(WORD, WORD, WORD), ones(3), span=10, ignored=IGNORED)
    assert found.tolist() == [1.0, 0.0, 0.0]


def test_a_word_inside_a_sentence_shares_its_score_with_the_rest() -> None:
    found = smoothed(
        scores(OTHER, OTHER, OTHER, WORD, OTHER, OTHER), ones(6), span=5, ignored=IGNORED
    )
    assert found[WORD] == pytest.approx(0.2)
    assert found.argmax() == OTHER


def test_a_word_between_quiet_windows_keeps_its_score_however_many_they_are() -> None:
    weights = np.array([0.001] * 20 + [1.0] + [0.001] * 20)
    found = smoothed(
        scores(*[SILENCE] * 20, WORD, *[SILENCE] * 20), weights, span=10, ignored=IGNORED
    )
    assert found[WORD] > 0.99


def test_the_span_is_the_one_where_a_keyword_is_clearest_and_its_scores_still_sum_to_one() -> None:
    many = scores(*[OTHER] * 10, *[WORD] * 3, *[OTHER] * 10)
    found = smoothed(many, ones(23), span=4, ignored=IGNORED)
    assert found.tolist() == pytest.approx([0.75, 0.25, 0.0])


def test_labels_count_all_the_same_when_every_one_is_ignored() -> None:
    found = smoothed(scores(OTHER, SILENCE), ones(2), span=1, ignored=[True] * 3)
    assert found.argmax() == OTHER


def test_a_window_with_sound_weighs_more_than_one_with_the_floor_alone() -> None:
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 100, 4 * RATE_HZ)
    noise[2 * RATE_HZ : 2 * RATE_HZ + 4000] += rng.normal(0, 3000, 4000)
    samples = noise.astype(np.int16)
    windows = windows_of(samples, window=RATE_HZ, hop=RATE_HZ)
    weights = weights_of(windows, samples, RATE_HZ)
    assert weights.argmax() == 2
    assert weights[2] > 100 * weights[[0, 1, 3]].max()


def test_digital_silence_and_a_handful_of_samples_have_weights_too() -> None:
    for samples in (np.zeros(2 * RATE_HZ, np.int16), np.ones(7, np.int16)):
        windows = windows_of(samples, window=RATE_HZ, hop=4000)
        weights = weights_of(windows, samples, RATE_HZ)
        assert np.isfinite(weights).all()
        assert (weights > 0).all()
