"""The HTTP transport.  The only importer of urllib3.

One connection, kept open; one request at a time.  Redirects are off, answers are capped, and every
call ends: a time-out for the connection, one for silence, and one for the whole call, which a far
side that drips a byte a second cannot stretch.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import ssl
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urlsplit

import msgspec

from edge_runtime.errors import (
    AuthFailed,
    BatchRefused,
    BatchTooLarge,
    ConfigError,
    ItemError,
    Offline,
    ProtocolError,
    SyncError,
)
from edge_runtime.sync.answers import Answer, decoded, describe, error_of, reason_of, scrubbed
from edge_runtime.sync.transport import SLOWEST_MEDIA_BYTES_PER_S
from edge_runtime.wire import BATCH_MEDIA_TYPE, Greeting, Receipt, Welcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from urllib3.connection import HTTPConnection

MAX_ANSWER_BYTES = 1 << 20
_JSON = "application/json"


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
class _Call:
    method: str
    path: str
    headers: dict[str, str]
    total_s: float
    body: bytes | None = None
    file: Path | None = None


class HttpTransport:
    """A `Transport` over HTTP/1.1.  Owned by one thread, but for `abort`."""

    def __init__(
        self,
        url: str,
        *,
        token: Callable[[], str | None],
        ca_file: str | None = None,
        timeouts: Timeouts | None = None,
        software: str = "edge-runtime",
    ) -> None:
        """`token` is asked before each call, so that a new one is picked up.

        Raises `ConfigError` for a URL or CA file that cannot work.  Connects at the first call.
        """
        parts = urlsplit(url)
        if parts.username or parts.password:
            raise ConfigError(["sync.url: no user or password in it; use sync.token"])
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError([f"sync.url: found '{url[:80]}'; it is http(s)://HOST[:PORT]/PATH"])
        self._host: str = parts.hostname
        self._port = parts.port
        self._base = parts.path.rstrip("/")
        self._tls = _tls_context(ca_file) if parts.scheme == "https" else None
        self._token = token
        self._timeouts = timeouts or Timeouts()
        self._software = software
        self._connection: HTTPConnection | None = None
        self._lock = threading.Lock()
        self._aborted = False
        self.traffic = Traffic()

    def hello(self, greeting: Greeting) -> Welcome:
        """See `Transport`."""
        answer = self._send("POST", "/hello", body=msgspec.json.encode(greeting))
        if answer.status != 200:
            raise error_of(answer, "hello")
        return decoded(answer, Welcome, "hello")

    def send_events(self, batch: bytes) -> Receipt:
        """See `Transport`."""
        headers = {"content-type": BATCH_MEDIA_TYPE, "content-encoding": "gzip"}
        answer = self._send("POST", "/events", body=batch, headers=headers)
        if answer.status == 413:
            raise BatchTooLarge(f"events: {describe(answer)}")
        if answer.status in (400, 422):
            raise BatchRefused(f"events: {describe(answer)}")
        if answer.status != 200:
            raise error_of(answer, "events")
        return decoded(answer, Receipt, "events")

    def has_media(self, sha256: str) -> bool:
        """See `Transport`."""
        answer = self._send("HEAD", f"/media/{sha256}")
        if answer.status in (200, 404):
            return answer.status == 200
        raise error_of(answer, "media")

    def put_media(self, path: Path, *, sha256: str, mime: str, size_bytes: int) -> None:
        """See `Transport`."""
        answer = self._send(
            "PUT",
            f"/media/{sha256}",
            file=path,
            headers={"content-type": mime, "content-length": str(size_bytes)},
            extra_s=size_bytes / SLOWEST_MEDIA_BYTES_PER_S,
        )
        if answer.status in (400, 413, 415, 422):
            raise ItemError(f"media {sha256[:12]}: refused: {describe(answer)}")
        if answer.status not in (200, 201, 204):
            raise error_of(answer, "media")

    def abort(self) -> None:
        """See `Transport`."""
        self._aborted = True
        self._cut()

    def close(self) -> None:
        """See `Transport`."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _send(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        file: Path | None = None,
        headers: dict[str, str] | None = None,
        extra_s: float = 0.0,
    ) -> Answer:
        given = {"user-agent": self._software, "accept": _JSON, **(headers or {})}
        if body is not None:
            given.setdefault("content-type", _JSON)
        token = self._secret()
        if token is not None:
            given["authorization"] = f"Bearer {token}"
        call = _Call(method, path, given, self._timeouts.total_s + extra_s, body, file)
        try:
            return self._checked(self._exchange(call))
        except SyncError as exc:
            raise scrubbed(exc, token) from None

    def _secret(self) -> str | None:
        try:
            return self._token()
        except ConfigError as exc:
            raise AuthFailed(f"sync.token: {exc}") from exc

    def _checked(self, answer: Answer) -> Answer:
        """What means the same for every call."""
        if answer.status in (401, 403):
            raise AuthFailed(f"the collector refuses the token ({answer.status}): check sync.token")
        return answer

    def _exchange(self, call: _Call) -> Answer:
        """One request and its answer; once more if a kept connection turns out to be dead."""
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

    def _exchange_once(self, call: _Call) -> Answer:
        from urllib3.exceptions import HTTPError

        with self._deadline(call.total_s) as expired:
            try:
                return self._roundtrip(call)
            except (HTTPError, http.client.HTTPException, OSError) as exc:
                self.close()
                if expired.is_set():
                    raise Offline(f"no answer within {call.total_s:.0f} s") from exc
                if self._aborted:
                    raise Offline("broken off: we are stopping") from exc
                if isinstance(exc, http.client.RemoteDisconnected | ConnectionError):
                    raise _StaleConnection(reason_of(exc)) from exc
                raise Offline(reason_of(exc)) from exc

    def _roundtrip(self, call: _Call) -> Answer:
        connection = self._connected()
        self.traffic.calls += 1
        sent_whole = self._request(connection, call)
        response = connection.getresponse()
        content = response.read(MAX_ANSWER_BYTES + 1)
        self.traffic.received_bytes += len(content)
        headers = {name.lower(): value for name, value in response.headers.items()}
        is_whole = len(content) <= MAX_ANSWER_BYTES
        if not (sent_whole and is_whole) or headers.get("connection", "").lower() == "close":
            self.close()
        if not is_whole:
            raise ProtocolError(f"an answer of more than {MAX_ANSWER_BYTES} bytes")
        return Answer(response.status, headers, content)

    def _request(self, connection: HTTPConnection, call: _Call) -> bool:
        """Send; False when the far side stopped reading, which it may do to answer early."""
        with contextlib.ExitStack() as stack:
            body: bytes | BinaryIO | None = call.body
            if call.file is not None:
                body = stack.enter_context(_opened(call.file))
            try:
                connection.request(
                    call.method,
                    self._base + call.path,
                    body=body,
                    headers=call.headers,
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
        assert connection.sock is not None
        connection.sock.settimeout(self._timeouts.read_s)
        self.traffic.connects += 1
        with self._lock:
            self._connection = connection
        return connection

    def _new_connection(self) -> HTTPConnection:
        from urllib3.connection import HTTPConnection, HTTPSConnection

        if self._tls is None:
            return HTTPConnection(self._host, self._port, timeout=self._timeouts.connect_s)
        return HTTPSConnection(
            self._host, self._port, timeout=self._timeouts.connect_s, ssl_context=self._tls
        )

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


class _StaleConnection(Exception):
    """The far side closed the connection before it answered."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as exc:
        raise ItemError(f"media {path.name[:12]}: cannot be read: {exc.strerror}") from exc


def _tls_context(ca_file: str | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as exc:  # ssl.SSLError is one
        raise ConfigError([f"sync.ca_file: {ca_file}: {exc.strerror or exc}"]) from exc
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
