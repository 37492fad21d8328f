"""Blocks of sound into segments: offset off, resample, windows, speech or not, segment.

Owned by one thread, the lane's ``listen`` thread; it waits for nothing.  A block of 30 ms costs
0.1 ms of it with the shipped detector, which runs in `feed`.  A gap (marked, or seen by the blocks'
positions) ends what is open as `truncated`; nothing is ever joined across it.  Blocks of a resumed
replay that were heard before its restart (`is_warm_up`) reach the detector only, so that what
follows is cut as if there had been no restart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.clock import NS_PER_S
from edge_runtime.errors import ItemError
from edge_runtime.files.offset import OffsetRemover
from edge_runtime.gate.rechunk import Rechunk
from edge_runtime.gate.segmenter import Cut, Segmenter, SegmenterPolicy
from edge_runtime.types import AudioBlock, Segment, Stamp

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_runtime.config import Gate
    from edge_runtime.protocols import SpeechScorer


class AudioGate:
    """One stream's gate.  Segments are at the scorer's rate, mono."""

    def __init__(self, settings: Gate, scorer: SpeechScorer, *, source: str, live: bool) -> None:
        """`live`: segments have no identity to be resumed by."""
        threshold = settings.threshold
        self._threshold = scorer.threshold if threshold is None else threshold
        self._scorer = scorer
        self._source = source
        self._live = live
        self._rate_hz = scorer.rate_hz
        self._window = scorer.rate_hz * scorer.window_ms // 1000
        self._windows = Rechunk(self._window)
        self._segmenter = Segmenter(SegmenterPolicy.of(settings, scorer.window_ms))
        self._resampler: Any = None
        self._offset = OffsetRemover(scorer.rate_hz)
        self._base: AudioBlock | None = None
        self._last: AudioBlock | None = None
        self._warm_until = 0
        self._scored = 0
        self._seq = 0

    def feed(self, block: AudioBlock) -> list[Segment]:
        """Segments that have ended with this block.

        Raises `ItemError` when the detector failed: what was open is lost with this block, and the
        next one begins a new stream.
        """
        try:
            return self._fed(block)
        except ItemError:
            self._base = None
            self._windows.take_rest()
            raise

    def _fed(self, block: AudioBlock) -> list[Segment]:
        found: list[Segment] = []
        if not self._follows(block):
            found += self._end(lost=True)
            self._start(block)
        self._last = block
        if block.is_warm_up:
            self._warm_until = block.position + len(block.samples)
        return found + self._cut(self._resampled(self._offset.feed(block.samples), last=False))

    def flush(self) -> list[Segment]:
        """The stream ends here: what is open comes out, `truncated` when in the midst of speech.

        Raises `ItemError` when the detector failed.
        """
        return self._end(lost=False)

    def _follows(self, block: AudioBlock) -> bool:
        """Whether nothing is missing between this block and the one before."""
        last = self._last
        return (
            self._base is not None
            and last is not None
            and not block.has_gap
            and block.rate_hz == last.rate_hz
            and block.position == last.position + len(last.samples)
        )

    def _start(self, block: AudioBlock) -> None:
        self._base = block
        self._offset = OffsetRemover(block.rate_hz)
        self._segmenter.reset()
        self._scorer.reset()
        self._warm_until = block.position
        self._scored = 0
        self._resampler = None
        if block.rate_hz != self._rate_hz:
            import soxr

            # As floats: soxr's integers are dithered, and differ with the size of the blocks.
            self._resampler = soxr.ResampleStream(block.rate_hz, self._rate_hz, 1, dtype="float32")

    def _end(self, *, lost: bool) -> list[Segment]:
        if self._base is None:
            return []
        found = self._cut(self._resampled(np.empty(0, np.int16), last=True))
        cut = self._segmenter.flush(self._windows.take_rest(), lost=lost)
        if cut is not None:
            found.append(self._segment(cut))
        self._base = None
        return found

    def _resampled(self, samples: NDArray[np.int16], *, last: bool) -> NDArray[np.int16]:
        """At the scorer's rate; output sample k is of time k / rate, the filter's delay undone."""
        if self._resampler is None:
            return samples
        exact: NDArray[np.float32] = self._resampler.resample_chunk(
            samples.astype(np.float32), last=last
        )
        return np.clip(np.rint(exact), -32768, 32767).astype(np.int16)

    def _cut(self, samples: NDArray[np.int16]) -> list[Segment]:
        found = []
        for window in self._windows.feed(samples):
            is_speech = self._scorer.score(window) >= self._threshold
            place = self._place(self._scored * self._window)
            self._scored += 1
            if place < self._warm_until:
                self._segmenter.skip()
                continue
            cut = self._segmenter.feed(window, is_speech=is_speech)
            if cut is not None:
                found.append(self._segment(cut))
        return found

    def _segment(self, cut: Cut) -> Segment:
        assert self._base is not None
        first = self._place(cut.first * self._window)
        end = self._place(cut.first * self._window + len(cut.samples))
        seq, self._seq = self._seq, self._seq + 1
        cut.samples.flags.writeable = False
        return Segment(
            source=self._source,
            seq=seq,
            captured=self._captured(first),
            samples=cut.samples,
            rate_hz=self._rate_hz,
            start_s=first / self._base.rate_hz,
            end=cut.end,
            item=None if self._live else f"samples:{first}-{end}",
        )

    def _place(self, samples: int) -> int:
        """Where in the source, at its rate, so many samples of ours since the start are."""
        assert self._base is not None
        return self._base.position + round(samples * self._base.rate_hz / self._rate_hz)

    def _captured(self, position: int) -> Stamp:
        """When a sample was captured: the last block's stamp is that of its end."""
        assert self._last is not None
        block = self._last
        behind = block.position + len(block.samples) - position
        behind_ns = behind * NS_PER_S // block.rate_hz
        stamp = block.captured
        return Stamp(stamp.wall_ns - behind_ns, stamp.boottime_ns - behind_ns, stamp.boot_id)
