"""A line between good and bad cells, learnt from whole pictures.  Pure numpy.

Nobody marks where a defect is: a good picture has no bad cell, a bad one has at least one
(multiple-instance learning; the picture's score is that of its worst cell, as in the runtime).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

ROUNDS, STEPS = 12, 60
"""How often the worst cells are chosen anew, and steps of descent in between."""
WORST_OK, WORST_NG = 40, 3
"""Cells of a good picture that are learnt from, and of a bad one."""
_RATE, _DECAY = 0.05, 0.9


@dataclass(frozen=True, slots=True)
class Line:
    """z = weight x + bias; more than 0 is bad.  x are the net's integers as they are."""

    weight: NDArray[np.float32]
    """(channels,)."""
    bias: float

    def scores(self, features: NDArray[np.generic]) -> NDArray[np.float32]:
        """(cells, channels) to (cells,)."""
        found = features.astype(np.float32) @ self.weight + np.float32(self.bias)
        return np.asarray(found, np.float32)


def fit_line(
    ok: Sequence[NDArray[np.generic]],
    ng: Sequence[NDArray[np.generic]],
    base: Line,
    *,
    pull: float,
) -> Line:
    """From `base` towards what tells these pictures' (cells, channels) apart.

    Minimises the logistic loss of the worst cells, good and bad pictures weighing the same, plus
    `pull` times the squared distance from `base` in units of the features' deviation.
    """
    some = np.concatenate([f[:: max(1, len(f) // 200)] for f in ok])
    spread = some.astype(np.float32).std(0) + 1.0
    start = np.append(base.weight * spread, base.bias).astype(np.float64)
    line = start.copy()
    first, second = np.zeros_like(line), np.zeros_like(line)
    step = 0
    for _ in range(ROUNDS):
        now = Line((line[:-1] / spread).astype(np.float32), float(line[-1]))
        good = np.concatenate([_worst(f, now, WORST_OK) for f in ok]) / spread
        bad = np.concatenate([_worst(f, now, WORST_NG) for f in ng]) / spread
        good_ranks = np.concatenate([_weights(len(f), WORST_OK) for f in ok])
        bad_ranks = np.concatenate([_weights(len(f), WORST_NG) for f in ng])
        x = np.column_stack([np.concatenate([good, bad]), np.ones(len(good) + len(bad))])
        sign = np.append(np.full(len(good), 1.0), np.full(len(bad), -1.0))
        weight = np.append(good_ranks / good_ranks.sum(), bad_ranks / bad_ranks.sum())
        for _ in range(STEPS):
            step += 1
            z = sign * (x @ line)
            slope = weight * sign / (1 + np.exp(-np.clip(z, -50, 50)))
            gradient = x.T @ slope + 2 * pull * (line - start)
            first = _DECAY * first + (1 - _DECAY) * gradient
            second = 0.99 * second + 0.01 * gradient**2
            scaled = first / (1 - _DECAY**step) / (np.sqrt(second / (1 - 0.99**step)) + 1e-9)
            line -= _RATE * (1 - step / (ROUNDS * STEPS + 1)) * scaled
    return Line((line[:-1] / spread).astype(np.float32), float(line[-1]))


def _worst(features: NDArray[np.generic], line: Line, count: int) -> NDArray[np.float32]:
    """The worst cells of a picture, the worst first."""
    count = min(count, len(features))
    scores = line.scores(features)
    chosen = np.argpartition(-scores, count - 1)[:count]
    return features[chosen[np.argsort(-scores[chosen])]].astype(np.float32)


def _weights(cells: int, count: int) -> NDArray[np.float64]:
    """The worst cell decides, so it weighs as much as all the others of its picture."""
    count = min(cells, count)
    weights = np.full(count, 1.0 / max(1, count - 1))
    weights[0] = 1.0
    return weights
