"""Motion JPEG over HTTP: a stream of pictures to whoever connects, a thread each."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable

    Stream = Callable[[Callable[[bytes], None]], None]
    """Called for each connection with what sends one JPEG; the connection ends when it returns."""

BOUNDARY = "part"
SEND_S = 2.0


class MjpegServer(ThreadingHTTPServer):
    """Listens on the loopback interface.  `server_close` waits for the connections' threads."""

    daemon_threads = False
    block_on_close = True
    allow_reuse_address = True

    def __init__(self, port: int, stream: Stream) -> None:
        """`port` 0: any free one.  Raises `OSError` for one in use."""
        super().__init__(("127.0.0.1", port), _handler_of(stream))

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])


def _handler_of(stream: Stream) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout: ClassVar[float] = SEND_S
        """Of reading and sending: a client that takes nothing keeps nobody waiting for long."""

        def do_GET(self) -> None:
            """One connection's pictures."""
            self.send_response(200)
            self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={BOUNDARY}")
            self.end_headers()
            try:
                stream(self._send)
            except OSError:
                self.close_connection = True

        def _send(self, jpeg: bytes) -> None:
            head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}"
            self.wfile.write(head.encode() + b"\r\n\r\n" + jpeg + b"\r\n")

        def log_message(self, *args: object) -> None:
            """Nothing: standard error is for what is wrong."""

    return Handler
