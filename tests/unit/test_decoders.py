from __future__ import annotations

import numpy as np
import pytest

from edge_runtime.errors import ItemError
from edge_runtime.inference.decoders import Classification, activated, ranked
from edge_runtime.inference.tensors import Tensor

LABELS = ("a", "b", "c")


def decoder(
    dtype: str = "float32", q: tuple[float, int] | None = None, activation: str = "none"
) -> Classification:
    return Classification(LABELS, activation, Tensor("y", (1, 3), np.dtype(dtype), q))


def test_softmax_sums_to_one_and_bears_large_numbers() -> None:
    scores = activated(np.array([[1000.0, 1001.0, -1000.0]], np.float32), "softmax")
    assert scores.sum() == pytest.approx(1.0)
    assert scores[0, 1] == pytest.approx(1 / (1 + np.exp(-1.0)))


def test_sigmoid_treats_labels_apart_and_bears_large_numbers() -> None:
    scores = activated(np.array([[0.0, 1e9, -1e9]], np.float32), "sigmoid")
    assert scores[0].tolist() == pytest.approx([0.5, 1.0, 0.0], abs=1e-6)


def test_a_quantised_output_is_dequantised_before_anything_else() -> None:
    values = np.array([[-128, 127, 0]], np.int8)
    scores = decoder("int8", (1 / 256, -128)).scores(values)
    assert scores[0].tolist() == pytest.approx([0.0, 255 / 256, 0.5])


def test_axes_of_one_in_the_output_do_not_matter() -> None:
    values = np.zeros((2, 1, 1, 3), np.float32)
    assert decoder().scores(values).shape == (2, 3)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("activation", ["none", "softmax", "sigmoid"])
def test_an_answer_that_is_no_number_is_refused_instead_of_passing(
    bad: float, activation: str
) -> None:
    with pytest.raises(ItemError, match="NaN or infinity"):
        decoder(activation=activation).scores(np.array([[0.1, bad, 0.2]], np.float32))


def test_scores_come_best_first_and_ties_in_the_labels_order() -> None:
    found = ranked(np.array([0.2, 0.4, 0.4], np.float32), LABELS)
    assert [score.label for score in found] == ["b", "c", "a"]
    assert found[0].score == pytest.approx(0.4)
