"""The HTTP transport: the conversation of ``docs/sync-protocol.md`` over one kept connection.

Redirects are off, the token is asked for anew at every call, and no error carries it.
"""

from __future__ import annotations

import contextlib
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from edge_runtime.errors import (
    AuthFailed,
    BatchRefused,
    BatchTooLarge,
    ConfigError,
    ItemError,
    SyncError,
)
from edge_runtime.sync.answers import Answer, decoded, describe, error_of, scrubbed
from edge_runtime.sync.http_connection import Call, KeptConnection, Timeouts, Traffic
from edge_runtime.sync.transport import SLOWEST_MEDIA_BYTES_PER_S
from edge_runtime.wire.conversation import BATCH_MEDIA_TYPE, Greeting, Receipt, Welcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_JSON = "application/json"


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
        host, port, base, is_tls = _parts_of(url)
        self._base = base
        self._token = token
        self._secret: str | None = None
        self._timeouts = timeouts or Timeouts()
        self._software = software
        self._connection = KeptConnection(
            host,
            port,
            tls=_tls_context(ca_file) if is_tls else None,
            timeouts=self._timeouts,
        )

    @property
    def traffic(self) -> Traffic:
        """Monotonic counters."""
        return self._connection.traffic

    def hello(self, greeting: Greeting) -> Welcome:
        """See `Transport`."""
        with self._discreetly():
            answer = self._send("POST", "/hello", body=msgspec.json.encode(greeting))
            if answer.status != 200:
                raise error_of(answer, "hello")
            return decoded(answer, Welcome, "hello")

    def send_events(self, batch: bytes) -> Receipt:
        """See `Transport`."""
        headers = {"content-type": BATCH_MEDIA_TYPE, "content-encoding": "gzip"}
        with self._discreetly():
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
        with self._discreetly():
            answer = self._send("HEAD", f"/media/{sha256}")
            if answer.status in (200, 404):
                return answer.status == 200
            raise error_of(answer, "media")

    def put_media(self, path: Path, *, sha256: str, mime: str, size_bytes: int) -> None:
        """See `Transport`."""
        with self._discreetly():
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
        self._connection.abort()

    def close(self) -> None:
        """See `Transport`."""
        self._connection.close()

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
        self._secret = self._read_token()
        if self._secret is not None:
            given["authorization"] = f"Bearer {self._secret}"
        total_s = self._timeouts.total_s + extra_s
        answer = self._connection.exchange(
            Call(method, self._base + path, given, total_s, body, file)
        )
        if answer.status in (401, 403):
            raise AuthFailed(f"the collector refuses the token ({answer.status}): check sync.token")
        return answer

    def _read_token(self) -> str | None:
        try:
            return self._token()
        except ConfigError as exc:
            raise AuthFailed(f"sync.token: {exc}") from exc

    @contextlib.contextmanager
    def _discreetly(self) -> Iterator[None]:
        """Errors leave without the token, whoever put it into their text, and without a cause."""
        try:
            yield
        except (SyncError, ItemError) as exc:
            raise scrubbed(exc, self._secret) from None


def _parts_of(url: str) -> tuple[str, int | None, str, bool]:
    """(host, port, path, whether it is https) of a collector's URL.  Raises `ConfigError`."""
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise ConfigError(["sync.url: no user or password in it; use sync.token"])
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in ("http", "https") or not parts.hostname or port == -1:
        raise ConfigError([f"sync.url: found '{url[:80]}'; it is http(s)://HOST[:PORT]/PATH"])
    return parts.hostname, port, parts.path.rstrip("/"), parts.scheme == "https"


def _tls_context(ca_file: str | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as exc:  # ssl.SSLError is one
        raise ConfigError([f"sync.ca_file: {ca_file}: {exc.strerror or exc}"]) from exc
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
