"""One kept HTTP connection.  Sync's only importer of urllib3.

Every exchange ends: a time-out for connecting, one for silence, and one for the whole exchange,
which a far side that drips a byte a second cannot stretch.  Answers are capped.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import http.client
import os
import socket
import threading
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from edge_runtime.clock import NS_PER_S, SYSTEM_CLOCK
from edge_runtime.errors import ItemError, Offline, ProtocolError
from edge_runtime.sync.answers import Answer, reason_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from urllib3.connection import HTTPConnection

    from edge_runtime.sync.forward import Proxy
    from edge_runtime.sync.tls import Tls

MAX_ANSWER_BYTES = 1 << 20
HTTP_PORT, HTTPS_PORT = 80, 443
EARLIEST_YEAR = 2024
"""A clock before this was never set: no certificate is valid by it."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Of every call."""

    connect_s: float = 5.0
    read_s: float = 30.0
    """Without a byte."""
    total_s: float = 120.0
    """From the first byte sent to the last received."""


@dataclass(slots=True)
class Traffic:
    """Monotonic counters; written by the owner of the transport, read by anyone."""

    calls: int = 0
    connects: int = 0
    sent_bytes: int = 0
    """Bodies; headers add about 250 bytes a call."""
    received_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    total_s: float
    body: bytes | None = None
    file: Path | None = None


class KeptConnection:
    """Connects when needed and keeps the connection.  Owned by one thread, but for `abort`."""

    def __init__(
        self,
        host: str,
        port: int | None,
        *,
        tls: Tls | None,
        timeouts: Timeouts,
        proxy: Proxy | None = None,
    ) -> None:
        """`tls` None: plain HTTP."""
        self._proxy = proxy
        self._host = host
        self._port = port
        self._tls = tls
        self._timeouts = timeouts
        self._connection: HTTPConnection | None = None
        self._lock = threading.Lock()
        self._aborted = False
        self.traffic = Traffic()

    def exchange(self, call: Call) -> Answer:
        """One request and its answer; once more if a kept connection turns out to be dead.

        Raises `Offline`, `ProtocolError` (an answer without end) and `ItemError` (the file).
        """
        reused = self._connection is not None and self._connection.is_connected
        try:
            return self._exchange_once(call)
        except _StaleConnection as exc:
            if not reused:
                raise Offline(exc.reason) from exc
        try:
            return self._exchange_once(call)
        except _StaleConnection as exc:
            raise Offline(exc.reason) from exc

    def _exchange_once(self, call: Call) -> Answer:
        from urllib3.exceptions import HTTPError

        with self._deadline(call.total_s) as expired:
            try:
                answer = self._roundtrip(call)
            except Offline:
                self.close()
                raise
            except (HTTPError, http.client.HTTPException, OSError) as exc:
                self.close()
                if expired.is_set():
                    raise Offline(f"no answer within {call.total_s:.0f} s") from exc
                if self._aborted:
                    raise Offline("broken off: we are stopping") from exc
                if isinstance(exc, http.client.RemoteDisconnected | ConnectionError):
                    raise _StaleConnection(reason_of(exc)) from exc
                raise Offline(_with_clock(reason_of(exc))) from exc
            except ValueError as exc:  # its text may hold what could not be sent
                self.close()
                raise ProtocolError(f"{call.method}: a header cannot be sent or read") from exc
            if expired.is_set():  # cut where it looked like an end
                self.close()
                raise Offline(f"no answer within {call.total_s:.0f} s")
            return answer

    def _roundtrip(self, call: Call) -> Answer:
        connection = self._connected()
        self.traffic.calls += 1
        sent_whole = self._request(connection, call)
        response = connection.getresponse()
        content = response.read(MAX_ANSWER_BYTES + 1)
        self.traffic.received_bytes += len(content)
        headers = {name.lower(): value for name, value in response.headers.items()}
        is_whole = len(content) <= MAX_ANSWER_BYTES
        if is_whole and response.length_remaining:
            raise http.client.IncompleteRead(content, response.length_remaining)
        if not (sent_whole and is_whole) or headers.get("connection", "").lower() == "close":
            self.close()
        if not is_whole:
            raise ProtocolError(f"an answer of more than {MAX_ANSWER_BYTES} bytes")
        return Answer(response.status, headers, content)

    def _request(self, connection: HTTPConnection, call: Call) -> bool:
        """Send; False when the far side stopped reading, which it may do to answer early."""
        with contextlib.ExitStack() as stack:
            body: bytes | BinaryIO | None = call.body
            if call.file is not None:
                size_bytes = int(call.headers["content-length"])
                body = stack.enter_context(_opened(call.file, size_bytes))
            try:
                connection.request(
                    call.method,
                    self._target(call.path),
                    body=body,
                    headers=call.headers | self._hop_headers(),
                    preload_content=False,
                    decode_content=False,
                )
            except BrokenPipeError:
                return False
        self.traffic.sent_bytes += int(call.headers.get("content-length", len(call.body or b"")))
        return True

    def _connected(self) -> HTTPConnection:
        if self._aborted:
            raise Offline("broken off: we are stopping")
        if self._connection is not None and self._connection.is_connected:
            return self._connection
        self.close()
        connection = self._new_connection()
        connection.connect()
        connection.timeout = self._timeouts.read_s  # urllib3 sets it on the socket at each request
        self.traffic.connects += 1
        with self._lock:
            self._connection = connection
        return connection

    def _new_connection(self) -> HTTPConnection:
        from urllib3.connection import HTTPConnection, HTTPSConnection
        from urllib3.exceptions import SystemTimeWarning

        # It would say so at each connection; `_with_clock` says it where it matters.
        warnings.simplefilter("ignore", SystemTimeWarning)
        proxy, timeout = self._proxy, self._timeouts.connect_s
        host, port = (self._host, self._port) if proxy is None else (proxy.host, proxy.port)
        if self._tls is None:
            return HTTPConnection(host, port, timeout=timeout)
        made = HTTPSConnection(host, port, timeout=timeout, ssl_context=self._tls.context())
        if proxy is not None:
            made.set_tunnel(self._host, self._port or HTTPS_PORT, proxy.headers)
        return made

    def _target(self, path: str) -> str:
        """A plain request to a proxy names the whole URL; through a tunnel it does not."""
        if self._proxy is None or self._tls is not None:
            return path
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port or HTTP_PORT}{path}"

    def _hop_headers(self) -> dict[str, str]:
        return {} if self._proxy is None or self._tls is not None else self._proxy.headers

    @contextlib.contextmanager
    def _deadline(self, seconds: float) -> Iterator[threading.Event]:
        """Cut the connection after so long; the event tells that it was this."""
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            self._cut()

        timer = threading.Timer(seconds, expire)
        timer.name = "sync-deadline"
        timer.daemon = True
        timer.start()
        try:
            yield expired
        finally:
            timer.cancel()

    def _cut(self) -> None:
        """Shut the socket down under whoever is blocked in it.  Any thread."""
        with self._lock:
            connection = self._connection
            descriptor = connection.sock.fileno() if connection and connection.sock else -1
            if descriptor < 0:
                return
            # A duplicate: shutting down works on the connection, closing only on our number; and
            # the TLS layer, which is not ours to touch from here, is left alone.
            with contextlib.suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as twin:
                twin.shutdown(socket.SHUT_RDWR)

    def abort(self) -> None:
        """Break off the exchange in flight and any later one: they raise `Offline`.  Any thread."""
        self._aborted = True
        self._cut()

    def close(self) -> None:
        """Let go of the connection.  Idempotent."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class _StaleConnection(Exception):
    """The far side closed the connection before it answered."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _with_clock(reason: str) -> str:
    """Why a certificate is not valid, where it is our own clock."""
    now = dt.datetime.fromtimestamp(SYSTEM_CLOCK.stamp().wall_ns / NS_PER_S, dt.UTC)
    if "certificate" not in reason or now.year >= EARLIEST_YEAR:
        return reason
    return f"{reason}; this box's clock says {now:%Y-%m-%d}: set it"


def _opened(path: Path, size_bytes: int) -> BinaryIO:
    """The file, of exactly this size: with another one the request would never end."""
    try:
        file = path.open("rb")
    except OSError as exc:
        raise ItemError(f"media {path.name[:12]}: cannot be read: {exc.strerror}") from exc
    found = os.fstat(file.fileno()).st_size
    if found != size_bytes:
        file.close()
        raise ItemError(f"media {path.name[:12]}: {found} bytes on the disk, not {size_bytes}")
    return file
