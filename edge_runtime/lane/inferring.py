"""The ``infer-N`` threads: first queue -> model -> deciding."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edge_runtime.channel import Closed
from edge_runtime.errors import ItemError
from edge_runtime.lane.resequence import Resequencer
from edge_runtime.types import AudioBlock, Frame, Segment, TombstoneReason

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge_runtime.channel import Channel
    from edge_runtime.gate.audio_gate import AudioGate
    from edge_runtime.lane.deciding import Deciding
    from edge_runtime.progress import Progress
    from edge_runtime.protocols import Runner
    from edge_runtime.types import Inference

GET_POLL_S = 0.25
BAD_IN_A_ROW = 50
"""So many bad items one after another are not bad items but a bad lane: give up and restart."""


@dataclass(frozen=True, slots=True)
class _Answered:
    subject: Frame | Segment
    answers: tuple[Inference, ...]
    error: str
    tick: Callable[[], None]


class FrameWork:
    """Frames into inferences, by any number of threads; decided in the order of capture."""

    def __init__(self, first: Channel[Frame], deciding: Deciding, progress: Progress) -> None:
        """Threads are made by the lane, each with runners of its own."""
        self._first = first
        self._settle = _Settle(deciding, progress)
        self._order: Resequencer[_Answered] = Resequencer(self._settle)
        self._progress = progress

    def run(self, loop: str, runners: Sequence[Runner]) -> None:
        """One worker, until the first queue is closed and empty."""

        def tick() -> None:
            self._progress.tick(loop)

        while True:
            tick()
            try:
                taken = self._first.get_numbered(GET_POLL_S)
            except Closed:
                break
            if taken is not None:
                number, frame = taken
                self._order.put(number, _infer_frame(frame, runners, tick), tick=tick)
        self._progress.end(loop)


class SoundWork:
    """Blocks into segments into inferences.  One thread."""

    def __init__(
        self,
        first: Channel[AudioBlock],
        gate: AudioGate,
        deciding: Deciding,
        progress: Progress,
    ) -> None:
        """`gate` is owned by this work's thread."""
        self._first = first
        self._gate = gate
        self._settle = _Settle(deciding, progress)
        self._progress = progress
        self._next_seq = 0

    def run(self, loop: str, runners: Sequence[Runner]) -> None:
        """Until the first queue is closed and empty; an open segment is then cut and answered."""

        def tick() -> None:
            self._progress.tick(loop)

        while True:
            tick()
            try:
                block = self._first.get(GET_POLL_S)
            except Closed:
                break
            if block is not None:
                self._answer(self._gate.feed(self._marked(block)), runners, tick)
        self._answer(self._gate.flush(), runners, tick)
        self._progress.end(loop)

    def _marked(self, block: AudioBlock) -> AudioBlock:
        """With its gap marked, where the first queue dropped the block before it."""
        lost = block.seq > self._next_seq and self._next_seq > 0
        self._next_seq = block.seq + 1
        if lost or block.has_gap:
            self._progress.count("gaps")
            return replace(block, has_gap=True)
        return block

    def _answer(
        self, segments: Sequence[Segment], runners: Sequence[Runner], tick: Callable[[], None]
    ) -> None:
        for segment in segments:
            self._settle(_infer_segment(segment, runners, tick))
            tick()


class _Settle:
    """Hands answers to `Deciding`, and bad items to the ledger; stops a lane of bad items only."""

    def __init__(self, deciding: Deciding, progress: Progress) -> None:
        self._deciding = deciding
        self._progress = progress
        self._bad_in_a_row = 0

    def __call__(self, answered: _Answered) -> None:
        if not answered.error:
            self._bad_in_a_row = 0
            self._deciding.decide(answered.subject, answered.answers, tick=answered.tick)
            return
        self._progress.count("bad_items")
        self._bad_in_a_row += 1
        self._deciding.bury(
            TombstoneReason.BAD_ITEM,
            answered.subject.captured,
            answered.error,
            tick=answered.tick,
        )
        if self._bad_in_a_row >= BAD_IN_A_ROW:
            raise ItemError(f"{self._bad_in_a_row} bad items in a row, the last: {answered.error}")


def _infer_frame(frame: Frame, runners: Sequence[Runner], tick: Callable[[], None]) -> _Answered:
    try:
        answers = tuple(runner.frame(frame.pixels) for runner in runners)
    except ItemError as exc:
        return _Answered(frame, (), str(exc), tick)
    return _Answered(frame, answers, "", tick)


def _infer_segment(
    segment: Segment, runners: Sequence[Runner], tick: Callable[[], None]
) -> _Answered:
    try:
        answers = tuple(runner.segment(segment.samples, segment.rate_hz) for runner in runners)
    except ItemError as exc:
        return _Answered(segment, (), str(exc), tick)
    return _Answered(segment, answers, "", tick)
