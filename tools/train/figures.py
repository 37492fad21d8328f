"""Figures with their uncertainty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")
ROUNDS = 1000


def auc(positive: np.ndarray, negative: np.ndarray) -> float:
    """Area under the ROC curve: how often a positive scores higher than a negative, ties half."""
    both = np.concatenate([positive, negative])
    _, which, counts = np.unique(both, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[which]
    n, m = len(positive), len(negative)
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))


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


def rounded(column: dict[str, Any]) -> dict[str, float]:
    """The plain numbers of a column, to four digits."""
    return {k: round(float(v), 4) for k, v in column.items() if isinstance(v, int | float)}


def table(columns: dict[str, dict[str, Any]]) -> str:
    """Markdown: a row for each figure, a column for each model; intervals beside their figure."""
    names = list(columns)
    rows = ["| figure | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for key in columns[names[0]]:
        if not key.endswith("_95"):
            cells = [_cell(columns[name], key) for name in names]
            rows.append(f"| {key.replace('_', ' ')} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _cell(column: dict[str, Any], key: str) -> str:
    if key not in column:
        return "-"
    value = column[key]
    text = str(value) if isinstance(value, int) else f"{value:.4g}"
    if f"{key}_95" in column:
        low, high = column[f"{key}_95"]
        text += f" ({low:.3f} to {high:.3f})"
    return text
