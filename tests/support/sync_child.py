"""The sync process with a ledger, and the least of a supervisor in between."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.config import Config, Device, Ledger, Sync
from edge_runtime.config.secret import Secret
from edge_runtime.ledger import ops
from edge_runtime.ledger import writer as ledger
from edge_runtime.ledger.queries import LedgerReader
from edge_runtime.ledger.writer import LedgerWriter
from edge_runtime.link.child_end import FD_VARIABLE
from edge_runtime.link.messages import (
    Acked,
    AnyMessage,
    Applied,
    Done,
    Failed,
    Heartbeat,
    MediaStored,
    MediaWanted,
    MetCollector,
    Quarantine,
    Rewind,
    RotateEpoch,
    Start,
    Stop,
    Wake,
    encode,
    receive,
)
from tests.support.collector_process import TOKEN, VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def make_config(data_dir: Path, url: str, **sync: object) -> Config:
    """Quick time-outs and back-off, so that tests see what else takes minutes."""
    settings: dict[str, object] = {
        "connect_timeout_s": 0.5,
        "read_timeout_s": 0.5,
        "backoff_min_s": 0.05,
        "backoff_max_s": 0.2,
        "max_batch": 50,
        "token": Secret(env=VARIABLE),
    }
    return Config(
        device=Device(id="box", data_dir=str(data_dir)),
        lanes={},
        sync=Sync(url=url, **{**settings, **sync}),  # type: ignore[arg-type]
    )


def open_ledger(data_dir: Path) -> LedgerWriter:
    return LedgerWriter.open(data_dir, "box", Ledger(), SYSTEM_CLOCK)


class SyncChild:
    """Starts ``python -m edge_runtime.sync`` and carries its reports into the ledger."""

    def __init__(self, config: Config, writer: LedgerWriter, *, token: str = TOKEN) -> None:
        self.messages: list[AnyMessage] = []
        self.reports = 0
        self._writer = writer
        self._changed = threading.Condition()
        self._lock = threading.Lock()
        ours, theirs = socket.socketpair()
        self._socket = ours
        self.process = subprocess.Popen(
            [sys.executable, "-m", "edge_runtime.sync"],
            pass_fds=[theirs.fileno()],
            env={**os.environ, FD_VARIABLE: str(theirs.fileno()), VARIABLE: token},
        )
        theirs.close()
        self.send(Start("sync", config))
        self._thread = threading.Thread(target=self._read, name="sync-child")
        self._thread.start()

    def send(self, message: AnyMessage) -> None:
        with self._lock:
            self._socket.sendall(encode(message))

    def wake(self) -> None:
        self.send(Wake())

    def send_now(self) -> None:
        self.send(Wake(now=True))

    def wait_for(self, what: Callable[[], bool], timeout_s: float = 10.0) -> None:
        with self._changed:
            ok = self._changed.wait_for(what, timeout_s)
        assert ok, f"waited {timeout_s} s; last heartbeat: {self.heartbeat()}"

    def heartbeat(self) -> Heartbeat | None:
        beats = [message for message in self.messages if isinstance(message, Heartbeat)]
        return beats[-1] if beats else None

    def states(self) -> list[str]:
        return [message.state for message in self.messages if isinstance(message, Heartbeat)]

    def counters(self) -> dict[str, int]:
        beat = self.heartbeat()
        return dict(beat.counters) if beat else {}

    def wait_until_drained(self, data_dir: Path, timeout_s: float = 20.0) -> None:
        """Until the ledger has nothing left to send."""
        with LedgerReader(data_dir) as reader:
            self.wait_for(lambda: _is_empty(reader), timeout_s)

    def stop(self, drain_s: float = 0.0) -> int:
        self.send(Stop(drain_s))
        code = self.process.wait(drain_s + 10)
        self._thread.join(5)
        self._socket.close()
        return code

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(5)
        self._thread.join(5)
        self._socket.close()

    def hang_up(self) -> int:
        """The supervisor's end of the link goes away."""
        self._socket.shutdown(socket.SHUT_RDWR)
        code = self.process.wait(10)
        self._thread.join(5)
        self._socket.close()
        return code

    def ended(self) -> Done | Failed | None:
        last = self.messages[-1] if self.messages else None
        return last if isinstance(last, Done | Failed) else None

    def _read(self) -> None:
        while (message := self._receive()) is not None:
            op = operation(message)
            if op is not None:
                self.reports += 1
                future = self._writer.submit(op)
                if not isinstance(message, MediaWanted | MetCollector):
                    future.add_done_callback(lambda _: self._applied())
            with self._changed:
                self.messages.append(message)
                self._changed.notify_all()

    def _receive(self) -> AnyMessage | None:
        try:
            return receive(self._socket)
        except OSError:
            return None

    def _applied(self) -> None:
        try:
            self.send(Applied())
        except OSError:
            return  # it is gone; the ledger is right all the same
        with self._changed:
            self._changed.notify_all()


def operation(message: AnyMessage) -> ledger.Op | None:
    match message:
        case Acked():
            return ledger.Ack(message.epoch, tuple(message.ranges))
        case Quarantine():
            return ledger.Refuse(message.epoch, tuple(message.items))
        case MediaStored():
            return ledger.MediaAcked(tuple(message.sha256s))
        case Rewind():
            return ledger.RewindTo(message.epoch, message.through)
        case RotateEpoch():
            return ledger.RotateEpoch(message.reason)
        case _:
            return note(message)


def note(message: AnyMessage) -> ledger.Op | None:
    """What is carried out, and not answered."""
    if isinstance(message, MediaWanted):
        return ops.MediaWanted(tuple(message.sha256s))
    if isinstance(message, MetCollector):
        return ops.MetCollector(message.software, message.max_event_bytes)
    return None


def _is_empty(reader: LedgerReader) -> bool:
    backlog = reader.backlog()
    return backlog.rows == 0 and backlog.media == 0
