"""Runs the collector: binds first, so that a taken port is one clear line; then serves until told.

`serve` blocks the calling thread; in the main thread SIGTERM and SIGINT end it in order.
"""

from __future__ import annotations

import errno
import logging
import signal
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.errors import AddressInUse, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import uvicorn

log = logging.getLogger(__name__)

BACKLOG = 1024
MAX_CONNECTIONS = 512
"""More than this at once get a 503: a fleet that reconnects must not eat all memory."""
STOP_S = 5
"""Requests in flight at the stop have so long."""
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """How to run it."""

    host: str
    port: int
    """0: any free one."""
    data_dir: Path
    token: str | None
    """None: open to this machine; refused for any other address."""
    tls_certificate: Path | None = None
    tls_key: Path | None = None


def serve(
    settings: ServerSettings,
    *,
    on_listening: Callable[[str], None],
    on_server: Callable[[uvicorn.Server], None] | None = None,
) -> None:
    """Serve until told to stop.  `on_listening` gets the URL once connections are taken.

    `on_server` hands out the server, so that another thread may set ``should_exit``.

    Raises `UsageError`, `AddressInUse`, `StorageReadOnly`, `LedgerLocked` and `LedgerError`.
    """
    import uvicorn

    from edge_runtime.collector.app import make_app
    from edge_runtime.collector.sqlite.store import SqliteStore

    if settings.token is None and settings.host not in _LOOPBACK:
        raise UsageError(f"without a token the collector listens on loopback, not {settings.host}")
    with _bind(settings.host, settings.port) as listener:
        store = SqliteStore.open(settings.data_dir, clock=SYSTEM_CLOCK)
        try:
            server = uvicorn.Server(
                _uvicorn_config(make_app(store, token=settings.token, clock=SYSTEM_CLOCK), settings)
            )
            if on_server is not None:
                on_server(server)
            for number in (signal.SIGTERM, signal.SIGINT):
                _leave_to_uvicorn(number)
            on_listening(_url(listener, settings))
            server.run(sockets=[listener])
        finally:
            store.close()


def parse_listen(text: str) -> tuple[str, int]:
    """``HOST:PORT`` (IPv6 in brackets).  Raises `UsageError`."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"--listen: found '{text}'; give HOST:PORT such as 127.0.0.1:8780")
    return host, int(port)


def _uvicorn_config(app: object, settings: ServerSettings) -> uvicorn.Config:
    import uvicorn

    from edge_runtime.collector.guarded_http import guarded

    return uvicorn.Config(
        app,  # type: ignore[arg-type]  # a Starlette, imported lazily
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        ws="none",
        http=guarded(),
        backlog=BACKLOG,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_graceful_shutdown=STOP_S,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
    )


def _bind(host: str, port: int) -> socket.socket:
    """A listening socket.  Raises `AddressInUse`, `UsageError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol spelled out: asyncio switches Nagle's algorithm off only where it sees TCP,
    # and with it on, every answer (head and body apart) waits 40 ms for an acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as exc:
        listener.close()
        if exc.errno == errno.EADDRINUSE:
            raise AddressInUse(
                f"port {port} on {host} is taken; stop what listens there or choose another port"
            ) from exc
        raise UsageError(f"cannot listen on {host}:{port}: {exc.strerror or exc}") from exc
    return listener


def _url(listener: socket.socket, settings: ServerSettings) -> str:
    host, port = listener.getsockname()[:2]
    scheme = "https" if settings.tls_certificate else "http"
    return f"{scheme}://[{host}]:{port}/v1" if ":" in host else f"{scheme}://{host}:{port}/v1"


def _leave_to_uvicorn(number: signal.Signals) -> None:
    """Uvicorn raises a signal again once it has stopped; by then there is nothing to interrupt."""
    try:
        signal.signal(number, lambda *_: None)
    except ValueError:  # not the main thread: the owner stops the server through `should_exit`
        return
