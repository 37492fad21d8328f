"""Figures with their uncertainty."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")
Z_95 = 1.96
ROUNDS = 1000


def auc(positive: np.ndarray, negative: np.ndarray) -> float:
    """Area under the ROC curve: how often a positive scores higher than a negative, ties half."""
    both = np.concatenate([positive, negative])
    _, which, counts = np.unique(both, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[which]
    n, m = len(positive), len(negative)
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))


def wilson(share: float, count: int) -> tuple[float, float]:
    """95 % interval of a share of `count`."""
    centre = (share + Z_95**2 / (2 * count)) / (1 + Z_95**2 / count)
    spread = np.sqrt(share * (1 - share) / count + Z_95**2 / (4 * count**2))
    half = Z_95 / (1 + Z_95**2 / count) * spread
    return float(centre - half), float(centre + half)


def bootstrap(items: Sequence[T], figure: Callable[[list[T]], float]) -> tuple[float, float]:
    """95 % interval of `figure` by drawing `items` (pictures, speakers) again and again."""
    rng = np.random.default_rng(1)
    found = []
    for _ in range(ROUNDS):
        value = figure([items[i] for i in rng.integers(0, len(items), len(items))])
        if np.isfinite(value):
            found.append(value)
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)
