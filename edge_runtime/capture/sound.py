"""A sound file as a source of audio blocks.  Owned by the ``capture`` thread."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from edge_runtime.capture.pace import Pace
from edge_runtime.errors import ItemError, NoInput, SourceEnded, SourceUnavailable
from edge_runtime.files.naming import printable
from edge_runtime.files.sound import NO_SOUND, SoundFile
from edge_runtime.types import AudioBlock

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from edge_runtime.clock import Clock
    from edge_runtime.config import Capture

log = logging.getLogger(__name__)

WARM_UP_S = 600.0
"""So that a restart changes nothing: the energy detector remembers 10 s, WebRTC's minutes.  Costs
about half a second."""
ITEM = re.compile(r"samples:(\d+)-(\d+)")


class SoundReplay:
    """Satisfies `protocols.Source[AudioBlock]`.

    Segments cut from it are named ``samples:FIRST-END``; after one of these it goes on at END,
    with the `WARM_UP_S` before END first, marked as such.
    """

    def __init__(
        self,
        source: str,
        path: Path,
        settings: Capture,
        *,
        clock: Clock,
        resume_after: str | None = None,
        skip: Collection[str] = (),
        in_hand: Callable[[str | None], None] = lambda _: None,
    ) -> None:
        """An item that is not of a sound starts at the beginning.

        Samples of the items in `skip` are never read; the block behind them has a gap before it.
        """
        self._source = source
        self._path = path
        self._settings = settings
        self._clock = clock
        self._position = self._new_from = next_sample(resume_after)
        self._buried = buried_spans(skip)
        self._in_hand = in_hand
        self._has_gap = False
        self._file: SoundFile | None = None
        self._pace: Pace | None = None
        self._waiting: NDArray[np.int16] | None = None
        self._is_over = False
        self._has_told = False
        self._seq = 0

    @property
    def live(self) -> bool:
        """Whether blocks that nobody takes are dropped."""
        return self._settings.live

    def open(self) -> None:
        """Open.  Raises `SourceUnavailable` for what is not there, not sound, or empty."""
        self.close()
        try:
            self._file = SoundFile(self._path, self._settings.channel)
        except (NoInput, ItemError) as exc:
            raise SourceUnavailable(f"{exc}; check the lane's source") from exc
        self._new_from = max(self._new_from, self._position)
        self._position = self._file.seek(
            max(0, self._new_from - int(WARM_UP_S * self._file.rate_hz))
        )
        for note in self._file.notes:
            log.info("sound_note path=%s note=%s", printable(self._path), note)
        is_paced = self._settings.realtime or self._settings.live
        self._pace = Pace(self._clock) if is_paced else None
        self._waiting = None
        self._has_gap = self._is_over = False
        self._seq = 0

    def read(self) -> AudioBlock | None:
        """The next ``block_ms``; the last may be shorter.  None while it is not due.

        Raises `ItemError` once where the file is damaged, or at its end with all that is wrong with
        it (cut short, a header that is wrong, a channel that is dead), then `SourceEnded`.
        """
        assert self._file is not None
        rate_hz = self._file.rate_hz
        if self._waiting is None:
            self._waiting = self._next_block(self._file)
        end = self._position + len(self._waiting)
        is_new = end > self._new_from
        # A block is there once its last sample has been spoken.
        if is_new and self._pace is not None and not self._pace.is_due(end / rate_hz):
            return None
        samples, self._waiting = self._waiting, None
        position, self._position = self._position, end
        had_gap, self._has_gap = self._has_gap, False
        seq, self._seq = self._seq, self._seq + 1
        samples.flags.writeable = False
        return AudioBlock(
            self._source,
            seq,
            self._clock.stamp(),
            samples,
            rate_hz,
            position,
            has_gap=had_gap,
            is_warm_up=not is_new,
        )

    def close(self) -> None:
        """Let go of the file.  Idempotent."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _next_block(self, file: SoundFile) -> NDArray[np.int16]:
        if self._is_over:
            raise SourceEnded(f"{self._path}: {self._position} samples")
        count = self._pass_over(file)
        item = f"samples:{self._position}-{self._position + count}"
        self._in_hand(item)
        try:
            samples = file.read(count)
        except ItemError as exc:
            self._is_over = True  # what is behind the damage has no known place
            raise ItemError(str(exc), item=item) from exc
        finally:
            self._in_hand(None)
        if len(samples):
            return samples
        self._is_over = True
        told = file.told if self._position else (NO_SOUND,)
        # A restart behind the end has nothing new to tell.
        if told and not self._has_told and (self._position > self._new_from or not self._position):
            self._has_told = True
            raise ItemError(f"{printable(self._path)}: {'; '.join(told)}")
        raise SourceEnded(f"{self._path}: {self._position} samples")

    def _pass_over(self, file: SoundFile) -> int:
        """Move behind what is buried; how many samples the next block may have."""
        count = max(1, file.rate_hz * self._settings.block_ms // 1000)
        for first, end in self._buried:  # in order
            if first <= self._position < end:
                self._position = file.seek(end)
                self._has_gap = True
            elif self._position < first:
                count = min(count, first - self._position)
        if self._position < self._new_from:
            count = min(count, self._new_from - self._position)
        return count


def buried_spans(skip: Collection[str]) -> list[tuple[int, int]]:
    """The (first, end) of each ``samples:FIRST-END``, in order; others are of other sources."""
    found = [ITEM.fullmatch(item) for item in skip]
    return sorted((int(match[1]), int(match[2])) for match in found if match)


def next_sample(resume_after: str | None) -> int:
    """The sample to begin with, behind a ``samples:FIRST-END``; 0 for anything else."""
    match = ITEM.fullmatch(resume_after or "")
    return int(match[2]) if match else 0
