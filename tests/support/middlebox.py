"""A box between a device and its collector that may answer for it, as a test says.

HTTP over real sockets: one request at a time a connection, each passed on over a connection of its
own unless the rule has an answer.
"""

from __future__ import annotations

import contextlib
import http.client
import http.server
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Self


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes
    number: int
    """From 1."""

    @property
    def is_media(self) -> bool:
        return "/media" in self.path

    @property
    def is_events(self) -> bool:
        return self.path.endswith("/events")

    @property
    def is_hello(self) -> bool:
        return self.path.endswith("/hello")


@dataclass(frozen=True)
class Answered:
    """One answer."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    """Hang up in the middle of the body."""


PAGE = Answered(
    200, b"<html><title>Login</title>Accept the terms</html>", {"content-type": "text/html"}
)
JSON = {"content-type": "application/json"}
Rule = Callable[[Asked], Answered | None]
Spoil = Callable[[Asked, Answered], Answered]


def passes(_: Asked) -> Answered | None:
    return None


def unspoilt(_: Asked, answered: Answered) -> Answered:
    return answered


class Middlebox:
    """`rule`: the answer in the collector's place; `send_as`: how a request is passed on;
    `spoil`: what becomes of the collector's answer."""

    def __init__(self, *targets: int) -> None:
        """`targets`: ports, asked in turn."""
        self.rule: Rule = passes
        self.send_as: Callable[[Asked], Asked] = lambda asked: asked
        self.spoil: Spoil = unspoilt
        self.targets = list(targets)
        self.last = Answered(502)
        """Whatever a rule wants to keep."""
        self.asked: list[tuple[Asked, int]] = []
        """With the status that was answered."""
        self._lock = threading.Lock()
        self._number = 0
        box = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def _do(self) -> None:
                box.serve(self)

            do_GET = do_POST = do_PUT = do_HEAD = _do  # noqa: N815 - as http.server calls them

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(5)
        self._server.server_close()

    def count(self, what: Callable[[Asked], bool]) -> int:
        return sum(what(asked) for asked, _ in self.asked)

    def serve(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("content-length") or 0)
        with self._lock:
            self._number += 1
            number = self._number
        headers = {name.lower(): value for name, value in handler.headers.items()}
        asked = Asked(handler.command, handler.path, headers, handler.rfile.read(length), number)
        answered = self.rule(asked)
        if answered is None:
            try:
                answered = self.spoil(asked, self._pass_on(self.send_as(asked)))
            except OSError:
                handler.close_connection = True
                return
        self.asked.append((asked, answered.status))
        handler.send_response(answered.status)
        for name, value in answered.headers.items():
            handler.send_header(name, value)
        if "content-length" not in answered.headers or handler.command != "HEAD":
            handler.send_header("content-length", str(len(answered.body)))
        handler.end_headers()
        if handler.command != "HEAD":
            half = len(answered.body) // 2
            handler.wfile.write(answered.body[:half] if answered.cut else answered.body)
        handler.close_connection |= answered.cut

    def _pass_on(self, asked: Asked) -> Answered:
        target = self.targets[asked.number % len(self.targets)]
        connection = http.client.HTTPConnection("127.0.0.1", target, timeout=10)
        hop = ("host", "connection", "content-length")
        headers = {name: value for name, value in asked.headers.items() if name not in hop}
        with contextlib.closing(connection):
            connection.request(asked.method, asked.path, asked.body or None, headers)
            got = connection.getresponse()
            dropped = ("connection", "transfer-encoding", "content-length")
            back = {k.lower(): v for k, v in got.getheaders() if k.lower() not in dropped}
            return Answered(got.status, got.read(), back)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        pass


__all__ = ["JSON", "PAGE", "Answered", "Asked", "Middlebox", "passes", "replace", "unspoilt"]
