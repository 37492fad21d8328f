"""Output tensors into scores by label.  Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.errors import ItemError
from edge_runtime.inference.tensors import Tensor, to_real
from edge_runtime.types import Score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Classification:
    """One number a label, for each item of the batch."""

    labels: tuple[str, ...]
    activation: str
    """``none``, ``softmax`` or ``sigmoid``."""
    output: Tensor

    def scores(self, values: NDArray[np.generic]) -> NDArray[np.float32]:
        """(batch, labels) float32 of the model's output, whatever its axes of 1.

        Raises `ItemError` for numbers that are none: compared with a threshold they would pass.
        """
        real = to_real(values, self.output).reshape(-1, len(self.labels))
        if not np.isfinite(real).all():
            raise ItemError("the model answered with NaN or infinity")
        return activated(real, self.activation)

    def ranked(self, scores: NDArray[np.float32]) -> tuple[Score, ...]:
        """(labels,) scores of one item with their labels, best first."""
        return ranked(scores, self.labels)


def activated(values: NDArray[np.float32], activation: str) -> NDArray[np.float32]:
    """(batch, labels) raw values into scores: ``none``, ``softmax`` or ``sigmoid`` along labels."""
    if activation == "softmax":
        shifted = np.exp(values - values.max(axis=1, keepdims=True))
        return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), np.float32)
    if activation == "sigmoid":
        # exp() of more than 88 is infinite in float32; at 60 the result is 0 or 1 already.
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(values, -60.0, 60.0))), np.float32)
    return values


def ranked(scores: NDArray[np.float32], labels: Sequence[str]) -> tuple[Score, ...]:
    """(labels,) scores with their labels, best first; equal ones in the labels' order."""
    order = np.argsort(-scores, kind="stable").tolist()
    values = scores.tolist()
    return tuple(Score(labels[i], values[i]) for i in order)
