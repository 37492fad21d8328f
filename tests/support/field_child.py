"""The field process with the least of a supervisor, and lanes that say what a test wants."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.link.child_end import FD_VARIABLE, LISTEN_FD_VARIABLE
from edge_runtime.link.messages import (
    Acted,
    Admit,
    Alive,
    AnyMessage,
    Ask,
    Drive,
    Greet,
    Heartbeat,
    Hello,
    LaneIs,
    OutputState,
    Reply,
    Start,
    Stop,
    encode,
    receive,
)
from edge_runtime.types import Verdict, VerdictKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.config import Config

M = TypeVar("M")
REJECT = Verdict(VerdictKind.REJECT, "dent", 0.9, 0.5)
WAIT_S = 10.0


class Peer:
    """One end of a link: everything that comes is kept."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self.messages: list[AnyMessage] = []
        self.closed = threading.Event()
        self._changed = threading.Condition()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def send(self, message: AnyMessage) -> None:
        with self._lock:
            self._socket.sendall(encode(message))

    def of(self, kind: type[M]) -> list[M]:
        return [message for message in list(self.messages) if isinstance(message, kind)]

    def wait_for(self, what: Callable[[], bool], seconds: float = WAIT_S) -> None:
        with self._changed:
            ok = self._changed.wait_for(what, seconds)
        assert ok, f"not within {seconds} s; last: {self.messages[-3:]}"

    def hang_up(self) -> None:
        """As when the process ends."""
        with contextlib.suppress(OSError):  # the other end has gone before
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(WAIT_S)
        self._socket.close()

    def _read(self) -> None:
        while (message := self._receive()) is not None:
            with self._changed:
                self.messages.append(message)
                self._changed.notify_all()
        self.closed.set()
        with self._changed:
            self._changed.notify_all()

    def _receive(self) -> AnyMessage | None:
        try:
            return receive(self._socket)
        except OSError:
            return None


class FieldChild:
    """Starts ``python -m edge_runtime.field``.  A context manager that stops it."""

    def __init__(self, config: Config, listener: socket.socket | None = None) -> None:
        """`listener`: of the field process before, as the supervisor keeps it."""
        self.config = config
        data_dir = config.data_dir
        data_dir.mkdir(parents=True, exist_ok=True)
        self.path = data_dir / "field.sock"
        self.listener = listener or listen(self.path)
        ours, theirs = socket.socketpair()
        fds = (theirs.fileno(), self.listener.fileno())
        self.process = subprocess.Popen(
            [sys.executable, "-m", "edge_runtime.field"],
            pass_fds=fds,
            env={**os.environ, FD_VARIABLE: str(fds[0]), LISTEN_FD_VARIABLE: str(fds[1])},
        )
        theirs.close()
        self.peer = Peer(ours)
        self.lanes: list[LaneEnd] = []
        self.peer.send(Start("field", config))
        self._tokens = 0

    def wait_ready(self) -> FieldChild:
        self.peer.wait_for(lambda: bool(self.peer.of(Hello)))
        return self

    def lane(self, name: str, *, serving: bool = True) -> LaneEnd:
        """A lane that was admitted, has greeted, is served and alive."""
        token = f"token-{name}-{len(self.lanes)}"
        self.peer.send(Admit(name, token))
        lane = LaneEnd(self.path, name, token)
        self.lanes.append(lane)
        if serving:
            self.peer.send(LaneIs(name, "serving"))
            lane.begin()
        return lane

    def ask(self, what: str, **arguments: Any) -> Reply:
        self._tokens += 1
        token = self._tokens
        self.peer.send(Ask(token, what, arguments))
        self.peer.wait_for(lambda: any(r.token == token for r in self.peer.of(Reply)))
        return next(r for r in self.peer.of(Reply) if r.token == token)

    def state(self, output: str) -> OutputState:
        """As the last heartbeat said."""
        self.peer.wait_for(lambda: bool(self.peer.of(Heartbeat)))
        beat = self.peer.of(Heartbeat)[-1]
        return next(state for state in beat.outputs if state.output == output)

    def wait_state(self, output: str, what: Callable[[OutputState], bool]) -> OutputState:
        self.peer.wait_for(
            lambda: any(
                what(state)
                for beat in self.peer.of(Heartbeat)[-1:]
                for state in beat.outputs
                if state.output == output
            )
        )
        return self.state(output)

    def counters(self) -> dict[str, int]:
        beats = self.peer.of(Heartbeat)
        return dict(beats[-1].counters) if beats else {}

    def stop(self) -> int:
        self.peer.send(Stop())
        return self.ended()

    def supervisor_dies(self) -> int:
        self.peer.hang_up()
        return self.ended()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.ended()

    def ended(self) -> int:
        code = self.process.wait(15)
        self.peer.hang_up()
        for lane in self.lanes:
            lane.die()
        return code

    def __enter__(self) -> FieldChild:
        return self.wait_ready()

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.ended()
        self.listener.close()


class LaneEnd(Peer):
    """A lane's end: alive, four times a second, until it is told to be silent."""

    def __init__(self, path: Path, name: str, token: str, *, period_s: float = 0.05) -> None:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connect(connection, path)
        super().__init__(connection)
        self.name = name
        self.decides = self.sees = True
        self.taken = 0
        """The last trigger that it has taken."""
        self._period_s = period_s
        self._quiet = threading.Event()
        self._alive: threading.Thread | None = None
        self._tokens = 0
        self.send(Greet(name, token))

    def begin(self) -> None:
        """The decide loop turns from now on."""
        self._quiet.clear()
        self._alive = threading.Thread(target=self._say_alive)
        self._alive.start()

    def hang(self) -> None:
        """The decide loop stands; the link stays."""
        self._quiet.set()
        if self._alive is not None:
            self._alive.join(WAIT_S)

    def die(self) -> None:
        """As kill -9."""
        self.hang()
        self.hang_up()

    def drive(self, output: str, *, at_ns: int | None = None, verdict: Verdict = REJECT) -> int:
        self._tokens += 1
        at_ns = SYSTEM_CLOCK.boottime_ns() if at_ns is None else at_ns
        self.send(Drive(self._tokens, output, verdict, f"part-{self._tokens}", at_ns))
        return self._tokens

    def order(self, make: Callable[[int], AnyMessage]) -> int:
        self._tokens += 1
        self.send(make(self._tokens))
        return self._tokens

    def acted(self, token: int) -> list[Acted]:
        """All answers, the last one of which has come."""
        self.wait_for(lambda: any(a.last for a in self._to(token)))
        return self._to(token)

    def states(self, output: str) -> list[str]:
        return [state.state for state in self.of(OutputState) if state.output == output]

    def _to(self, token: int) -> list[Acted]:
        return [m for m in self.messages if isinstance(m, Acted) and m.token == token]

    def _say_alive(self) -> None:
        while not self._quiet.wait(self._period_s):
            try:
                detail = "" if self.sees else "the camera is away"
                self.send(Alive(self.decides, self.sees, detail, self.taken))
            except OSError:
                return


def listen(path: Path) -> socket.socket:
    """As the supervisor does, whatever the length of the path."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        listener.bind(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)
    listener.listen(16)
    return listener


def connect(connection: socket.socket, path: Path) -> None:
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        connection.connect(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)
