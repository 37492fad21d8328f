"""One question to a camera over HTTP(S), and its answer.  Capture's only importer of urllib3.

Redirects are followed, a few, to http and https alone, and take user and password along only to
the same host.  Whoever closes it from another thread breaks off any wait.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import select
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin, urlsplit

from edge_runtime.capture.http_login import Login, challenges
from edge_runtime.capture.http_words import status_problem, trouble
from edge_runtime.errors import SourceUnavailable
from edge_runtime.redaction import PORTS, address_problem, hidden, redacted, secrets_of

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence

    from urllib3.connection import HTTPConnection
    from urllib3.response import HTTPResponse

REDIRECTS = 5
CHUNK_BYTES = 256 << 10
_DRAINED_BYTES = 64 << 10
_KEPT = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
_HEADERS = {"User-Agent": "edge-runtime", "Accept": "multipart/x-mixed-replace, image/*, */*;q=0.5"}


@dataclass(frozen=True, slots=True)
class Tls:
    """How a camera's certificate is looked at."""

    ca_file: str = ""
    """PEM of a private CA, or of the camera itself; empty: the system's."""
    verify: bool = True


class Answer:
    """A camera's 200.  Its link's thread's."""

    def __init__(
        self,
        response: HTTPResponse,
        place: tuple[str, str, int],
        sock: socket.socket | None,
        secrets: Sequence[str] = (),
    ) -> None:
        """`place`: scheme, host and port, for messages, which are without `secrets`.

        `sock`: what it is read from.
        """
        self.secrets = secrets
        self._response = response
        self._socket = sock
        self._place = place
        told = response.headers.get("content-type", "")
        self.kind = told.partition(";")[0].strip().lower()
        """The Content-Type in small letters, without parameters."""
        self.boundary = _parameter(told, "boundary")

    def read(self) -> bytes:
        """Some bytes as they came; empty at the end.  Raises `SourceUnavailable`."""
        from urllib3.exceptions import HTTPError

        try:
            return bytes(self._response.read1(CHUNK_BYTES, decode_content=True))
        except (HTTPError, http.client.HTTPException, OSError, ValueError, AttributeError) as exc:
            # The last two: what the library says when its connection is cut under it.
            if isinstance(exc, http.client.IncompleteRead) or _is_incomplete(exc):
                return b""
            raise SourceUnavailable(trouble(exc, *self._place[1:], self.secrets)) from exc

    def has_more(self) -> bool:
        """Whether more, or the end, is there already; `read` would not wait for it."""
        if self._socket is None:
            return False
        try:
            pending = getattr(self._socket, "pending", None)  # TLS: bytes that are decrypted
            if pending is not None and pending():
                return True
            poll = select.poll()
            poll.register(self._socket.fileno(), select.POLLIN)
            return bool(poll.poll(0))
        except (OSError, ValueError):  # it was cut: the next `read` says so
            return False


class HttpLink:
    """One thread's, but for `cut`."""

    def __init__(self, url: str, tls: Tls, *, connect_s: float, read_s: float) -> None:
        """`url` may hold user and password.  `read_s`: without a byte."""
        self._url = url
        self._tls = tls
        self._connect_s = connect_s
        self._read_s = read_s
        self.secrets = secrets_of(url)
        """What the camera's own words are shown without."""
        authority = urlsplit(url).netloc
        self._login = Login.of(authority.rpartition("@")[0])
        self._connection: HTTPConnection | None = None
        self._response: HTTPResponse | None = None
        self._socket: Any = None
        """The connection lets go of it where the camera said that it would close."""
        self._place: tuple[str, str, int] | None = None
        self._lock = threading.Lock()
        self._is_cut = False

    def get(self) -> Answer:
        """Ask.  Raises `SourceUnavailable` for every answer but a 200, and says which."""
        url = _without_login(self._url)
        has_logged_in = False
        for _ in range(REDIRECTS + 2):
            login = self._login if self._may_log_in(url) else None
            response = self._ask(url, login)
            status = int(response.status)
            if status == http.HTTPStatus.OK:
                place = self._place or ("", "", 0)
                return Answer(response, place, self._socket, self.secrets)
            offered = challenges(response.headers.getlist("www-authenticate"))
            location = response.headers.get("location", "")
            self._let_go_of(response)
            if status == http.HTTPStatus.UNAUTHORIZED and login and not has_logged_in:
                has_logged_in = True
                if login.take(offered):
                    continue
            if location and 300 <= status < 400:
                url = self._redirected(url, location)
                has_logged_in = False
                continue
            phrase = response.reason or ""
            has_login = self._login is not None
            raise SourceUnavailable(
                status_problem(
                    status, phrase, offered=offered, has_login=has_login, secrets=self.secrets
                )
            )
        raise SourceUnavailable(
            f"the camera redirects again and again, at last to {self._told(url)}"
        )

    def cut(self) -> None:
        """Break off whatever waits; it raises `SourceUnavailable`.  Any thread."""
        self._is_cut = True
        with self._lock:
            connecting = self._connection.sock if self._connection is not None else None
            sock: Any = self._socket or connecting
            descriptor = sock.fileno() if sock is not None else -1
            if descriptor < 0:
                return
            # A duplicate: shutting down works on the connection, closing only on our number.
            with contextlib.suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as twin:
                twin.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the connection.  Idempotent."""
        with self._lock:
            connection, self._connection = self._connection, None
            self._socket = None
        response, self._response = self._response, None
        if response is not None:
            response.close()
        if connection is not None:
            connection.close()

    def _ask(self, url: str, login: Login | None) -> HTTPResponse:
        """One request, once more where a kept connection was closed meanwhile."""
        parts = urlsplit(url)
        place = (parts.scheme, parts.hostname or "", parts.port or PORTS[parts.scheme])
        target = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=_KEPT)
        is_kept = self._connection is not None and self._place == place
        try:
            return self._exchange(place, target, login)
        except SourceUnavailable:
            if not is_kept or self._is_cut:
                raise
        return self._exchange(place, target, login)

    def _exchange(
        self, place: tuple[str, str, int], target: str, login: Login | None
    ) -> HTTPResponse:
        from urllib3.exceptions import HTTPError

        headers = dict(_HEADERS)
        if login is not None and (told := login.header("GET", target)) is not None:
            # The library writes headers as Latin-1, which cannot write every user: these are UTF-8.
            headers["Authorization"] = told.encode().decode("latin-1")
        try:
            connection = self._connected(place)
            connection.request("GET", target, headers=headers, preload_content=False)
            self._response = connection.getresponse()
        except (HTTPError, http.client.HTTPException, OSError, UnicodeError) as exc:
            self.close()
            raise SourceUnavailable(trouble(exc, *place[1:], self.secrets)) from exc
        return self._response

    def _connected(self, place: tuple[str, str, int]) -> HTTPConnection:
        kept = self._connection
        if kept is not None and self._place == place and kept.is_connected:
            return kept
        self.close()
        connection = self._new_connection(place)
        with self._lock:  # before it connects: the wait for that can be cut as well
            self._connection, self._place = connection, place
        if self._is_cut:
            raise OSError(0, "broken off")
        connection.connect()
        with self._lock:
            self._socket = connection.sock
            if self._is_cut:  # while there was nothing yet to be cut
                raise OSError(0, "broken off")
        connection.timeout = self._read_s  # urllib3 sets it on the socket at each request
        return connection

    def _new_connection(self, place: tuple[str, str, int]) -> HTTPConnection:
        from urllib3.connection import HTTPConnection, HTTPSConnection

        scheme, host, port = place
        if scheme == "http":
            return HTTPConnection(host, port, timeout=self._connect_s)
        return HTTPSConnection(host, port, timeout=self._connect_s, ssl_context=_context(self._tls))

    def _let_go_of(self, response: HTTPResponse) -> None:
        """Keep the connection where its answer has ended, as it should for the next question."""
        from urllib3.exceptions import HTTPError

        try:
            is_short = int(response.headers.get("content-length", "x")) <= _DRAINED_BYTES
            if is_short and response.headers.get("connection", "").lower() != "close":
                response.read(_DRAINED_BYTES)
                if response.version > 10:
                    return
        except (HTTPError, http.client.HTTPException, OSError, ValueError):
            pass
        self.close()

    def _redirected(self, url: str, location: str) -> str:
        new = urljoin(url, location)
        scheme = new.partition("://")[0].lower()
        if scheme not in ("http", "https") or address_problem(new):
            raise SourceUnavailable(
                f"the camera redirects to {self._told(location)}, which is no address of pictures"
            )
        return _without_login(new)

    def _told(self, url: str) -> str:
        return hidden(redacted(url), self.secrets)

    def _may_log_in(self, url: str) -> bool:
        """Only at the host of the address, and never in the clear where that has TLS."""
        asked, own = urlsplit(url), urlsplit(self._url)
        if asked.hostname != own.hostname:
            return False
        return asked.scheme == "https" or own.scheme.lower() == "http"


def _context(tls: Tls) -> ssl.SSLContext:
    import ssl

    try:
        context = ssl.create_default_context(cafile=tls.ca_file or None)
    except ssl.SSLError as exc:
        told = f"capture.ca_file {tls.ca_file}: it holds no certificate (PEM)"
        raise SourceUnavailable(told) from exc
    except OSError as exc:
        reason = (exc.strerror or str(exc)).lower()
        told = f"capture.ca_file {tls.ca_file}: cannot be read: {reason}"
        raise SourceUnavailable(told) from exc
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _without_login(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl()


def _parameter(header: str, name: str) -> str:
    """Of a header's value; empty where it has none."""
    for part in header.split(";")[1:]:
        key, _, value = part.partition("=")
        if key.strip().lower() == name:
            return value.strip().strip('"')
    return ""


def _is_incomplete(exc: BaseException) -> bool:
    from urllib3.exceptions import IncompleteRead, ProtocolError

    cause = exc.__cause__ or exc.__context__
    return isinstance(exc, IncompleteRead) or (
        isinstance(exc, ProtocolError) and isinstance(cause, http.client.IncompleteRead)
    )
