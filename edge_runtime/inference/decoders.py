"""Output tensors into scores by label.  Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.types import Score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SMOOTHED_WINDOWS = 2
"""A word is longer than one hop: neighbouring windows must agree, one alone is halved."""


def activated(values: NDArray[np.float32], activation: str) -> NDArray[np.float32]:
    """(batch, labels) raw values into scores: ``none``, ``softmax`` or ``sigmoid`` along labels."""
    if activation == "softmax":
        shifted = np.exp(values - values.max(axis=1, keepdims=True))
        return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), np.float32)
    if activation == "sigmoid":
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(values, -60, 60))), np.float32)
    return values


def ranked(scores: NDArray[np.float32], labels: Sequence[str]) -> tuple[Score, ...]:
    """(labels,) scores with their labels, best first; equal ones in the labels' order."""
    order = np.argsort(-scores, kind="stable")
    return tuple(Score(labels[i], float(scores[i])) for i in order)


def aggregated(windows: NDArray[np.float32], ignored: Sequence[bool]) -> NDArray[np.float32]:
    """(windows, labels) scores of a segment into (labels,).

    A keyword is somewhere in the segment: the best mean over `SMOOTHED_WINDOWS` neighbours counts.
    A label that means "nothing" holds for the whole segment: its mean over all windows counts.
    A single window stays as it is.
    """
    if len(windows) == 1:
        return windows[0]
    span = min(SMOOTHED_WINDOWS, len(windows))
    smoothed = np.stack(
        [windows[i : i + span].mean(axis=0) for i in range(len(windows) - span + 1)]
    )
    return np.where(np.asarray(ignored), windows.mean(axis=0), smoothed.max(axis=0)).astype(
        np.float32
    )
