"""Who may talk to the collector: a bearer token, compared in constant time, before anything else.

ASGI middleware; runs on the event loop, reads no body.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


class Access:
    """Refuses requests without the token.

    Without a token (only ever on loopback) it refuses whatever a web page could have sent: a
    foreign ``Host`` (DNS rebinding) or any ``Origin``.
    """

    def __init__(self, app: ASGIApp, *, token: str | None) -> None:
        """`token` None: open, for loopback only."""
        self._app = app
        self._token = None if token is None else token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on or answer 401/403."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if self._token is None:
            refusal = None if _is_local(headers) else (403, "not from this machine's own programs")
        elif _bearer_matches(headers.get(b"authorization", b""), self._token):
            refusal = None
        else:
            refusal = (401, "the token is missing or wrong")
        if refusal is None:
            await self._app(scope, receive, send)
            return
        await _refuse(send, *refusal)


def _bearer_matches(header: bytes, token: bytes) -> bool:
    scheme, _, given = header.partition(b" ")
    return scheme.lower() == b"bearer" and hmac.compare_digest(given.strip(), token)


def _is_local(headers: dict[bytes, bytes]) -> bool:
    host = headers.get(b"host", b"").decode("latin-1")
    name = host if host.endswith("]") else host.rsplit(":", 1)[0]
    return name in _LOOPBACK_NAMES and b"origin" not in headers


async def _refuse(send: Send, status: int, message: str) -> None:
    body = f'{{"error":"{message}"}}'.encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        # The body was not read: the connection cannot be used for another request.
        (b"connection", b"close"),
    ]
    if status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="edge-runtime collector"'))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
