from __future__ import annotations

import math

import numpy as np
import pytest

from edge_runtime.inference.decoders.anomaly import Normalisation
from edge_runtime.inference.decoders.numbers import Values, WindowAnomaly, WindowEmbedding
from edge_runtime.types import Score

GIVEN = [np.array([[1.0, 2.0], [3.0, 4.0]], np.float32), np.zeros((2, 2), np.float32)]
RULES = Normalisation(image_threshold=20.0, minimum=0.0, maximum=40.0)


def test_a_regression_gives_every_windows_numbers_and_their_means_by_label() -> None:
    made = [np.array([[1.0, -2.0]], np.float32), np.array([[3.0, 6.0]], np.float32)]
    answer = Values(("x", "y")).answer(GIVEN, made)
    assert answer.values == (1.0, -2.0, 3.0, 6.0)
    assert answer.scores == (Score("x", 2.0), Score("y", 2.0))


def test_the_error_of_a_reconstruction_is_squared_and_averaged_over_numbers_and_windows() -> None:
    made = [np.array([1.0, 2.0, 3.0, 8.0], np.float32), np.full(4, 6.0, np.float32)]
    answer = WindowAnomaly(("good", "bad"), RULES).answer(GIVEN, made)
    assert answer.values == (20.0,)  # of 16 / 4 and 36
    assert answer.scores == (Score("bad", 0.5), Score("good", 0.5))


@pytest.mark.parametrize(("error", "score"), [(0.0, 0.0), (10.0, 0.25), (30.0, 0.75), (90.0, 1.0)])
def test_the_threshold_becomes_one_half_and_the_ends_are_cut(error: float, score: float) -> None:
    made = [np.full(4, math.sqrt(error), np.float32)]
    answer = WindowAnomaly(("bad",), RULES).answer([GIVEN[1]], made)
    assert answer.scores[0].score == pytest.approx(score)
    assert answer.values[0] == pytest.approx(error)


def test_a_model_that_scores_by_itself_is_believed() -> None:
    made = [np.array([[30.0]], np.float32), np.array([[10.0]], np.float32)]
    assert WindowAnomaly(("bad",), RULES).answer(GIVEN, made).values == (20.0,)


def test_an_embedding_is_the_mean_of_the_windows_with_length_one() -> None:
    made = [np.array([[6.0, 0.0]], np.float32), np.array([[0.0, 8.0]], np.float32)]
    assert WindowEmbedding(unit_length=True).answer(GIVEN, made).values == pytest.approx((0.6, 0.8))
    plain = WindowEmbedding(unit_length=False).answer(GIVEN, made)
    assert (plain.values, plain.scores) == ((3.0, 4.0), ())
    nothing = [np.zeros((1, 2), np.float32)]
    assert WindowEmbedding(unit_length=True).answer(GIVEN, nothing).values == (0.0, 0.0)
