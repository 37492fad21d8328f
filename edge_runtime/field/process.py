"""The field process: holds every far side's connection, and the lanes' dead man's handle.

``main`` looks at the time many times in `dead_man_s` · ``link`` what the supervisor says ·
``heartbeat`` what we say, twice a second · ``accept``, ``lane-in``, ``lane-out`` the lanes' links ·
``far-…`` one a far side.  No native code: what ends a lane cannot end it.

It goes by its links alone.  systemd sends TERM to every process of the unit, and the watchdog ABRT;
it ignores these, because the line is to be made safe *after* everything else has gone: when the
supervisor says Stop, or its end of the link closes.  It outlives the supervisor for that, for a few
seconds; a lock keeps the next field process waiting meanwhile.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import signal
import socket
import threading
from typing import TYPE_CHECKING, Any

import msgspec

from edge_runtime import log as logs
from edge_runtime.clock import NS_PER_S, SYSTEM_CLOCK
from edge_runtime.config import Config
from edge_runtime.errors import EdgeRuntimeError, ExitCode, LedgerLocked
from edge_runtime.field.serving import LaneServer
from edge_runtime.field.station import Station
from edge_runtime.link.child_end import (
    LISTEN_FD_VARIABLE,
    Link,
    LinkClosed,
    connect,
    keep_stacks,
    set_name,
)
from edge_runtime.link.messages import (
    Admit,
    Ask,
    Done,
    Failed,
    Heartbeat,
    Hello,
    LaneIs,
    NewEvent,
    NewTombstone,
    Reply,
    Start,
    Stop,
)
from edge_runtime.progress import Progress
from edge_runtime.types import Event

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

log = logging.getLogger(__name__)

LOCK = "field.lock"
LOCK_S = 7.0
"""Longer than the one before may take to make the line safe."""
LOCK_POLL_S = 0.02
HEARTBEAT_S = 0.5
LOOKS = 10
"""So many looks at the time in `dead_man_s`."""
LOOK_MAX_S = 0.1
LOOK_MIN_S = 0.001
IGNORED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGABRT)


def main() -> int:
    """Run until the supervisor says Stop or goes away; the exit code."""
    keep_stacks()
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    set_name("edge-field")
    listener = socket.socket(fileno=int(os.environ.pop(LISTEN_FD_VARIABLE)))
    link, start = connect(outlives=True)
    logs.set_up(start.name, own_stream=True)
    try:
        with _only_one(start.config.data_dir):
            return Field(link, start, listener).run()
    except LinkClosed:
        return ExitCode.INTERNAL
    except EdgeRuntimeError as exc:
        with contextlib.suppress(LinkClosed):
            link.send(Failed(int(exc.exit_code), str(exc)))
        return exc.exit_code
    finally:
        link.close()


class Field:
    """The process's threads around one `Station`."""

    def __init__(self, link: Link, start: Start, listener: socket.socket) -> None:
        """Nothing runs before `run`."""
        self._link = link
        self._dead_man_s = start.config.supervisor.dead_man_s
        self._progress = Progress(SYSTEM_CLOCK)
        self._station = Station(start.config, clock=SYSTEM_CLOCK, progress=self._progress)
        self._server = LaneServer(listener, self._station, clock=SYSTEM_CLOCK)
        self._stop = threading.Event()
        self._ended = threading.Event()
        self._is_orderly = False
        self._events = 0

    def run(self) -> int:
        """The exit code; 0 when it was told to stop."""
        self._station.start()
        self._server.start()
        for target, name in ((self._listen, "link"), (self._beat, "heartbeat")):
            threading.Thread(target=target, name=name, daemon=True).start()
        with contextlib.suppress(LinkClosed):  # then the link's thread knows, too
            self._link.send(Hello(os.getpid()))
        self._look()
        self._progress.busy("look", LOCK_S)
        self._station.close(orderly=self._is_orderly)
        self._ended.set()
        self._station.changed.set()
        self._server.close()
        log.info("field_ended orderly=%s", self._is_orderly)
        if not self._is_orderly:
            return ExitCode.INTERNAL
        with contextlib.suppress(LinkClosed):
            self._say("safe")
            self._link.send(Done())
        return ExitCode.OK

    def _look(self) -> None:
        """The ``main`` thread: the time."""
        pause_s = 0.0
        while not SYSTEM_CLOCK.wait(self._stop, pause_s):
            self._progress.tick("look")
            pause_s = min(LOOK_MAX_S, self._dead_man_s / LOOKS)
            next_ns = self._station.turn()
            if next_ns is not None:  # not a look later than a lane's time is over
                left_s = (next_ns - SYSTEM_CLOCK.boottime_ns()) / NS_PER_S
                pause_s = max(LOOK_MIN_S, min(pause_s, left_s))

    def _listen(self) -> None:
        """The ``link`` thread."""
        while not self._stop.is_set():
            message = self._link.receive()
            match message:
                case None:
                    log.error("supervisor_gone: the line is made safe")
                    self._stop.set()
                case Stop():
                    self._is_orderly = True
                    self._stop.set()
                case Admit():
                    self._station.admit(message.lane, message.token)
                case LaneIs():
                    self._station.lane_is(message)
                case Ask():
                    # In a thread: a far side that is made anew takes seconds, and Stop does not.
                    threading.Thread(
                        target=self._answer, args=(message,), name="ask", daemon=True
                    ).start()
                case _:
                    pass

    def _answer(self, ask: Ask) -> None:
        try:
            reply = Reply(ask.token, self._carry_out(ask.what, ask.arguments))
        except (ValueError, KeyError, TypeError, msgspec.ValidationError) as exc:
            reply = Reply(ask.token, error=str(exc) or type(exc).__name__)
        with contextlib.suppress(LinkClosed):
            self._link.send(reply)

    def _carry_out(self, what: str, arguments: dict[str, Any]) -> Any:  # noqa: ANN401 - as asked
        match what:
            case "outputs":
                return msgspec.to_builtins(self._station.states())
            case "bypass":
                name, why = str(arguments["output"]), str(arguments["why"])
                state = self._station.bypass(name, float(arguments["seconds"]), why)
                return msgspec.to_builtins(state)
            case "unbypass":
                return msgspec.to_builtins(self._station.unbypass(str(arguments["output"])))
            case "reconfigure":
                config = msgspec.convert(arguments["config"], Config)
                return {"restarted": self._station.reconfigure(config)}
            case _:
                raise ValueError(f"the field process does not know '{what}'")

    def _beat(self) -> None:
        """The ``heartbeat`` thread.  Alone with what may block while nobody reads."""
        try:
            while not self._ended.is_set():
                # At once when an output is held or away: nobody is shown what was.
                SYSTEM_CLOCK.wait(self._station.changed, HEARTBEAT_S)
                self._station.changed.clear()
                if not self._ended.is_set():
                    self._say(None)
        except LinkClosed:
            self._stop.set()

    def _say(self, state: str | None) -> None:
        events = self._station.events
        while events:
            self._events += 1
            told = events[0]
            self._link.send(
                NewEvent(self._events, told)
                if isinstance(told, Event)
                else NewTombstone(self._events, told)
            )
            events.popleft()
        outputs = self._station.states()
        is_safe = bool(outputs) and all(output.state == "held" for output in outputs)
        beat = self._progress.heartbeat(self._station.counters())
        self._link.send(
            Heartbeat(
                state=state or ("safe" if is_safe else "running"),
                loops=beat.loops,
                counters=beat.counters,
                gauges=beat.gauges,
                outputs=outputs,
            )
        )


@contextlib.contextmanager
def _only_one(data_dir: Path) -> Iterator[None]:
    """Wait for the one before to let go.  Raises `LedgerLocked` when it does not."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / LOCK).open("a+b") as file:
        until_ns = SYSTEM_CLOCK.boottime_ns() + int(LOCK_S * NS_PER_S)
        never = threading.Event()
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if SYSTEM_CLOCK.boottime_ns() >= until_ns:
                    raise LedgerLocked(
                        f"{data_dir / LOCK}: another field process has it, and does not end"
                    ) from None
                SYSTEM_CLOCK.wait(never, LOCK_POLL_S)
        yield
