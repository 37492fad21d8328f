"""Windows with a yes or no into segments.  Pure; time is the number of samples, never a clock.

A segment opens once `min_speech` of speech has come with no pause longer than `pause` in it.  It
holds the pre-roll, that speech, and everything up to `hang_over` after the last speech.  At
`max_length` it is cut and goes on in a new one without a hole.

Invariants: segments come in order, never overlap (so a pre-roll reaches back to the end of the
segment before at most), never reach over a `reset`, are never longer than `max_length`, and each
holds speech.  Every window of speech in a run of `min_speech` or more is in exactly one segment.
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

    def __post_init__(self) -> None:
        """What opens a segment has to fit into one."""
        longest = self.pre_roll + (self.min_speech - 1) * (self.pause + 1) + 1
        if self.min_speech < 1 or self.hang_over < 1 or min(self.pre_roll, self.pause) < 0:
            raise ValueError(f"{self}: a length is too small")
        if longest >= self.max_length:
            raise ValueError(f"{self}: max_length must be more than {longest}")

    @classmethod
    def of(cls, settings: Gate, window_ms: int) -> SegmenterPolicy:
        """From milliseconds.  Where a word's holes would make its beginning too long, fewer."""
        min_speech = max(1, settings.min_speech_ms // window_ms)
        pre_roll = settings.pre_roll_ms // window_ms
        max_length = max(int(settings.max_segment_s * 1000) // window_ms, pre_roll + min_speech + 1)
        pause = PAUSE_MS // window_ms
        if min_speech > 1:
            pause = min(pause, (max_length - pre_roll - 2) // (min_speech - 1) - 1)
        return cls(
            pre_roll=pre_roll,
            min_speech=min_speech,
            hang_over=max(1, settings.hang_over_ms // window_ms),
            max_length=max_length,
            pause=pause,
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
        """Nothing has been heard."""
        self._policy = policy
        self.reset()

    def reset(self) -> None:
        """Forget everything: a gap, a new stream."""
        self._count = 0
        self._before: deque[NDArray[np.int16]] = deque(maxlen=self._policy.pre_roll)
        self._candidate: list[NDArray[np.int16]] = []
        self._open: list[NDArray[np.int16]] | None = None
        self._speech = 0
        self._silence = 0

    def feed(self, window: NDArray[np.int16], *, is_speech: bool) -> Cut | None:
        """One more window; a segment when one has just ended."""
        self._count += 1
        self._silence = 0 if is_speech else self._silence + 1
        if self._open is None:
            self._wait(window, is_speech=is_speech)
            return None
        self._open.append(window)
        self._speech += is_speech
        if self._silence >= self._policy.hang_over:
            return self._cut(self._open, SegmentEnd.ENDED)
        if len(self._open) >= self._policy.max_length:
            cut = self._cut(self._open, SegmentEnd.MAX_LENGTH)
            self._open = []  # what follows at once belongs to the same words
            return cut
        return None

    def skip(self) -> None:
        """One more window, which belongs to no segment.  Only before the first of `feed`."""
        self._count += 1

    def flush(self, rest: NDArray[np.int16], *, lost: bool) -> Cut | None:
        """The stream ends here, with `rest`, less than a window; what is open is cut off.

        `lost`: by a loss, not by its own end, so nobody knows what was still to come.
        """
        if not self._open:
            return None
        ended = not lost and self._silence > self._policy.pause
        end = SegmentEnd.ENDED if ended else SegmentEnd.TRUNCATED
        return self._cut([*self._open, rest], end)

    def _wait(self, window: NDArray[np.int16], *, is_speech: bool) -> None:
        """Not in a segment: collect what may become the beginning of one."""
        if not is_speech and not self._candidate:
            self._before.append(window)
            return
        self._candidate.append(window)
        self._speech += is_speech
        if self._silence > self._policy.pause:
            self._before.extend(self._candidate)
            self._candidate, self._speech = [], 0
        elif self._speech >= self._policy.min_speech:
            self._open = [*self._before, *self._candidate]
            self._before.clear()
            self._candidate = []

    def _cut(self, windows: list[NDArray[np.int16]], end: SegmentEnd) -> Cut | None:
        """Close what is open.  Silence alone, behind a cut at the maximum length, is no segment."""
        assert self._open is not None
        first = self._count - len(self._open)
        has_speech = self._speech > 0
        self._open = None
        self._speech = 0
        if not has_speech:
            self._before.extend(windows)
            return None
        return Cut(first, np.concatenate(windows), end)
