"""Output tensors into scores by label.  Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from edge_runtime.inference.decoders.answer import Answer
from edge_runtime.types import Score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_runtime.inference.pictures.placement import Placement


@dataclass(frozen=True, slots=True)
class Classification:
    """One number a label, for each item of the batch.  Satisfies `PictureDecoder`."""

    labels: tuple[str, ...]
    activation: str
    """``none``, ``softmax`` or ``sigmoid``."""
    reads_input: ClassVar[bool] = False

    def mismatch(self, shapes: Sequence[Sequence[int]]) -> str:
        """As in `PictureDecoder`."""
        count = len(self.labels)
        return "" if math.prod(shapes[0]) == count else f"one number a label, {count}"

    def scores(self, outputs: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """(batch, labels) float32 of the model's first output, whatever its axes of 1."""
        return activated(outputs[0].reshape(-1, len(self.labels)), self.activation)

    def decode(self, outputs: Sequence[NDArray[np.float32]], placement: Placement) -> Answer:
        """Scores of one whole picture, best first."""
        del placement
        return self.answer(self.scores(outputs)[0])

    def answer(self, scores: NDArray[np.float32]) -> Answer:
        """(labels,) scores of one item with their labels, best first."""
        return Answer(scores=ranked(scores, self.labels))


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
