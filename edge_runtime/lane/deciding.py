"""Inference -> verdict -> outputs -> the record stage.  Called in the order of capture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.clock import NS_PER_S
from edge_runtime.progress import elapsed_ms
from edge_runtime.types import Frame, Result, Segment, TombstoneReason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future

    import numpy as np
    from numpy.typing import NDArray

    from edge_runtime.channel import Channel
    from edge_runtime.clock import Clock
    from edge_runtime.progress import Progress
    from edge_runtime.protocols import Output
    from edge_runtime.rules import Judge
    from edge_runtime.types import Actuation, Inference, Stamp, Verdict

SCORES_KEPT = 5
REGIONS_KEPT = 16
PUT_POLL_S = 0.25
SCORE_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Decided:
    """A result without its media and acknowledgements, and what they will be made of."""

    result: Result
    actuations: tuple[Future[Actuation], ...] = ()
    pixels: NDArray[np.uint8] | None = None
    """(height, width, 3) BGR."""
    segment: Segment | None = None
    heat: NDArray[np.float32] | None = None
    """(h, w) 0..1 over the picture, for its overlay."""


@dataclass(frozen=True, slots=True)
class Buried:
    """Something that did not become a result."""

    reason: TombstoneReason
    captured: Stamp
    detail: str
    count: int = 1


class Deciding:
    """Called by one thread at a time (the resequencer sees to it); blocks while recording does."""

    def __init__(
        self,
        *,
        lane: str,
        judges: Mapping[str, Judge],
        outputs: Sequence[Output],
        record: Channel[Decided | Buried],
        progress: Progress,
        clock: Clock,
    ) -> None:
        """`judges` by model id."""
        self._lane = lane
        self._judges = judges
        self._outputs = outputs
        self._record = record
        self._progress = progress
        self._clock = clock

    def decide(
        self, subject: Frame | Segment, answers: Sequence[Inference], *, tick: Callable[[], None]
    ) -> None:
        """Judge each model's answer about `subject`, drive the outputs, pass it on."""
        for answer in answers:
            audio_s = subject.start_s if isinstance(subject, Segment) else None
            verdict = self._judges[answer.model].judge(answer, subject.captured, audio_s=audio_s)
            futures = tuple(
                future for output in self._outputs if (future := output.apply(verdict)) is not None
            )
            latency_ms = self._latency_ms(subject)
            self._progress.decided(latency_ms, answer.preprocess_ms + answer.infer_ms)
            self._progress.count(verdict.kind.value)
            result = _result(self._lane, subject, answer, verdict, latency_ms)
            self._put(_decided(result, futures, subject, answer), tick)

    def _latency_ms(self, subject: Frame | Segment) -> float:
        """From the capture of a frame, or of a segment's last sample."""
        since_ns = subject.captured.boottime_ns
        if isinstance(subject, Segment):
            since_ns += int(subject.duration_s * NS_PER_S)
        return max(0.0, elapsed_ms(since_ns, self._clock.boottime_ns()))

    def no_read(
        self,
        source: str,
        verdict: Verdict,
        futures: tuple[Future[Actuation], ...],
        *,
        tick: Callable[[], None],
    ) -> None:
        """Record that the station cannot see."""
        self._progress.count(verdict.kind.value)
        now = self._clock.stamp()
        result = Result(
            lane=self._lane, source=source, source_seq=-1, captured=now, verdict=verdict
        )
        self._put(Decided(result, futures), tick)

    def bury(
        self, reason: TombstoneReason, captured: Stamp, detail: str, *, tick: Callable[[], None]
    ) -> None:
        """Record that something did not become a result."""
        self._put(Buried(reason, captured, detail), tick)

    def _put(self, item: Decided | Buried, tick: Callable[[], None]) -> None:
        while not self._record.put(item, timeout_s=PUT_POLL_S):
            tick()  # waiting for the ledger is not being stuck


def _decided(
    result: Result,
    futures: tuple[Future[Actuation], ...],
    subject: Frame | Segment,
    answer: Inference,
) -> Decided:
    if isinstance(subject, Frame):
        return Decided(result, futures, pixels=subject.pixels, heat=answer.heat)
    return Decided(result, futures, segment=subject)


def _result(
    lane: str, subject: Frame | Segment, answer: Inference, verdict: Verdict, latency_ms: float
) -> Result:
    segment = subject if isinstance(subject, Segment) else None
    return Result(
        lane=lane,
        source=subject.source,
        source_seq=subject.seq,
        captured=subject.captured,
        verdict=verdict,
        item=subject.item,
        model=answer.model,
        model_sha256=answer.model_sha256,
        scores=answer.scores[:SCORES_KEPT],
        regions=answer.regions[:REGIONS_KEPT],
        text=answer.text,
        start_s=round(segment.start_s, 4) if segment else None,
        duration_s=round(segment.duration_s, 4) if segment else None,
        infer_ms=round(answer.preprocess_ms + answer.infer_ms, 3),
        latency_ms=round(latency_ms, 3),
    )
