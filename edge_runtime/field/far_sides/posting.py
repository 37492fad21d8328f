"""One kept HTTP connection that posts short bodies and looks at the status only.

Every call ends in time, also where the service drips a byte a second.  Redirects are not followed:
what is told of parts goes where the config says.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from urllib3.connection import HTTPConnection

ANSWER_MAX_BYTES = 64 << 10


class Unposted(Exception):
    """There is no answer.  `str()`: where and why."""


class Poster:
    """Connects when needed and keeps the connection.  One thread."""

    def __init__(self, url: str, ca_file: str | None, timeout_s: float) -> None:
        """`timeout_s`: for one call, connecting and all.  `ca_file`: PEM of a private CA."""
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._port = parts.port
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._ca_file = ca_file
        self._is_tls = parts.scheme == "https"
        self._timeout_s = timeout_s
        self._connection: HTTPConnection | None = None
        self._lock = threading.Lock()
        self.address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        """For people: without what may be secret."""

    def post(self, body: bytes, token: str | None) -> int:
        """The status of the answer.  Raises `Unposted`."""
        from urllib3.exceptions import HTTPError

        headers = {"content-type": "application/json"}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        expired = threading.Event()
        timer = threading.Timer(self._timeout_s, self._cut, (expired,))
        timer.name, timer.daemon = "posting-deadline", True
        timer.start()
        was_kept = self._connection is not None and self._connection.is_connected
        try:
            return self._exchange(body, headers, again=was_kept)
        except (HTTPError, http.client.HTTPException, OSError) as exc:
            self.close()
            late = f"no answer within {self._timeout_s * 1000:.0f} ms"
            raise Unposted(f"{self.address}: {late if expired.is_set() else _why(exc)}") from exc
        finally:
            timer.cancel()

    def close(self) -> None:
        """Let go of the connection.  Idempotent."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _exchange(self, body: bytes, headers: dict[str, str], *, again: bool) -> int:
        """`again`: a kept connection may have been closed over there before we asked."""
        connection = self._connected()
        try:
            connection.request(
                "POST", self._path, body=body, headers=headers, preload_content=False
            )
            response = connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionError):
            self.close()
            if not again:
                raise
            return self._exchange(body, headers, again=False)
        response.read(ANSWER_MAX_BYTES)
        if response.length_remaining or response.headers.get("connection", "").lower() == "close":
            self.close()
        return int(response.status)

    def _connected(self) -> HTTPConnection:
        if self._connection is not None and self._connection.is_connected:
            return self._connection
        self.close()
        connection = self._new_connection()
        connection.connect()
        with self._lock:
            self._connection = connection
        return connection

    def _new_connection(self) -> HTTPConnection:
        from urllib3.connection import HTTPConnection, HTTPSConnection

        if not self._is_tls:
            return HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        import ssl

        context = ssl.create_default_context(cafile=self._ca_file)
        return HTTPSConnection(self._host, self._port, timeout=self._timeout_s, ssl_context=context)

    def _cut(self, expired: threading.Event) -> None:
        """Shut the socket down under whoever is blocked in it.

        A duplicate of it: shutting down works on the connection, closing only on our number.
        """
        expired.set()
        with self._lock:
            connection = self._connection
            descriptor = connection.sock.fileno() if connection and connection.sock else -1
            if descriptor < 0:
                return
            with contextlib.suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as twin:
                twin.shutdown(socket.SHUT_RDWR)


def _why(exc: BaseException) -> str:
    """The innermost reason: the library wraps the system's error in its own."""
    while exc.__cause__ is not None:
        exc = exc.__cause__
    told = getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
    return str(told).lower()
