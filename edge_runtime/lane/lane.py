"""A lane, put together: parts chosen by config, one thread a stage, stopped by end-of-file."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_runtime import rules
from edge_runtime.capture.address import redacted
from edge_runtime.channel import Channel, OnFull
from edge_runtime.inference.pictures.region_of_interest import of_region
from edge_runtime.lane.capturing import LOOP as CAPTURE
from edge_runtime.lane.capturing import Capturing
from edge_runtime.lane.deciding import Deciding
from edge_runtime.lane.faults import FaultLine
from edge_runtime.lane.inferring import FrameWork, SoundWork
from edge_runtime.lane.recording import LOOP as RECORD
from edge_runtime.lane.recording import Recording, Unstored
from edge_runtime.types import TombstoneReason

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from edge_runtime.clock import Clock
    from edge_runtime.config import Lane as LaneConfig
    from edge_runtime.inference.runner import LoadedModel
    from edge_runtime.ledger.media import MediaStore
    from edge_runtime.link.child_end import Link
    from edge_runtime.progress import Progress
    from edge_runtime.protocols import Output, Source
    from edge_runtime.types import Actuation

log = logging.getLogger(__name__)

LIVE_FRAMES = 1
"""A newest-wins mailbox: a fresh frame replaces the one that waits (PERF: 1.06-1.35 x service)."""
REPLAY_FRAMES = 4
REPLAY_BLOCKS = 16
RECORD_ITEMS = 8
"""Decided items that wait for their evidence: 8 frames of 1280x720 are 22 MB."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a lane is made of, each finished and not yet started."""

    name: str
    config: LaneConfig
    source: Source[Any]
    models: Sequence[LoadedModel]
    outputs: Sequence[Output]
    media: MediaStore
    vad: LoadedModel | None
    """The microphone gate's, where it is a model."""
    wanted: Callable[[Any], bool]
    """The frame gate; microphones take every block."""


class Lane:
    """Runs `Parts`.  Owned by the main thread of the lane's process."""

    def __init__(
        self,
        parts: Parts,
        *,
        link: Link,
        unstored: Unstored,
        progress: Progress,
        clock: Clock,
        stop: threading.Event,
    ) -> None:
        """Wire the stages; no thread runs yet."""
        self._parts = parts
        self._progress = progress
        self._clock = clock
        self._stop = stop
        self._link = link
        self._unstored = unstored
        self._failure: BaseException | None = None
        self._first = _first_queue(parts)
        self._record: Channel[Any] = Channel(RECORD_ITEMS, OnFull.BLOCK)
        self._deciding = Deciding(
            lane=parts.name,
            judges={
                model.manifest.id: rules.Judge(
                    parts.config.rules,
                    model.manifest,
                    is_camera=parts.config.is_camera,
                    siblings=[other.manifest for other in parts.models if other is not model],
                )
                for model in parts.models
            },
            outputs=parts.outputs,
            record=self._record,
            progress=progress,
            clock=clock,
        )
        self._workers: list[threading.Thread] = []
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start outputs, then stages from the last to the first: nobody waits for a consumer."""
        for output in self._parts.outputs:
            output.start()
        self._workers = self._make_workers()
        capture = self._thread(CAPTURE, self._capturing().run)
        record = self._thread(RECORD, self._recording().run)
        self._threads = [record, *self._workers, capture]
        for thread in self._threads:
            thread.start()

    def advance(self, timeout_s: float) -> bool:
        """Wait a little; False once every stage has drained.  Raises what a stage raised."""
        alive = [thread for thread in self._threads if thread.is_alive()]
        if alive:
            alive[0].join(timeout_s)
        if self._failure is not None:
            raise self._failure
        if not any(worker.is_alive() for worker in self._workers):
            self._record.close()  # the cascade's last step: nobody puts any more
        return any(thread.is_alive() for thread in self._threads)

    def counters(self) -> dict[str, int]:
        """Counters that are kept outside `Progress`."""
        first = self._first.stats()
        counters = {
            "dropped": first.dropped,
            "waiting": first.depth,
            "unstored": len(self._unstored),
        }
        for output in self._parts.outputs:
            for name, value in output.counters().items():
                counters[f"{output.name}.{name}"] = value
        return counters

    def close(self) -> None:
        """Let go of outputs and models."""
        for output in self._parts.outputs:
            output.close()
        for model in (*self._parts.models, *([self._parts.vad] if self._parts.vad else [])):
            model.close()

    def _capturing(self) -> Capturing[Any]:
        config = self._parts.config
        faults = FaultLine(
            self._parts.outputs,
            self._report_fault,
            drive_outputs=config.rules.on_fault == "reject",
            progress=self._progress,
            clock=self._clock,
        )
        return Capturing(
            self._parts.source,
            self._first,
            faults=faults,
            progress=self._progress,
            clock=self._clock,
            stop=self._stop,
            wanted=self._parts.wanted,
            retry=self._parts.source.live or config.capture.watch,
            on_bad_item=self._bury_bad_item,
        )

    def _recording(self) -> Recording:
        return Recording(
            lane=self._parts.name,
            record=self._record,
            media=self._parts.media,
            keep=self._parts.config.media,
            link=self._link,
            unstored=self._unstored,
            progress=self._progress,
        )

    def _make_workers(self) -> list[threading.Thread]:
        config = self._parts.config
        work: FrameWork | SoundWork
        if config.is_camera:
            work = FrameWork(self._first, self._deciding, self._progress)
            count = config.workers
        else:
            work = SoundWork(self._first, self._audio_gate(), self._deciding, self._progress)
            count = 1  # a stream has one order
        return [self._worker(f"infer-{number}", work) for number in range(count)]

    def _worker(self, loop: str, work: FrameWork | SoundWork) -> threading.Thread:
        # A runner, and a TFLite interpreter inside it, belongs to one thread: made there.
        def run() -> None:
            roi = self._parts.config.gate.roi
            work.run(loop, [of_region(model.runner(), roi) for model in self._parts.models])

        return self._thread(loop, run)

    def _audio_gate(self) -> Any:  # noqa: ANN401 - imported lazily
        from edge_runtime.gate.audio_gate import AudioGate
        from edge_runtime.gate.vad import open_scorer

        gate, vad = self._parts.config.gate, self._parts.vad
        scorer = open_scorer(gate) if vad is None else vad.speech_scorer()
        return AudioGate(
            gate, scorer, source=self._parts.config.source, live=self._parts.source.live
        )

    def _thread(self, name: str, run: Callable[[], None]) -> threading.Thread:
        def guarded() -> None:
            try:
                run()
            except BaseException as exc:  # noqa: BLE001 - raised again by advance()
                self._failure = self._failure or exc
                self._stop.set()

        return threading.Thread(target=guarded, name=name, daemon=True)

    def _report_fault(self, reason: str, futures: tuple[Future[Actuation], ...]) -> None:
        self._deciding.no_read(
            redacted(self._parts.config.source),
            rules.no_read(reason),
            futures,
            tick=self._tick_capture,
        )

    def _bury_bad_item(self, reason: str) -> None:
        self._progress.count("bad_items")
        log.warning("bad_item reason=%s", reason)
        self._deciding.bury(
            TombstoneReason.BAD_ITEM, self._clock.stamp(), reason, tick=self._tick_capture
        )

    def _tick_capture(self) -> None:
        self._progress.tick(CAPTURE)


def _first_queue(parts: Parts) -> Channel[Any]:
    """The one place where this lane may lose something, by the source's nature."""
    on_full = OnFull.DROP_OLDEST if parts.source.live else OnFull.BLOCK
    if parts.config.is_camera:
        return Channel(LIVE_FRAMES if parts.source.live else REPLAY_FRAMES, on_full)
    capture = parts.config.capture
    blocks = max(2, round(capture.queue_s * 1000 / capture.block_ms))
    return Channel(blocks if parts.source.live else REPLAY_BLOCKS, on_full)
