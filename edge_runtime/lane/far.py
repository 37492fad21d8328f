"""The lane's way to the field process, which drives the line for it.

The thread ``far`` connects, again and again, proves who it is and reads; a new field process takes
the connection that waits at its door.  Every call here is answered within the output's own time
(`Future`): by the field's `Acted`, or as not acknowledged while there is no way.  No call blocks:
a field process that does not read is one that is away.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import socket
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from edge_runtime.clock import NS_PER_MS
from edge_runtime.link.messages import (
    Acted,
    Alive,
    Bye,
    Drive,
    Free,
    Greet,
    Hold,
    OutputState,
    Triggered,
    encode,
    receive,
)
from edge_runtime.types import Actuation, VerdictKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edge_runtime.clock import Clock
    from edge_runtime.config import Output
    from edge_runtime.link.messages import AnyMessage
    from edge_runtime.types import Trigger, Verdict

log = logging.getLogger(__name__)

RETRY_S = 0.1
CONNECT_S = 2.0
AWAY = "the field process is away"


def acts_on(output: Output, verdict: Verdict) -> bool:
    """Whether this output does anything about a verdict; `heard` only for a real keyword."""
    if verdict.kind.value not in output.on:
        return False
    return verdict.kind is not VerdictKind.HEARD or verdict.threshold is not None


class FarSide(Protocol):
    """What the ``decide`` thread needs of it."""

    def drive(self, verdict: Verdict, *, part: str, at_ns: int) -> tuple[Future[Actuation], ...]:
        """Act on a part's verdict; one answer for each output that does."""
        ...

    def hold(self, reason: str) -> tuple[Future[Actuation], ...]:
        """Hold the safe state of this lane's outputs."""
        ...

    def free(self) -> tuple[Future[Actuation], ...]:
        """Let go of it."""
        ...

    def alive(self, *, decides: bool, sees: bool, detail: str) -> None:
        """The dead man's handle."""
        ...


class NoFarSide:
    """A lane without outputs and triggers."""

    def drive(self, verdict: Verdict, *, part: str, at_ns: int) -> tuple[Future[Actuation], ...]:
        """Nothing acts."""
        del verdict, part, at_ns
        return ()

    def hold(self, reason: str) -> tuple[Future[Actuation], ...]:
        """Nothing is held."""
        del reason
        return ()

    def free(self) -> tuple[Future[Actuation], ...]:
        """Nothing is let go."""
        return ()

    def alive(self, *, decides: bool, sees: bool, detail: str) -> None:
        """Nobody asks."""

    def start(self) -> None:
        """Nothing to start."""

    def close(self, *, orderly: bool) -> None:
        """Nothing to close."""

    def counters(self) -> dict[str, int]:
        """None."""
        return {}


@dataclass(slots=True)
class _Asked:
    """What waits for its `Acted`s."""

    outputs: dict[str, Future[Actuation]]
    action: str
    asked_ns: int
    extra: dict[str, str] = field(default_factory=dict)


class Far:
    """Satisfies `FarSide`.  `drive`, `hold`, `free`, `alive`: the ``decide`` thread."""

    def __init__(
        self,
        lane: str,
        path: str,
        token: str,
        outputs: Mapping[str, Output],
        *,
        drives_safe_state: bool,
        on_trigger: Callable[[Trigger], object],
        on_output: Callable[[OutputState], None],
        clock: Clock,
    ) -> None:
        """`outputs`: this lane's; `drives_safe_state`: whether a fault holds them."""
        self._greet = Greet(lane, token)
        self._path = path
        self._outputs = dict(outputs)
        self._drives_safe_state = drives_safe_state
        self._on_trigger = on_trigger
        self._on_output = on_output
        self._clock = clock
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None
        self._asked: dict[int, _Asked] = {}
        self._next = 1
        self._held: str | None = None
        self._trigger = 0
        """The last that was taken, of this field process."""
        self._counters = {"field_reconnects": 0, "acknowledged": 0, "unacknowledged": 0}
        self._stop = threading.Event()
        self._tried = threading.Event()
        self._thread = threading.Thread(target=self._run, name="far", daemon=True)

    def start(self) -> None:
        """Start the thread and wait for its first attempt, `CONNECT_S` at most."""
        self._thread.start()
        self._tried.wait(CONNECT_S)

    def drive(self, verdict: Verdict, *, part: str, at_ns: int) -> tuple[Future[Actuation], ...]:
        """See `FarSide`."""
        futures: list[Future[Actuation]] = []
        for name, output in self._outputs.items():
            if acts_on(output, verdict):
                make = functools.partial(
                    Drive,
                    output=name,
                    verdict=verdict,
                    part=part,
                    at_ns=at_ns,
                    asked_ns=self._clock.boottime_ns(),
                )
                futures += self._ask([name], "drive", make)
        return tuple(futures)

    def hold(self, reason: str) -> tuple[Future[Actuation], ...]:
        """See `FarSide`."""
        if not self._drives_safe_state:
            return ()
        with self._lock:
            self._held = reason
        return self._ask(list(self._outputs), "safe", lambda token: Hold(token, reason))

    def free(self) -> tuple[Future[Actuation], ...]:
        """See `FarSide`."""
        if not self._drives_safe_state:
            return ()
        with self._lock:
            self._held = None
        return self._ask(list(self._outputs), "release", Free)

    def alive(self, *, decides: bool, sees: bool, detail: str) -> None:
        """See `FarSide`."""
        self._send(Alive(decides, sees, detail, self._trigger))

    def counters(self) -> dict[str, int]:
        """Of this process's life."""
        with self._lock:
            return dict(self._counters)

    def close(self, *, orderly: bool) -> None:
        """End the thread.  `orderly`: say `Bye`, the end-of-file is no fault then.  Idempotent."""
        if orderly:
            self._send(Bye())
        self._stop.set()
        self._hang_up()
        if self._thread.ident is not None:
            self._thread.join(CONNECT_S)
        self._let_down("the lane has ended")

    def _ask(
        self, outputs: Sequence[str], action: str, message: Callable[[int], AnyMessage]
    ) -> tuple[Future[Actuation], ...]:
        if not outputs:
            return ()
        futures: dict[str, Future[Actuation]] = {name: Future() for name in outputs}
        with self._lock:
            token, self._next = self._next, self._next + 1
            self._asked[token] = _Asked(futures, action, self._clock.boottime_ns())
        if not self._send(message(token)):
            self._settle(token, AWAY)
        return tuple(futures.values())

    def _send(self, message: AnyMessage) -> bool:
        """Whether it left.  Never waits: what does not fit is for nobody."""
        data = encode(message)
        with self._lock:
            connection = self._connection
            if connection is None:
                return False
            try:
                sent = connection.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            except OSError:
                sent = -1
            if sent == len(data):
                return True
            self._connection = None
        log.warning("field_does_not_read")
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        return False

    def _settle(self, token: int, trouble: str) -> None:
        with self._lock:
            asked = self._asked.pop(token, None)
        if asked is None:
            return
        waited_ms = (self._clock.boottime_ns() - asked.asked_ns) / NS_PER_MS
        for name, future in asked.outputs.items():
            self._resolve(
                future,
                Actuation(
                    output=name, action=asked.action, acknowledged=False,
                    latency_ms=round(waited_ms, 3), detail=trouble,
                ),
            )  # fmt: skip

    def _resolve(self, future: Future[Actuation], actuation: Actuation) -> None:
        with self._lock:
            self._counters["acknowledged" if actuation.acknowledged else "unacknowledged"] += 1
        future.set_result(actuation)

    def _let_down(self, trouble: str) -> None:
        """Nobody will answer what was asked."""
        with self._lock:
            tokens = list(self._asked)
        for token in tokens:
            self._settle(token, trouble)

    # From here on: the ``far`` thread.

    def _run(self) -> None:
        while not self._stop.is_set():
            connection = self._connect()
            self._tried.set()
            if connection is None:
                self._clock.wait(self._stop, RETRY_S)
                continue
            self._read(connection)
            self._hang_up()
            with contextlib.suppress(OSError):
                connection.close()
            self._let_down(AWAY)
            with self._lock:
                self._counters["field_reconnects"] += 1

    def _connect(self) -> socket.socket | None:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            connection.settimeout(CONNECT_S)
            with _short(Path(self._path)) as address:
                connection.connect(address)
            connection.settimeout(None)
            self._introduce(connection)
        except OSError:
            connection.close()
            return None
        return connection

    def _introduce(self, connection: socket.socket) -> None:
        """Who we are, and what is held; what is said next goes there.  Raises `OSError`.

        All under the lock: a `hold` or `free` meanwhile would find no way yet, and what was held
        before it would be the last that the field hears.
        """
        with self._lock:
            connection.sendall(encode(self._greet))
            # A field process that goes on may have missed either: a new one starts safe anyhow.
            held, self._trigger = self._held, 0
            connection.sendall(encode(Free(0) if held is None else Hold(0, held)))
            self._connection = connection

    def _read(self, connection: socket.socket) -> None:
        while not self._stop.is_set():
            try:
                message = receive(connection)
            except (OSError, ValueError, msgspec.DecodeError):
                return
            if message is None:
                return
            if isinstance(message, Acted):
                self._acted(message)
            elif isinstance(message, OutputState):
                self._on_output(message)
            elif isinstance(message, Triggered):
                self._on_trigger(message.trigger)
                self._trigger = message.trigger.id

    def _acted(self, message: Acted) -> None:
        with self._lock:
            asked = self._asked.get(message.token)
            future = asked.outputs.pop(message.actuation.output, None) if asked else None
            if asked is not None and not asked.outputs:
                del self._asked[message.token]
        if future is not None:
            self._resolve(future, message.actuation)
        if message.last:
            self._settle(message.token, "the field process did nothing about it")

    def _hang_up(self) -> None:
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def _short(path: Path):  # type: ignore[no-untyped-def]  # noqa: ANN202
    """A name for `path` that fits into the 108 bytes of a UNIX address, however deep the folder."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
