"""Every answer says which life of the collector gave it.

ASGI middleware around all others: a device takes no verdict, and no file for stored, from an answer
that does not name the instance of its hello.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_runtime.wire.conversation import INSTANCE_HEADER

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Named:
    """Adds `INSTANCE_HEADER`.  Runs on the event loop, reads no body."""

    def __init__(self, app: ASGIApp, *, instance: str) -> None:
        """`instance`: of the store, as its hellos tell it."""
        self._app = app
        self._header = (INSTANCE_HEADER.encode(), instance.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and name the answer."""

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), self._header]
            await send(message)

        await self._app(scope, receive, named)
