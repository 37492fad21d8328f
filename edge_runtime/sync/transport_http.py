"""The HTTP transport: the conversation of ``docs/sync-protocol.md`` over one kept connection.

Redirects are off, the token is asked for anew at every call, and no error carries it.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from edge_runtime.errors import (
    AuthFailed,
    BatchRefused,
    BatchTooLarge,
    ConfigError,
    GreetingRefused,
    ItemError,
    ProtocolError,
    SyncError,
)
from edge_runtime.sync.answers import Answer, decoded, describe, error_of, scrubbed
from edge_runtime.sync.forward import proxy_for
from edge_runtime.sync.http_connection import Call, KeptConnection, Timeouts, Traffic
from edge_runtime.sync.proof import Collector, refuses_the_token, welcome_of
from edge_runtime.sync.tls import Tls
from edge_runtime.sync.transport import SLOWEST_MEDIA_BYTES_PER_S, MediaRefused
from edge_runtime.wire.conversation import (
    BATCH_MEDIA_TYPE,
    INSTANCE_HEADER,
    Greeting,
    MediaAnswer,
    MediaQuestion,
    Receipt,
    Welcome,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

_JSON = "application/json"
_TOKEN = re.compile(r"[!-~]*")


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
        proxy: str | None = None,
    ) -> None:
        """`token` is asked before each call, so that a new one is picked up.

        Raises `ConfigError` for a URL, proxy or CA file that cannot work.  Connects at the first
        call.
        """
        host, port, base, is_tls = _parts_of(url)
        self._base = base
        self._token = token
        self._secret: str | None = None
        self._timeouts = timeouts or Timeouts()
        self._software = software
        self._tls = Tls(ca_file) if is_tls else None
        self._collector = Collector()
        self._connection = KeptConnection(
            host,
            port,
            tls=self._tls,
            timeouts=self._timeouts,
            proxy=proxy_for(urlsplit(url), proxy),
        )

    @property
    def traffic(self) -> Traffic:
        """Monotonic counters."""
        return self._connection.traffic

    def hello(self, greeting: Greeting) -> Welcome:
        """See `Transport`."""
        with self._discreetly():
            answer = self._send("POST", "/hello", body=msgspec.json.encode(greeting))
            if answer.status in (400, 422) and INSTANCE_HEADER in answer.headers:
                raise GreetingRefused(f"hello: {describe(answer)}")
            if answer.status != 200:
                raise error_of(answer, "hello")
            welcome = welcome_of(answer)
            self._collector.met(welcome)
            return welcome

    def send_events(self, batch: bytes) -> Receipt:
        """See `Transport`."""
        headers = {"content-type": BATCH_MEDIA_TYPE, "content-encoding": "gzip"}
        with self._discreetly():
            answer = self._send("POST", "/events", body=batch, headers=headers)
            if answer.status in (400, 413, 422):
                kind = BatchTooLarge if answer.status == 413 else BatchRefused
                own = self._collector.wrote(answer)
                raise kind(f"events: {describe(answer)}", own=own)
            if answer.status != 200:
                raise error_of(answer, "events")
            receipt = decoded(answer, Receipt, "events")
            self._collector.speaks(receipt.instance)
            return receipt

    def has_media(self, sha256: str, *, size_bytes: int | None = None) -> bool:
        """See `Transport`."""
        with self._discreetly():
            answer = self._send("HEAD", f"/media/{sha256}")
            if answer.status == 404:
                return False
            if answer.status == 200:
                return self._collector.has_media(answer, sha256, size_bytes)
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
                raise MediaRefused(
                    f"media {sha256[:12]}: refused: {describe(answer)}",
                    own=self._collector.wrote(answer),
                )
            if answer.status not in (200, 201):
                raise error_of(answer, "media")
            self._collector.took_media(answer, sha256, size_bytes)

    def wanted_media(self, sha256s: Sequence[str]) -> list[str]:
        """See `Transport`."""
        if not self._collector.checks_media or not sha256s:
            return []
        with self._discreetly():
            question = MediaQuestion(sha256s=tuple(sha256s))
            answer = self._send("POST", "/media/check", body=msgspec.json.encode(question))
            if answer.status != 200:
                raise error_of(answer, "media/check")
            said = decoded(answer, MediaAnswer, "media/check")
            if not self._collector.knows(said.instance):
                raise ProtocolError("media/check: the answer is of another life of the collector")
            return [sha256 for sha256 in sha256s if sha256 in set(said.wanted)]

    def is_renewed(self) -> bool:
        """See `Transport`."""
        if self._tls is not None and self._tls.is_renewed:
            return True
        try:
            return self._token() != self._secret
        except ConfigError:
            return False

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
            if refuses_the_token(answer):
                said = f"the collector refuses the token ({answer.status}): check sync.token"
                raise AuthFailed(said)
            raise ProtocolError(
                f"{describe(answer)} by something that is not the collector; does a proxy or a "
                "login page answer for it?"
            )
        return answer

    def _read_token(self) -> str | None:
        try:
            token = self._token()
        except ConfigError as exc:
            self._secret = None
            raise AuthFailed(f"sync.token: {exc}") from exc
        if token is not None and not _TOKEN.fullmatch(token):
            self._secret = token
            raise AuthFailed(
                "sync.token: it has characters that no token has (letters that are not ASCII, or "
                "white space); look at the file or variable that sync.token names"
            )
        return token

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
