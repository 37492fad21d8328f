"""A lane, put together: parts chosen by config, one thread a stage, stopped by end-of-file.

Stages are started from the last to the first, so that nobody waits for a consumer, and end from the
first to the last: the sources end, the workers drain the intake, ``decide`` closes what is open,
``record`` sends what is left and waits until it is settled.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from edge_runtime.lane.capturing import Capturing
from edge_runtime.lane.deciding import LOOP as DECIDE
from edge_runtime.lane.deciding import dropped
from edge_runtime.lane.inferring import FrameWork, Hands
from edge_runtime.lane.keeping import LOOP as EVIDENCE
from edge_runtime.lane.listening import LOOP as LISTEN
from edge_runtime.lane.listening import Listening, SoundWork
from edge_runtime.lane.models import lookers_of
from edge_runtime.lane.recording import LOOP as RECORD
from edge_runtime.lane.sinks import ViewSink
from edge_runtime.protocols import HasDevice, HasNotes, HasVitals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from edge_runtime.lane.capturing import Sink
    from edge_runtime.lane.wiring import Parts, Stages
    from edge_runtime.protocols import Source

log = logging.getLogger(__name__)


class Lane:
    """Runs the stages.  Owned by the main thread of the lane's process."""

    def __init__(self, parts: Parts, stages: Stages, stop: threading.Event) -> None:
        """Everything is made; no thread runs yet."""
        self._parts = parts
        self._stages = stages
        self._stop = stop
        self._failure: BaseException | None = None
        self._hands = Hands(parts.page, careful=parts.is_careful)
        self._captures: list[threading.Thread] = []
        self._workers: list[threading.Thread] = []
        self._decide = self._thread(DECIDE, stages.deciding.run)
        self._evidence = self._thread(EVIDENCE, stages.keeping.run)
        self._record = self._thread(RECORD, stages.recording.run)
        self._room = WaitingRoom(parts, stages, lambda: self._failure is not None)
        self._is_drained = self._is_finished = False

    def start(self) -> None:
        """Start the far side, then stages from the last to the first."""
        self._make_front()
        self._stages.far.start()
        for thread in (self._record, self._evidence, self._decide, *self._workers, *self._captures):
            thread.start()

    def advance(self, timeout_s: float) -> bool:
        """Wait a little; False once every stage has drained.  Raises what a stage raised."""
        alive = [thread for thread in self._threads if thread.is_alive()]
        if alive:
            alive[0].join(timeout_s)
        if self._failure is not None:
            raise self._failure
        self._end_what_is_over()
        return any(thread.is_alive() for thread in self._threads)

    def counters(self) -> dict[str, int]:
        """Counters that are kept outside `Progress`."""
        return self._stages.counters()

    def gauges(self) -> None:
        """Put what sources and the page tell into `Progress`; say which device answers."""
        self._parts.progress.gauge("unstored", float(self._parts.page.unstored_now()[0]))
        for name, value in vitals_of(self._parts.sources.values()).items():
            self._parts.progress.gauge(name, value)
        for source in self._parts.sources.values():
            if isinstance(source, HasDevice) and (found := source.answering()) is not None:
                self._parts.progress.say(
                    {
                        "device": found.device,
                        "device_told": found.told,
                        "why_silent": found.why_silent,
                    }
                )
        self._parts.progress.say(notes_of(self._parts.sources.values()))

    def close(self) -> None:
        """Let go of the far side (in order only where every stage has drained) and of models."""
        drained = self._failure is None and not any(t.is_alive() for t in self._threads)
        self._stages.far.close(orderly=drained)
        for model in self._parts.loaded:
            model.close()

    @property
    def _threads(self) -> list[threading.Thread]:
        return [*self._captures, *self._workers, self._decide, self._evidence, self._record]

    def _end_what_is_over(self) -> None:
        """The cascade: each stage is told that no more comes once all before it have ended."""
        if any(thread.is_alive() for thread in self._captures):
            return
        self._stages.close_front()
        if any(thread.is_alive() for thread in self._workers):
            return
        if not self._is_drained:
            self._is_drained = True
            for burst in self._stages.drain_front():
                self._stages.deciding.tell(dropped(burst))
            self._stages.deciding.close()
        if self._decide.is_alive():
            return
        self._stages.keeping.close()
        if not self._evidence.is_alive() and not self._is_finished:
            self._is_finished = True
            self._stages.recording.finish()

    def _make_front(self) -> None:
        if self._parts.config.is_camera:
            self._make_views()
        else:
            self._make_ear()

    def _make_views(self) -> None:
        parts, stages = self._parts, self._stages
        intake = stages.intake
        assert intake is not None
        work = FrameWork(
            intake,
            stages.deciding.tell,
            hands=self._hands,
            progress=parts.progress,
            room=self._room,
            clock=parts.clock,
        )
        self._workers = [
            self._worker(f"infer-{number}", work) for number in range(parts.config.workers)
        ]
        # Of several views the first makes the parts: thinned out there, the others would only miss
        # the pictures that belong to it.
        first = next(iter(parts.sources))
        for view, source in parts.sources.items():
            wanted = parts.wanted if view == first else _every
            sink = ViewSink(
                view,
                intake,
                address=parts.addresses[view],
                live=source.live,
                takes=lambda: stages.deciding.takes_parts,
                tell=stages.deciding.tell,
                progress=parts.progress,
                clock=parts.clock,
                stop=self._stop,
            )
            self._captures.append(self._capture(view, source, sink, wanted))

    def _make_ear(self) -> None:
        from edge_runtime.gate.audio_gate import AudioGate
        from edge_runtime.gate.vad import open_scorer

        parts, stages = self._parts, self._stages
        (source,) = parts.sources.values()
        sink, segments = stages.blocks, stages.segments
        assert sink is not None
        assert segments is not None
        gate, vad = parts.config.gate, parts.vad
        scorer = open_scorer(gate) if vad is None else vad.speech_scorer()
        listening = Listening(
            sink.channel,
            AudioGate(gate, scorer, source=parts.addresses[""], live=source.live),
            segments,
            progress=parts.progress,
            on_gap=sink.lost_before,
            on_failure=sink.bad,
        )
        work = SoundWork(
            segments,
            parts.wants,
            stages.deciding.tell,
            hands=self._hands,
            progress=parts.progress,
            room=self._room,
        )

        def infer() -> None:
            work.run("infer-0", lookers_of(parts)[""])

        listen = self._thread(LISTEN, listening.run)
        self._workers = [listen, self._thread("infer-0", infer)]
        self._captures = [self._capture("", source, sink, _every)]

    def _worker(self, loop: str, work: FrameWork) -> threading.Thread:
        # A runner, and a TFLite interpreter inside it, belongs to one thread: made there.
        return self._thread(loop, lambda: work.run(loop, lookers_of(self._parts)))

    def _capture(
        self, view: str, source: Source[Any], sink: Sink[Any], wanted: Callable[[Any], bool]
    ) -> threading.Thread:
        capture = self._parts.config.all_views[view].capture
        limits = capture or self._parts.config.capture
        capturing: Capturing[Any] = Capturing(
            view,
            source,
            sink,
            tell=self._stages.deciding.tell,
            progress=self._parts.progress,
            clock=self._parts.clock,
            stop=self._stop,
            wanted=wanted,
            is_gated=wanted is not _every and self._parts.config.gate.interval_s is not None,
            retry=source.live or (capture is not None and capture.watch),
        )
        capturing.allow(
            open_s=limits.open_timeout_s, read_s=max(limits.read_timeout_s, limits.poll_s)
        )
        return self._thread(capturing.loop, capturing.run)

    def _thread(self, name: str, run: Callable[[], None]) -> threading.Thread:
        def guarded() -> None:
            try:
                run()
            except BaseException as exc:  # noqa: BLE001 - raised again by advance()
                self._failure = self._failure or exc
                self._stop.set()

        # Daemon: a driver that does not return must not hold up the exit of a failed lane.
        return threading.Thread(target=guarded, name=name, daemon=True)


class WaitingRoom:
    """Satisfies `inferring.Room`.  Live sources never wait."""

    def __init__(self, parts: Parts, stages: Stages, gives_up: Callable[[], bool]) -> None:
        """`gives_up`: the lane has failed."""
        self._is_live = parts.is_live
        self._keeping = stages.keeping
        self._window = stages.window
        self._clock = parts.clock
        self._gives_up = gives_up
        self._never = threading.Event()

    def wait(self, tick: Callable[[], None]) -> None:
        """See `inferring.Room`."""
        if self._is_live:
            return
        while self._keeping.is_behind() and not self._gives_up():
            tick()
            self._clock.wait(self._never, 0.02)
        self._window.wait_room(tick, self._gives_up)

    def taken(self) -> None:
        """See `inferring.Room`."""
        if not self._is_live:
            self._window.ahead()


def _every(_: object) -> bool:
    """A microphone's gate comes behind its first queue, and of several views one is thinned out."""
    return True


def vitals_of(sources: Iterable[object]) -> dict[str, float]:
    """What a lane's sources measure of themselves: of several, losses add up, else the largest."""
    told: dict[str, list[float]] = {}
    for source in sources:
        if isinstance(source, HasVitals):
            for name, value in source.vitals().items():
                told.setdefault(name, []).append(value)
    return {name: (sum if name == "lost_packets" else max)(each) for name, each in told.items()}


def notes_of(sources: Iterable[object]) -> dict[str, str]:
    """What a person should know of a lane's sources; what is no more is told as empty."""
    told: dict[str, list[str]] = {"differs": [], "unheard": [], "left_out": []}
    for source in sources:
        if isinstance(source, HasNotes):
            for name, text in source.notes().items():
                told[name] += [text] if text and text not in told[name] else []
    return {name: "; ".join(texts) for name, texts in told.items()}
