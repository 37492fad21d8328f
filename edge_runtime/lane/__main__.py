"""Entry point of a lane's process: ``python -m edge_runtime.lane``, a socket to the supervisor."""

from __future__ import annotations

import functools
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_runtime import failpoint
from edge_runtime import log as logs
from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.errors import EdgeRuntimeError, ExitCode, NoInput, SourceUnavailable
from edge_runtime.inference.engines.threads import limit_threads
from edge_runtime.lane.events import RoomIs
from edge_runtime.lane.lane import Lane
from edge_runtime.lane.models import expected_ms, load_all
from edge_runtime.lane.wiring import Parts, wire
from edge_runtime.link.child_end import Link, LinkClosed, connect, keep_stacks, set_name
from edge_runtime.link.in_hand import Page
from edge_runtime.link.messages import (
    Ask,
    Done,
    Failed,
    Hello,
    Reply,
    Room,
    Serve,
    Start,
    Stop,
    Stored,
    Triggered,
)
from edge_runtime.manifest import find_speech_bundle
from edge_runtime.progress import Progress

if TYPE_CHECKING:
    from edge_runtime.lane.wiring import Stages
    from edge_runtime.link.messages import AnyMessage
    from edge_runtime.protocols import Source

log = logging.getLogger(__name__)

HEARTBEAT_S = 0.5


def main() -> int:
    """Run one lane until its source ends or the supervisor says Stop; the exit code."""
    keep_stacks()  # the supervisor sends SIGABRT to a stuck lane: all stacks in the log
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # stopping comes over the link, in order
    link, start = connect()
    set_name(f"edge-{start.name}")
    logs.set_up(start.name, own_stream=True)
    failpoint.reached("lane_start", start.name)
    limit_threads()  # before numpy and OpenCV are loaded: a lane's threads are counted
    try:
        return _run(link, start)
    except LinkClosed:
        return ExitCode.INTERNAL
    except EdgeRuntimeError as exc:
        link.send(Failed(int(exc.exit_code), str(exc), getattr(exc, "code", "")))
        return exc.exit_code


def _run(link: Link, start: Start) -> int:
    parts = _parts(link, start)
    stages = wire(parts)
    _try_recordings(parts)
    loaded = {model.manifest.id: model.sha256 for model in parts.loaded}
    link.send(Hello(os.getpid(), loaded, expected_ms(parts.config, parts.models)))
    stop, serve = threading.Event(), threading.Event()
    reader = threading.Thread(
        target=_read, args=(link, stages, parts.progress, stop, serve), name="link", daemon=True
    )
    reader.start()
    serve.wait()  # nothing is looked at before the station says so
    lane = Lane(parts, stages, stop)
    if not stop.is_set():
        lane.start()
        link.send(parts.progress.heartbeat(lane.counters()))  # from here on its loops are watched
    try:
        while lane.advance(HEARTBEAT_S):
            lane.gauges()
            link.send(parts.progress.heartbeat(lane.counters()))
    finally:
        lane.close()
    parts.progress.set_state("done")
    link.send(parts.progress.heartbeat(lane.counters()))
    link.send(Done())
    return ExitCode.OK


def _try_recordings(parts: Parts) -> None:
    """A recording that is not there is refused now, while somebody looks.  Raises `NoInput`."""
    if parts.is_live or parts.config.capture.watch:
        return
    for source in parts.sources.values():
        try:
            source.open()
        except SourceUnavailable as exc:
            raise NoInput(str(exc)) from exc
        finally:
            source.close()


def _read(
    link: Link,
    stages: Stages,
    progress: Progress,
    stop: threading.Event,
    serve: threading.Event,
) -> None:
    """The ``link`` thread: what the supervisor says."""
    while True:
        message = link.receive()
        if message is None:
            os._exit(ExitCode.INTERNAL)  # the ledger is gone: nothing that we do counts any more
        if isinstance(message, Serve):
            serve.set()
        elif isinstance(message, Stop):
            progress.set_state("draining")
            stop.set()
            serve.set()
        else:
            _hear(message, link, stages)


def _hear(message: AnyMessage, link: Link, stages: Stages) -> None:
    match message:
        case Stored():
            stages.recording.stored(message.tokens, message.seqs)
        case Room():
            stages.deciding.tell(RoomIs(message.full))
        case Triggered():
            why_not = stages.trigger(message.trigger)
            if why_not:
                log.warning("trigger_refused reason=%s", why_not)
        case Ask():
            link.send(Reply(message.token, error=f"a lane cannot '{message.what}'"))
        case _:
            log.warning("unexpected_message type=%s", type(message).__name__)


def _parts(link: Link, start: Start) -> Parts:
    from edge_runtime.ledger.media import MediaStore
    from edge_runtime.redaction import redacted

    whole = start.config
    config = whole.lanes[start.name]
    verified = whole.data_dir / "verified"
    models = load_all(config, start.models, verified)
    vad = None
    if config.vad_model is not None:
        from edge_runtime.inference import load_model

        models_dir = Path(whole.device.models_dir) if whole.device.models_dir else None
        vad = load_model(find_speech_bundle(config.vad_model, models_dir), verified=verified)
    page = Page(Path(start.page_path))
    return Parts(
        name=start.name,
        config=config,
        whole=whole,
        sources=_sources(start, page),
        addresses={view: redacted(one.source) for view, one in config.all_views.items()},
        models=models,
        vad=vad,
        media=MediaStore(whole.data_dir),
        link=link,
        page=page,
        is_careful=start.one_at_a_time,
        progress=Progress(SYSTEM_CLOCK),
        clock=SYSTEM_CLOCK,
        wanted=_frame_gate(start),
        field_path=start.field_path,
        field_token=start.field_token,
    )


def _sources(start: Start, page: Page) -> dict[str, Source[Any]]:
    from edge_runtime.capture import open_source

    config = start.config.lanes[start.name]
    is_done = None
    if start.done_before:
        from edge_runtime.ledger.queries import LedgerReader

        ledger = LedgerReader(start.config.data_dir)
        is_done = functools.partial(ledger.has_item, start.name)
    return {
        view: open_source(
            one.source,
            one.capture or config.capture,
            is_camera=config.is_camera,
            clock=SYSTEM_CLOCK,
            resume_after=start.resume_after,
            is_done=is_done,
            skip=frozenset(start.skip),
            in_hand=functools.partial(page.put, "capture") if len(config.all_views) == 1 else None,
            name=view,
            interval_s=config.gate.interval_s,
        )
        for view, one in config.all_views.items()
    }


def _frame_gate(start: Start) -> Any:  # noqa: ANN401 - a gate of frames or of blocks
    from edge_runtime.capture import waits_by_itself
    from edge_runtime.gate.frames import IntervalGate

    lane = start.config.lanes[start.name]
    waits = waits_by_itself(lane.source, lane.capture)
    return IntervalGate(None if waits else lane.gate.interval_s).wants


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    # Threads of drivers that do not return must not hold up the exit: everything is durable.
    os._exit(code)
