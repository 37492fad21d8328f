"""Windows with a yes or no into segments.  Pure; time is the number of samples, never a clock.

A segment begins once `min_speech` of speech has come without a pause of more than `PAUSE_MS`; it then
holds the pre-roll, that speech, and everything up to `hang_over` after the last speech.  At `max_segment` it is
cut and goes on in a new one without a hole.  Segments never overlap, and none reaches over a `reset`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.types import SegmentEnd

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_runtime.config import Gate

PAUSE_MS = 100
"""A word has holes: plosives are silent for up to about a tenth of a second."""


@dataclass(frozen=True, slots=True)
class SegmenterPolicy:
    """All lengths in windows."""

    pre_roll: int
    min_speech: int
    hang_over: int
    max_length: int
    pause: int

    @classmethod
    def of(cls, settings: Gate, window_ms: int) -> SegmenterPolicy:
        """From milliseconds; at least one window of speech, and more in a segment than it needs."""
        min_speech = max(1, round(settings.min_speech_ms / window_ms))
        pre_roll = round(settings.pre_roll_ms / window_ms)
        return cls(
            pre_roll=pre_roll,
            min_speech=min_speech,
            hang_over=max(1, round(settings.hang_over_ms / window_ms)),
            max_length=max(
                round(settings.max_segment_s * 1000 / window_ms), pre_roll + 2 * min_speech
            ),
            pause=max(1, round(PAUSE_MS / window_ms)),
        )


@dataclass(frozen=True, slots=True)
class Cut:
    """One segment: where it lies, in windows since the last reset, and its samples."""

    first: int
    samples: NDArray[np.int16]
    end: SegmentEnd


class Segmenter:
    """Owned by one thread."""

    def __init__(self, policy: SegmenterPolicy) -> None:
        self._policy = policy
        self.reset()

    def reset(self) -> None:
        """Forget everything: a gap, a new stream."""
        self._count = 0
        self._before: deque[NDArray[np.int16]] = deque(maxlen=self._policy.pre_roll)
        self._candidate: list[NDArray[np.int16]] = []
        self._open: list[NDArray[np.int16]] | None = None
        self._open_first = 0
        self._speech = 0
        self._silence = 0

    def feed(self, window: NDArray[np.int16], *, is_speech: bool) -> Cut | None:
        """One more window; a segment when one has just ended."""
        self._count += 1
        if self._open is None:
            self._wait(window, is_speech=is_speech)
            return None
        self._open.append(window)
        self._silence = 0 if is_speech else self._silence + 1
        if self._silence >= self._policy.hang_over:
            return self._cut(SegmentEnd.ENDED)
        if len(self._open) >= self._policy.max_length:
            cut = self._cut(SegmentEnd.MAX_LENGTH, keep_silence=True)
            self._open, self._open_first = [], self._count
            return cut
        return None

    def flush(self) -> Cut | None:
        """The stream ends here: an open segment is cut off."""
        if self._open:
            return self._cut(SegmentEnd.TRUNCATED)
        self._open = None
        return None

    def _wait(self, window: NDArray[np.int16], *, is_speech: bool) -> None:
        """Not in a segment: collect what may become the beginning of one."""
        if not is_speech and not self._candidate:
            self._before.append(window)
            return
        self._candidate.append(window)
        self._speech += is_speech
        self._silence = 0 if is_speech else self._silence + 1
        if self._silence > self._policy.pause:
            self._before.extend(self._candidate)
            self._candidate, self._speech, self._silence = [], 0, 0
        elif self._speech >= self._policy.min_speech:
            self._open = [*self._before, *self._candidate]
            self._open_first = self._count - len(self._open)
            self._before.clear()
            self._candidate, self._speech = [], 0

    def _cut(self, end: SegmentEnd, *, keep_silence: bool = False) -> Cut | None:
        assert self._open is not None
        cut = Cut(self._open_first, np.concatenate(self._open), end)
        self._open = None
        self._silence = self._silence if keep_silence else 0
        return cut
