"""A segment of any length and a model that hears one window: which windows, and one answer.  Pure.

The gate cuts segments around sound: pre-roll, a word (or a sentence, or several words with noise
between them), hang-over.  A model of single words finds a keyword somewhere in nearly every
sentence, so its best window alone hears commands in plain talk.  What tells a command is that
nothing else is said around it.  So neighbouring windows are averaged over `smooth_ms`, each
weighted by how much sound is in it above the segment's floor: a word between pauses keeps its
score, however long the pauses are, and a word inside a sentence shares it with the rest.

    answer = mean over the span whose best keyword is highest
    weight = max(power of the window - floor, 0.001 of the largest power)
    floor  = the power that 10 % of the segment's 20 ms frames stay under
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_POWER_FRAME_MS = 20
_FLOOR_PERCENT = 10.0
_LEAST_WEIGHT = 1e-3


def placed_windows(samples: int, *, window: int, hop: int) -> list[int]:
    """Where windows of `window` samples begin in `samples` of them, every `hop`.

    The grid is centred: what is left over, less than a hop, is shared between start and end.  A
    segment shorter than a window is placed at the window's end, middle and start, zeros around it,
    because nobody knows where in its second a word sits: those windows begin before it.
    """
    rest = samples - window
    if rest < 0:
        return [rest, rest + -rest // 2, 0]
    return list(range(rest % hop // 2, rest + 1, hop))


def windows_of(samples: NDArray[np.int16], *, window: int, hop: int) -> list[NDArray[np.int16]]:
    """The windows of (n,) samples that `placed_windows` places, as views."""
    missing = max(0, window - len(samples))
    padded = np.pad(samples, missing) if missing else samples
    placed = placed_windows(len(samples), window=window, hop=hop)
    return [padded[at + missing : at + missing + window] for at in placed]


def weights_of(
    windows: Sequence[NDArray[np.int16]], samples: NDArray[np.int16], rate_hz: int
) -> NDArray[np.float64]:
    """(windows,) how much sound is in each above the floor of the segment, `samples`."""
    length = rate_hz * _POWER_FRAME_MS // 1000
    floor = float(np.percentile(_powers(samples, length), _FLOOR_PERCENT))
    powers = np.array([_powers(window, length).mean() for window in windows], np.float64)
    least = max(float(powers.max()) * _LEAST_WEIGHT, 1e-6)  # digital silence: all weigh the same
    return np.asarray(np.maximum(powers - floor, least))


def smoothed(
    scores: NDArray[np.float32],
    weights: NDArray[np.float64],
    *,
    span: int,
    ignored: Sequence[bool],
) -> NDArray[np.float32]:
    """(windows, labels) scores of a segment into (labels,): the span where a keyword is clearest.

    `span`: windows averaged.  `ignored`: labels that are no keyword; where all are, all count.
    """
    span = min(span, len(scores))
    heavy = _running_sums(scores * weights[:, None], span)
    means = heavy / _running_sums(weights[:, None], span)
    keywords = np.flatnonzero(~np.asarray(ignored, np.bool_))
    best = means[:, keywords].max(axis=1) if len(keywords) else means.max(axis=1)
    return np.asarray(means[int(best.argmax())], np.float32)


def _running_sums(values: NDArray[np.float64], span: int) -> NDArray[np.float64]:
    """(n, k) into (n - span + 1, k)."""
    sums = np.cumsum(np.vstack([np.zeros_like(values[:1]), values]), axis=0)
    return np.asarray(sums[span:] - sums[:-span])


def _powers(samples: NDArray[np.int16], length: int) -> NDArray[np.float32]:
    """Power of each frame of `length` samples; of all that there is, when it is shorter."""
    count = max(1, len(samples) // length)
    frames = samples[: count * length].reshape(count, -1)
    return np.asarray(frames.var(axis=1, dtype=np.float32))
