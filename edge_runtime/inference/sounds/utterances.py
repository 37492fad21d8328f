"""Where in a segment something was said: runs of sound between pauses, and each one's own window.

A model of single words that hears one second at a time cannot tell "stop, stop" from a long "stop",
nor "yes" from "yes, no" when both are in its second.  The pauses can: words said one by one stand
between pauses of two tenths of a second and more.  So each run of sound is shown to the model for
itself: in the middle of its window, its neighbours turned down.  Where a run is longer than a
word somebody talks, and the segment has one answer as a whole.

The numbers were chosen on half of the speakers that the keywords were not taught with, see the
model's card.  Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Run = tuple[int, int]
"""First sample, and the one behind the last."""

FRAME_MS = 10
PAUSE_MS = 180
"""A word has holes, too: plosives, and what a noise covers."""
SHORTEST_MS = 80
SHIFT_MS = 100
"""Each run is heard three times: in the middle of the window, and this much aside."""
TURNED_DOWN = 0.3
"""Neighbours are not silenced: a model takes digital silence beside a word for another one."""
MARGIN_MS = 50
EDGE_MS = 25
_FLOOR_PERCENT, _TOP_PERCENT = 10.0, 97.0
_TOP_AROUND_MS = 600
_ABOVE_FLOOR = 0.6
"""Of the way, in dB, from the segment's floor to the loudest within `_TOP_AROUND_MS`: what is said
softly after a loud word is a word."""
_LEAST_DB = 6.0


def runs_of_sound(samples: NDArray[np.int16], rate_hz: int) -> list[Run]:
    """Where (n,) samples stand out from their own floor, pauses shorter than `PAUSE_MS` closed."""
    frame = rate_hz * FRAME_MS // 1000
    count = len(samples) // frame
    if count == 0:
        return []
    power = samples[: count * frame].reshape(count, frame).var(axis=1, dtype=np.float32) + 1
    levels_db = 10 * np.log10(np.convolve(power, np.ones(3) / 3, "same"))
    floor_db = float(np.percentile(levels_db, _FLOOR_PERCENT))
    over_db = np.maximum(_LEAST_DB, _ABOVE_FLOOR * (_loudest_near(levels_db) - floor_db))
    runs: list[Run] = []
    for at in np.flatnonzero(levels_db >= floor_db + over_db).tolist():
        if runs and at - runs[-1][1] <= PAUSE_MS // FRAME_MS:
            runs[-1] = (runs[-1][0], at + 1)
        else:
            runs.append((at, at + 1))
    shortest = SHORTEST_MS // FRAME_MS
    return [(first * frame, end * frame) for first, end in runs if end - first >= shortest]


def _loudest_near(levels_db: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) of each frame's surroundings."""
    side = _TOP_AROUND_MS // FRAME_MS
    around = sliding_window_view(np.pad(levels_db, side, mode="edge"), 2 * side + 1)
    return np.asarray(np.percentile(around, _TOP_PERCENT, axis=1), np.float64)


def alone(
    samples: NDArray[np.int16], runs: Sequence[Run], at: int, rate_hz: int
) -> NDArray[np.int16]:
    """(n,) `samples` with all runs but number `at` turned down."""
    margin, edge = rate_hz * MARGIN_MS // 1000, rate_hz * EDGE_MS // 1000
    quieter = samples.astype(np.float32)
    for number, (first, end) in enumerate(runs):
        if number != at:
            quieter[max(0, first - margin) : end + margin] *= TURNED_DOWN
    first, end = max(0, runs[at][0] - edge), runs[at][1] + edge
    quieter[first:end] = samples[first:end]
    return np.rint(quieter).astype(np.int16)


def windows_around(
    samples: NDArray[np.int16], run: Run, window: int, rate_hz: int
) -> list[NDArray[np.int16]]:
    """Three windows of `window` samples with the run in the middle and aside, zeros beyond."""
    padded = np.pad(samples, window)
    first = (run[0] + run[1]) // 2 - window // 2 + window
    shift = rate_hz * SHIFT_MS // 1000
    return [padded[at : at + window] for at in (first - shift, first, first + shift)]
