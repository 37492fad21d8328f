"""A microphone lane: the ``listen`` thread cuts segments, the ``infer`` thread asks the models.

``listen`` never waits for a model: between the two stands the segment channel.  A live source's
oldest whole segment goes when it is full, counted and told; a replay waits.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from edge_runtime import failpoint
from edge_runtime.channel import Channel, Closed, OnFull
from edge_runtime.errors import ItemError
from edge_runtime.lane.drops import Drops
from edge_runtime.lane.events import Begun, Looked, Unseen
from edge_runtime.lane.looking import look
from edge_runtime.types import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge_runtime.clock import Clock
    from edge_runtime.gate.audio_gate import AudioGate
    from edge_runtime.lane.drops import Burst
    from edge_runtime.lane.events import AnyEvent
    from edge_runtime.lane.inferring import Hands, Room
    from edge_runtime.lane.intake import Wanted
    from edge_runtime.lane.looking import Looker
    from edge_runtime.progress import Progress
    from edge_runtime.types import AudioBlock, Segment

LOOP = "listen"
GET_POLL_S = 0.25
SEGMENTS_LIVE = 16
"""Whole segments that wait for a model: at 15 s each four minutes of speech, 8 MB."""
SEGMENTS_REPLAY = 2


class Segments:
    """The segment channel, and what it dropped."""

    def __init__(self, *, live: bool, clock: Clock) -> None:
        """Empty."""
        self._clock = clock
        self._lock = threading.Lock()
        self._drops = Drops()
        self.channel: Channel[Segment] = Channel(
            SEGMENTS_LIVE if live else SEGMENTS_REPLAY,
            OnFull.DROP_OLDEST if live else OnFull.BLOCK,
            on_drop=self._dropped,
        )

    def bursts(self, *, at_once: bool = False) -> list[Burst]:
        """What was dropped and is over."""
        with self._lock:
            burst = self._drops.take(self._clock.boottime_ns(), at_once=at_once)
        return [burst] if burst else []

    def _dropped(self, segment: Segment) -> None:
        with self._lock:
            self._drops.add(segment.captured)


class Listening:
    """Owned by the ``listen`` thread: blocks into segments."""

    def __init__(
        self,
        first: Channel[AudioBlock],
        gate: AudioGate,
        segments: Segments,
        *,
        progress: Progress,
        on_gap: Callable[[AudioBlock], None],
        on_failure: Callable[[ItemError], None],
    ) -> None:
        """`on_gap`: of each block that lost sound before it; `on_failure`: the detector failed."""
        self._first = first
        self._gate = gate
        self._segments = segments
        self._progress = progress
        self._on_gap = on_gap
        self._on_failure = on_failure
        self._next_seq = 0

    def run(self) -> None:
        """Until the first queue is closed and empty; an open segment is then cut."""
        try:
            while True:
                self._progress.tick(LOOP)
                try:
                    block = self._first.get(GET_POLL_S)
                except Closed:
                    break
                if block is not None:
                    self._feed(self._marked(block))
            self._hand_over(self._gate.flush())
        finally:
            self._segments.channel.close()
            self._progress.end(LOOP)

    def _feed(self, block: AudioBlock) -> None:
        try:
            self._hand_over(self._gate.feed(block))
        except (
            ItemError
        ) as exc:  # the detector failed: what was open is gone, the next block begins
            self._progress.count("bad_items")
            self._on_failure(exc)

    def _marked(self, block: AudioBlock) -> AudioBlock:
        """With its gap marked, where the first queue dropped the block before it."""
        lost = block.seq > self._next_seq and self._next_seq > 0
        self._next_seq = block.seq + 1
        if lost or block.has_gap:
            self._progress.count("gaps")
            self._on_gap(block)
            return replace(block, has_gap=True)
        return block

    def _hand_over(self, found: Sequence[Segment]) -> None:
        for segment in found:
            while not self._segments.channel.put(segment, timeout_s=GET_POLL_S):
                self._progress.tick(LOOP)  # a replay: the models have time


class SoundWork:
    """Segments into findings.  One thread: a stream has one order."""

    def __init__(
        self,
        segments: Segments,
        wanted: Wanted,
        tell: Callable[[AnyEvent], None],
        *,
        hands: Hands,
        progress: Progress,
        room: Room,
    ) -> None:
        """`room`: of a source that can wait."""
        self._segments = segments
        self._wanted = wanted
        self._tell = tell
        self._hands = hands
        self._progress = progress
        self._room = room

    def run(self, loop: str, lookers: Sequence[Looker]) -> None:
        """Until the segment channel is closed and empty."""

        def tick() -> None:
            self._progress.tick(loop)

        while True:
            tick()
            self._room.wait(tick)
            try:
                taken = self._segments.channel.get_numbered(GET_POLL_S)
            except Closed:
                break
            if taken is not None:
                self._room.taken()
                self._look(loop, *taken, lookers)
        self._progress.end(loop)

    def _look(self, loop: str, number: int, segment: Segment, lookers: Sequence[Looker]) -> None:
        known = Unseen(number, segment.source, segment.item)
        self._tell(Begun(self._wanted.part(number, segment.captured), known))
        self._tell(Looked(number, "", segment))
        item = segment.item or ""
        self._hands.take(loop, item)
        try:
            for looker in sorted(lookers, key=lambda one: one.role is Role.SHADOW):
                self._progress.busy(loop, looker.patience_s + segment.duration_s)
                failpoint.reached("infer", item)
                self._tell(look(looker, segment, number=number, view="", frame=0))
        finally:
            self._hands.put_down(loop)
            self._progress.tick(loop)
