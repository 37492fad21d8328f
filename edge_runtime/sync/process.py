"""The sync process: wires the parts and runs three threads.

``main`` the uploader's loop · ``link`` what the supervisor says · ``heartbeat`` what we say, twice
a second.  It keeps nothing that matters: whatever happens to it, the ledger knows what is unsent.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import signal
import threading
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import msgspec

from edge_runtime import __version__
from edge_runtime import log as logs
from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.errors import ConfigError, EdgeRuntimeError, ExitCode
from edge_runtime.ledger.queries import LedgerReader
from edge_runtime.link.child_end import Link, LinkClosed, connect, keep_stacks, set_name
from edge_runtime.link.messages import Applied, Done, Failed, Heartbeat, Hello, Start, Stop, Wake
from edge_runtime.sync.backoff import Backoff
from edge_runtime.sync.http_connection import Timeouts
from edge_runtime.sync.media import MediaSender
from edge_runtime.sync.media_check import MediaCheck
from edge_runtime.sync.orders import Orders
from edge_runtime.sync.pending import Pending
from edge_runtime.sync.progress import SyncProgress
from edge_runtime.sync.transport_http import HttpTransport
from edge_runtime.sync.uploader import Uploader, UploadSettings

if TYPE_CHECKING:
    from edge_runtime.config import Sync

log = logging.getLogger(__name__)

HEARTBEAT_S = 0.5
BREAK_OFF_S = 3.0
"""After a stop, and the time to drain, the request in flight may go on for so long."""
TOTAL_IN_READS = 4
"""A whole call may take so many times the limit for silence."""


@dataclass(frozen=True, slots=True)
class _Parts:
    link: Link
    transport: HttpTransport
    pending: Pending
    orders: Orders
    progress: SyncProgress


def main() -> int:
    """Run until the supervisor says Stop or goes away; the exit code."""
    keep_stacks()  # the supervisor sends SIGABRT to a stuck child: all stacks in the log
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # stopping comes over the link, in order
    set_name("edge-sync")
    link, start = connect()
    logs.set_up(start.name, own_stream=True)
    try:
        return _run(link, start)
    except LinkClosed:
        return ExitCode.INTERNAL
    except EdgeRuntimeError as exc:
        with contextlib.suppress(LinkClosed):
            link.send(Failed(int(exc.exit_code), str(exc)))
        return exc.exit_code
    finally:
        link.close()


def open_transport(settings: Sync) -> HttpTransport:
    """The transport that the config asks for.  Raises `ConfigError`."""
    secret = settings.token
    return HttpTransport(
        settings.url,
        token=lambda: None if secret is None else secret.read(),
        ca_file=settings.ca_file,
        proxy=settings.proxy,
        timeouts=_timeouts(settings),
        software=f"edge-runtime/{__version__}",
    )


def _run(link: Link, start: Start) -> int:
    settings = start.config.sync
    if settings is None:
        raise ConfigError(["sync: there is no [sync] in the config"])
    with LedgerReader(start.config.data_dir) as ledger:
        transport = open_transport(settings)
        progress = SyncProgress(SYSTEM_CLOCK)
        parts = _Parts(
            link, transport, Pending(link.send, link.send), Orders(SYSTEM_CLOCK), progress
        )
        ended = threading.Event()
        for target, name in ((_listen, "link"), (_beat, "heartbeat")):
            threading.Thread(target=target, args=(parts, ended), name=name, daemon=True).start()
        link.send(Hello(os.getpid()))
        try:
            _uploader(ledger, parts, start.config.device.id, settings).run()
        finally:
            ended.set()
            transport.close()
    if parts.orders.is_lost:
        raise LinkClosed
    link.send(_heartbeat(parts, "done"))
    link.send(Done())
    return ExitCode.OK


def _uploader(ledger: LedgerReader, parts: _Parts, device: str, settings: Sync) -> Uploader:
    timeouts = _timeouts(settings)
    longest_call_s = _longest_call_s(timeouts)
    media = MediaSender(
        ledger,
        parts.transport,
        pending=parts.pending,
        progress=parts.progress,
        clock=SYSTEM_CLOCK,
        check=MediaCheck(
            ledger,
            parts.transport,
            pending=parts.pending,
            progress=parts.progress,
            longest_call_s=longest_call_s,
        ),
        backoff=Backoff(settings.backoff_min_s, settings.backoff_max_s),
        longest_call_s=longest_call_s,
        enabled=settings.media,
    )
    return Uploader(
        ledger,
        parts.transport,
        media,
        pending=parts.pending,
        orders=parts.orders,
        progress=parts.progress,
        backoff=Backoff(settings.backoff_min_s, settings.backoff_max_s),
        settings=UploadSettings(
            device=device,
            max_batch=settings.max_batch,
            software=f"edge-runtime/{__version__}",
            longest_call_s=longest_call_s,
        ),
        clock=SYSTEM_CLOCK,
        chance=random.SystemRandom().random,
    )


def _listen(parts: _Parts, ended: threading.Event) -> None:
    """The ``link`` thread."""
    while not ended.is_set():
        message = parts.link.receive()
        if isinstance(message, Applied):
            parts.pending.applied()
            parts.orders.wake()
        elif isinstance(message, Wake):
            (parts.orders.hurry if message.now else parts.orders.wake)()
        elif isinstance(message, Stop):
            parts.orders.stop(message.drain_s)
            breaker = threading.Timer(message.drain_s + BREAK_OFF_S, parts.transport.abort)
            breaker.daemon = True
            breaker.start()
        elif message is None:
            parts.orders.lose()
            parts.transport.abort()
            return


def _beat(parts: _Parts, ended: threading.Event) -> None:
    """The ``heartbeat`` thread."""
    while not SYSTEM_CLOCK.wait(ended, HEARTBEAT_S):
        try:
            parts.link.send(_heartbeat(parts, None))
        except LinkClosed:
            return  # the link's thread knows, too


def _heartbeat(parts: _Parts, state: str | None) -> Heartbeat:
    beat = parts.progress.heartbeat(asdict(parts.transport.traffic))
    if state is None:
        return beat
    return msgspec.structs.replace(beat, state=state)


def _timeouts(settings: Sync) -> Timeouts:
    return Timeouts(
        connect_s=settings.connect_timeout_s,
        read_s=settings.read_timeout_s,
        total_s=TOTAL_IN_READS * settings.read_timeout_s,
    )


def _longest_call_s(timeouts: Timeouts) -> float:
    """A call, once more on a fresh connection, and a second for ourselves."""
    return 2 * (timeouts.connect_s + timeouts.total_s) + 1
