from __future__ import annotations

import numpy as np
import pytest

from edge_runtime.inference.decoders import Classification, activated, ranked

LABELS = ("a", "b", "c")


def test_softmax_sums_to_one_and_bears_large_numbers() -> None:
    scores = activated(np.array([[1000.0, 1001.0, -1000.0]], np.float32), "softmax")
    assert scores.sum() == pytest.approx(1.0)
    assert scores[0, 1] == pytest.approx(1 / (1 + np.exp(-1.0)))


def test_sigmoid_treats_labels_apart_and_bears_large_numbers() -> None:
    scores = activated(np.array([[0.0, 1e9, -1e9]], np.float32), "sigmoid")
    assert scores[0].tolist() == pytest.approx([0.5, 1.0, 0.0], abs=1e-6)


def test_axes_of_one_in_the_output_do_not_matter() -> None:
    values = np.zeros((2, 1, 1, 3), np.float32)
    assert Classification(LABELS, "none").scores([values]).shape == (2, 3)


def test_scores_come_best_first_and_ties_in_the_labels_order() -> None:
    found = ranked(np.array([0.2, 0.4, 0.4], np.float32), LABELS)
    assert [score.label for score in found] == ["b", "c", "a"]
    assert found[0].score == pytest.approx(0.4)
