"""Entry point of a lane's process: ``python -m edge_runtime.lane``, a socket to the supervisor."""

from __future__ import annotations

import faulthandler
import functools
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_runtime import log as logs
from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.errors import EdgeRuntimeError, ExitCode
from edge_runtime.inference.engines.threads import limit_threads
from edge_runtime.lane.lane import Lane, Parts
from edge_runtime.lane.recording import Unstored
from edge_runtime.link.child_end import Link, LinkClosed, connect
from edge_runtime.link.messages import Done, Failed, Hello, Start, Stop, Stored
from edge_runtime.manifest import find_bundle, find_speech_bundle
from edge_runtime.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.inference.runner import LoadedModel
    from edge_runtime.protocols import Source

log = logging.getLogger(__name__)

HEARTBEAT_S = 0.5


def main() -> int:
    """Run one lane until its source ends or the supervisor says Stop; the exit code."""
    faulthandler.enable()  # the supervisor sends SIGABRT to a stuck lane: all stacks in the log
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # stopping comes over the link, in order
    link, start = connect()
    logs.set_up(start.name)
    limit_threads()  # before numpy and OpenCV are loaded: a lane's threads are counted
    try:
        return _run(link, start)
    except LinkClosed:
        return ExitCode.INTERNAL
    except EdgeRuntimeError as exc:
        link.send(Failed(int(exc.exit_code), str(exc)))
        return exc.exit_code


def _run(link: Link, start: Start) -> int:
    stop = threading.Event()
    progress = Progress(SYSTEM_CLOCK)
    config = start.config.lanes[start.name]
    unstored = Unstored(config.unstored_max)
    parts = _parts(start)
    lane = Lane(
        parts, link=link, unstored=unstored, progress=progress, clock=SYSTEM_CLOCK, stop=stop
    )
    reader = threading.Thread(
        target=_read, args=(link, unstored, stop, progress), name="link", daemon=True
    )
    reader.start()
    lane.start()
    loaded = [*parts.models, *([parts.vad] if parts.vad else [])]
    link.send(Hello(os.getpid(), {model.manifest.id: model.sha256 for model in loaded}))
    try:
        while lane.advance(HEARTBEAT_S):
            link.send(progress.heartbeat(lane.counters()))
    finally:
        lane.close()
    progress.set_state("done")
    link.send(progress.heartbeat(lane.counters()))
    link.send(Done())
    return ExitCode.OK


def _read(link: Link, unstored: Unstored, stop: threading.Event, progress: Progress) -> None:
    """The ``link`` thread: what the supervisor says."""
    while True:
        message = link.receive()
        if isinstance(message, Stored):
            unstored.stored(message.tokens)
        elif isinstance(message, Stop):
            progress.set_state("draining")
            stop.set()
        elif message is None:
            os._exit(ExitCode.INTERNAL)  # the ledger is gone: nothing that we do counts any more


def _parts(start: Start) -> Parts:
    from edge_runtime.field import open_output
    from edge_runtime.inference import load_model
    from edge_runtime.ledger.media import MediaStore

    config = start.config
    lane = config.lanes[start.name]
    models_dir = Path(config.device.models_dir) if config.device.models_dir else None
    verified = config.data_dir / "verified"
    models: list[LoadedModel] = [
        load_model(find_bundle(name, models_dir), runtime=lane.runtime, verified=verified)
        for name in lane.all_models
    ]
    vad = None
    if lane.vad_model is not None:
        vad = load_model(find_speech_bundle(lane.vad_model, models_dir), verified=verified)
    return Parts(
        name=start.name,
        config=lane,
        source=_source(start),
        models=models,
        vad=vad,
        outputs=[
            open_output(name, config.outputs[name], clock=SYSTEM_CLOCK) for name in lane.outputs
        ],
        media=MediaStore(config.data_dir),
        wanted=_frame_gate(start),
    )


def _source(start: Start) -> Source[Any]:
    from edge_runtime.capture import open_source

    is_done = None
    if start.done_before:
        from edge_runtime.ledger.queries import LedgerReader

        ledger = LedgerReader(start.config.data_dir)
        is_done = functools.partial(ledger.has_item, start.name)
    return open_source(
        start.config.lanes[start.name],
        clock=SYSTEM_CLOCK,
        resume_after=start.resume_after,
        is_done=is_done,
    )


def _frame_gate(start: Start) -> Callable[[Any], bool]:
    lane = start.config.lanes[start.name]
    if not lane.is_camera:
        return _every_block  # the microphone's gate comes behind its first queue
    from edge_runtime.gate.frames import IntervalGate

    return IntervalGate(lane.gate.interval_s).wants


def _every_block(_: object) -> bool:
    return True


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    # Threads of drivers that do not return must not hold up the exit: everything is durable.
    os._exit(code)
