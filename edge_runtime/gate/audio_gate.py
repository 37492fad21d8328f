"""Blocks of sound into segments: resample → windows → speech? → segment.  Owned by one thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.clock import NS_PER_S
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
        self._threshold = settings.threshold
        self._scorer = scorer
        self._source = source
        self._live = live
        self._rate_hz = scorer.rate_hz
        self._window = scorer.rate_hz * scorer.window_ms // 1000
        self._windows = Rechunk(self._window)
        self._segmenter = Segmenter(SegmenterPolicy.of(settings, scorer.window_ms))
        self._resampler: Any = None
        self._base: AudioBlock | None = None
        self._last: AudioBlock | None = None
        self._seq = 0

    def feed(self, block: AudioBlock) -> list[Segment]:
        """Segments that have ended with this block.  A gap ends what was open, as `truncated`."""
        found: list[Segment] = []
        if self._base is None or block.has_gap or block.rate_hz != self._base.rate_hz:
            found += self.flush()
            self._start(block)
        self._last = block
        return found + self._cut(self._resampled(block.samples, last=False))

    def flush(self) -> list[Segment]:
        """The stream ends here; what is open comes out as `truncated`."""
        if self._base is None:
            return []
        found = self._cut(self._resampled(np.empty(0, np.int16), last=True))
        cut = self._segmenter.flush()
        if cut is not None:
            found.append(self._segment(cut))
        self._base = None
        return found

    def _start(self, block: AudioBlock) -> None:
        self._base = block
        self._windows.take_rest()
        self._segmenter.reset()
        self._scorer.reset()
        self._resampler = None
        if block.rate_hz != self._rate_hz:
            import soxr

            self._resampler = soxr.ResampleStream(block.rate_hz, self._rate_hz, 1, dtype="int16")

    def _resampled(self, samples: NDArray[np.int16], *, last: bool) -> NDArray[np.int16]:
        if self._resampler is None:
            return samples
        return np.asarray(self._resampler.resample_chunk(samples, last=last), np.int16)

    def _cut(self, samples: NDArray[np.int16]) -> list[Segment]:
        found = []
        for window in self._windows.feed(samples):
            is_speech = self._scorer.score(window) >= self._threshold
            cut = self._segmenter.feed(window, is_speech=is_speech)
            if cut is not None:
                found.append(self._segment(cut))
        return found

    def _segment(self, cut: Cut) -> Segment:
        assert self._base is not None
        base = self._base
        first = base.position + self._at_source_rate(cut.first * self._window)
        end = base.position + self._at_source_rate(cut.first * self._window + len(cut.samples))
        seq, self._seq = self._seq, self._seq + 1
        cut.samples.flags.writeable = False
        return Segment(
            source=self._source,
            seq=seq,
            captured=self._captured(first),
            samples=cut.samples,
            rate_hz=self._rate_hz,
            start_s=first / base.rate_hz,
            end=cut.end,
            item=None if self._live else f"samples:{first}-{end}",
        )

    def _at_source_rate(self, samples: int) -> int:
        assert self._base is not None
        return round(samples * self._base.rate_hz / self._rate_hz)

    def _captured(self, position: int) -> Stamp:
        """When a sample was captured: the last block's stamp is that of its end."""
        assert self._last is not None
        block = self._last
        behind = block.position + len(block.samples) - position
        behind_ns = behind * NS_PER_S // block.rate_hz
        stamp = block.captured
        return Stamp(stamp.wall_ns - behind_ns, stamp.boottime_ns - behind_ns, stamp.boot_id)
