"""Scores over time into detections: where something was heard.  Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.types import Span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def runs_over(
    scores: NDArray[np.float32], threshold: float, *, gap: int = 0
) -> list[tuple[int, int]]:
    """(first, end) of each run of scores at or over `threshold`, (n,); `end` is exclusive.

    Runs with at most `gap` scores below it between them are one.
    """
    runs: list[tuple[int, int]] = []
    for at in np.flatnonzero(scores >= threshold).tolist():
        if runs and at - runs[-1][1] <= gap:
            runs[-1] = (runs[-1][0], at + 1)
        else:
            runs.append((at, at + 1))
    return runs


def stream_spans(
    scores: NDArray[np.float32], label: str, threshold: float, *, step_s: float, gap: int
) -> list[Span]:
    """Detections of one label from (steps,) scores: from the first step that was sure to the last.

    A span's score is its best step's.
    """
    return [
        Span(label, float(scores[first:end].max()), first * step_s, end * step_s)
        for first, end in runs_over(scores, threshold, gap=gap)
    ]


def window_spans(
    scores: NDArray[np.float32],
    starts_s: Sequence[float],
    window_s: float,
    *,
    labels: Sequence[str],
    thresholds: Sequence[float | None],
) -> list[Span]:
    """Keywords from (windows, labels) scores of windows that overlap, in the order of time.

    A window tells of its best label, where that is a keyword (`thresholds` has a number for it) at
    or over its threshold.  Windows one after another that tell the same are one word, and its span
    is that of the surest of them (the middle one of equals).  Of two words whose spans share more
    than half a window the less sure one is dropped: it is the same sound.
    """
    best = scores.argmax(axis=1)
    found = []
    for label, threshold in enumerate(thresholds):
        if threshold is None:
            continue
        sure = np.where(best == label, scores[:, label], -np.inf)
        for first, end in runs_over(sure, threshold):
            top = np.flatnonzero(sure[first:end] == sure[first:end].max()) + first
            at = int(top[len(top) // 2])
            start = starts_s[at]
            found.append(Span(labels[label], float(scores[at, label]), start, start + window_s))
    kept: list[Span] = []
    for span in sorted(found, key=lambda one: -one.score):
        if all(_shared_s(span, other) <= window_s / 2 for other in kept):
            kept.append(span)
    return sorted(kept, key=lambda one: one.start_s)


def _shared_s(one: Span, other: Span) -> float:
    return min(one.end_s, other.end_s) - max(one.start_s, other.start_s)
