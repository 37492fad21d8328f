from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_runtime.config import Gate
from edge_runtime.gate.vad import EnergyScorer, WebrtcScorer, level_dbfs, open_scorer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_runtime.protocols import SpeechScorer

WINDOW = 320
RNG = np.random.default_rng(4)


def noise(dbfs: float, windows: int, seed: int = 1) -> NDArray[np.int16]:
    """(windows, 320) of white noise at this level."""
    sigma = 32768 * 10 ** (dbfs / 20)
    made = np.random.default_rng(seed).normal(0, sigma, (windows, WINDOW))
    return np.clip(np.rint(made), -32768, 32767).astype(np.int16)


def scores(scorer: SpeechScorer, windows: NDArray[np.int16]) -> list[float]:
    return [scorer.score(window) for window in windows]


def test_the_level_of_a_full_scale_square_wave_is_zero_and_of_silence_minus_120() -> None:
    square = np.resize(np.array([-32768, 32767], np.int16), WINDOW)
    assert level_dbfs(square) == pytest.approx(0.0, abs=1e-3)
    assert level_dbfs(np.zeros(WINDOW, np.int16)) == pytest.approx(-120.0, abs=1e-3)


def test_a_window_on_an_offset_is_as_loud_as_without_it() -> None:
    window = noise(-50, 1)[0]
    assert level_dbfs(window - np.int16(1638)) == pytest.approx(level_dbfs(window), abs=0.01)
    assert level_dbfs(np.full(WINDOW, -9000, np.int16)) == pytest.approx(-120.0, abs=1e-3)


def test_steady_noise_is_not_speech_however_loud() -> None:
    for dbfs in (-60, -30, -10):
        assert max(scores(EnergyScorer(), noise(dbfs, 200))) < 0.5


def test_what_stands_out_from_the_noise_is_speech_at_any_level_of_the_noise() -> None:
    for dbfs in (-60.0, -30.0):
        scorer = EnergyScorer()
        scores(scorer, noise(dbfs, 100))
        assert min(scores(scorer, noise(dbfs + 8, 10, seed=2))) > 0.5


def test_the_threshold_of_one_half_lies_4_db_above_the_floor() -> None:
    for over_db, is_speech in ((3.4, False), (4.6, True)):
        scorer = EnergyScorer()
        steady = np.resize(np.array([1000, -1000], np.int16), (100, WINDOW))
        scores(scorer, steady)
        louder = np.rint(steady[0] * 10 ** (over_db / 20)).astype(np.int16)
        assert (scorer.score(louder) >= 0.5) is is_speech


def test_a_machine_that_is_switched_on_is_noise_after_eight_seconds() -> None:
    scorer = EnergyScorer()
    scores(scorer, noise(-60, 500))
    after = scores(scorer, noise(-30, 450, seed=2))
    assert min(after[:300]) > 0.5
    assert max(after[420:]) < 0.5


def test_a_machine_that_is_switched_off_uncovers_speech_after_two_seconds() -> None:
    scorer = EnergyScorer()
    scores(scorer, noise(-20, 500))
    scores(scorer, noise(-50, 110, seed=2))
    assert scorer.score(noise(-40, 1, seed=3)[0]) > 0.5


def test_the_noise_of_the_last_bit_behind_digital_silence_is_not_speech() -> None:
    scorer = EnergyScorer()
    scores(scorer, np.zeros((200, WINDOW), np.int16))
    dither = np.random.default_rng(3).integers(-1, 2, (50, WINDOW)).astype(np.int16)
    assert max(scores(scorer, dither)) < 0.5


def test_reset_forgets_the_floor() -> None:
    scorer = EnergyScorer()
    scores(scorer, noise(-60, 100))
    scorer.reset()
    assert max(scores(scorer, noise(-20, 50))) < 0.5


def test_scores_after_a_reset_are_those_of_a_new_scorer() -> None:
    for make in (EnergyScorer, lambda: WebrtcScorer(2)):
        used, new = make(), make()
        scores(used, noise(-20, 300))
        used.reset()
        windows = np.concatenate([noise(-50, 60, seed=5), noise(-35, 20, seed=6)])
        assert scores(used, windows) == scores(new, windows)


def test_a_hiss_that_begins_stands_out_for_the_energy_but_webrtc_hears_no_speech_in_it() -> None:
    energy, webrtc = EnergyScorer(), WebrtcScorer(3)
    for scorer in (energy, webrtc):
        scores(scorer, noise(-60, 100))
    hiss = noise(-45, 80, seed=9)
    assert min(scores(energy, hiss)) > 0.5
    assert max(scores(webrtc, hiss)) < 0.5


def test_the_config_names_the_scorer() -> None:
    assert isinstance(open_scorer(Gate(vad="energy")), EnergyScorer)
    assert isinstance(open_scorer(Gate(vad="webrtc")), WebrtcScorer)


def test_every_scorer_takes_20_ms_at_16_khz_and_answers_between_0_and_1() -> None:
    for scorer in (EnergyScorer(), WebrtcScorer(0), WebrtcScorer(3)):
        assert scorer.rate_hz * scorer.window_ms // 1000 == WINDOW
        extremes = np.stack(
            [np.zeros(WINDOW), np.full(WINDOW, 32767), np.full(WINDOW, -32768)]
        ).astype(np.int16)
        assert all(0.0 <= score <= 1.0 for score in scores(scorer, extremes))
