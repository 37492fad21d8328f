"""A network camera: motion JPEG over HTTP from a process of its own, which can fail in every way.

``python -m tests.support.mjpeg_server`` is the camera; `MjpegServer` starts and commands it.
Each picture shows its number: its upper half has the grey level ``number % 256``.
"""

from __future__ import annotations

import argparse
import base64
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from edge_runtime.clock import SYSTEM_CLOCK
from tests.support.data import PROJECT

if TYPE_CHECKING:
    from types import TracebackType

WIDTH_PX, HEIGHT_PX = 320, 240
BOUNDARY = "picture"
STILL = 200


class MjpegServer:
    """Starts, commands and ends the camera's process."""

    def __init__(self, *, fps: float = 25.0, user: str = "", port: int = 0) -> None:
        self._fps = fps
        self._user = user
        self.port = port
        self._process: subprocess.Popen[str] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/video"

    def start(self) -> None:
        """(Again) on the same port as before."""
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.support.mjpeg_server"),
                *("--port", str(self.port), "--fps", str(self._fps), "--user", self._user),
            ],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("port "), line
        self.port = int(line.split()[1])

    def command(self, word: str) -> None:
        """``stall``, ``go``, ``still``, ``damaged`` or ``hangup``; returns once it is obeyed."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == f"did {word}\n"

    def kill(self) -> None:
        """As a power cut: no goodbye."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()


class _Camera:
    """What all connections share."""

    def __init__(self, fps: float, user: str) -> None:
        self.fps = fps
        self.authorization = f"Basic {base64.b64encode(user.encode()).decode()}" if user else ""
        self.going = threading.Event()
        self.going.set()
        self.never = threading.Event()
        self.mode = "go"
        self.calls = 0
        """Of `hangup`: connections made before are over."""

    def obey(self, word: str) -> None:
        self.mode = word
        if word == "hangup":
            self.calls += 1
        if word == "stall":
            self.going.clear()
        else:
            self.going.set()


def picture(number: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """(240, 320, 3): the upper half tells the number, the lower half is a fixed texture."""
    pixels = np.random.default_rng(1).integers(0, 255, (HEIGHT_PX, WIDTH_PX, 3), np.uint8)
    pixels[: HEIGHT_PX // 2] = number % 256
    return pixels


def _jpeg(number: int) -> bytes:
    import cv2

    return bytes(cv2.imencode(".jpg", picture(number))[1].tobytes())


def _handler(camera: _Camera) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if camera.authorization and self.headers["Authorization"] != camera.authorization:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="camera"')
                self.end_headers()
                return
            self.send_response(200)
            self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={BOUNDARY}")
            self.end_headers()
            self._stream()

        def _stream(self) -> None:
            call = camera.calls
            number = 0
            while camera.calls == call:
                camera.going.wait()
                jpeg = _jpeg(STILL if camera.mode == "still" else number)
                if camera.mode == "damaged" and number % 2:
                    jpeg = jpeg[: len(jpeg) // 3]
                head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}"
                try:
                    self.wfile.write(head.encode() + b"\r\n\r\n" + jpeg + b"\r\n")
                except OSError:
                    return
                number += 1
                SYSTEM_CLOCK.wait(camera.never, 1 / camera.fps)

        def log_message(self, *args: object) -> None:
            pass

    return Handler


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--fps", type=float, default=25.0)
    parser.add_argument("--user", default="")
    asked = parser.parse_args()
    camera = _Camera(asked.fps, asked.user)
    server = ThreadingHTTPServer(("127.0.0.1", asked.port), _handler(camera))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"port {server.server_address[1]}", flush=True)
    for line in sys.stdin:  # ends with the test that started it
        camera.obey(line.strip())
        print(f"did {line.strip()}", flush=True)


if __name__ == "__main__":
    main()
