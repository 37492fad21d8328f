"""A service that is told of verdicts: a real HTTP server that may be silent, slow or gone."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class WebhookServer:
    """`start` after `close` is the same service on the same port again."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.status = 204
        self.location: str | None = None
        self.silent = threading.Event()
        """Set: it takes requests, does nothing about them, and never answers."""
        self.drip = threading.Event()
        """Set: it answers a byte at a time."""
        self._closing = threading.Event()
        self._port = 0
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/verdicts"

    def start(self) -> None:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 0.2

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if outer.silent.is_set():
                    outer._closing.wait(30)
                    self.close_connection = True
                    return
                outer.headers.append({name.lower(): value for name, value in self.headers.items()})
                outer.bodies.append(json.loads(body))
                if outer.drip.is_set():
                    self._drip()
                    return
                self.send_response(outer.status)
                if outer.location is not None:
                    self.send_header("location", outer.location)
                self.send_header("content-length", "0")
                self.end_headers()

            def _drip(self) -> None:
                self.close_connection = True
                for byte in b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n" + b"x" * 100:
                    if outer._closing.wait(0.05):
                        return
                    try:
                        self.wfile.write(bytes((byte,)))
                    except OSError:
                        return

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = False
            allow_reuse_address = True

            def handle_error(self, *_: object) -> None:
                pass  # the client hung up

        self._closing.clear()
        self._server = Server(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        """Idempotent; returns when all its connections have ended."""
        if self._server is None:
            return
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._server = None
