"""What cameras over HTTP send, in pieces: conversations for a `RawServer`."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import numpy as np

from tests.support.plain_jpeg import jpeg_of
from tests.support.raw_server import read_request

if TYPE_CHECKING:
    import socket
    import threading
    from collections.abc import Callable, Iterable

    from tests.support.raw_server import Conversation

MIXED = "multipart/x-mixed-replace; boundary=frame"
FPS = 25


def noisy(level: int, *, seed: int = 0, width: int = 64, height: int = 48) -> bytes:
    """A JPEG of one grey with a sensor's noise, never twice the same with another seed."""
    rng = np.random.default_rng(1000 * level + seed)
    pixels = np.clip(level + rng.integers(-12, 13, (height, width, 3)), 0, 255)
    return jpeg_of(pixels.astype(np.uint8))


def cut_in_half(jpeg: bytes) -> bytes:
    """Without the second half of its data, and with its end marker."""
    return jpeg[: (len(jpeg) + 600) // 2] + b"\xff\xd9"


def part(data: bytes, *, kind: str = "image/jpeg", wrong: int | None = 0) -> bytes:
    """As a camera sends it; `wrong`: by how much its length is, None: without one."""
    line = b"" if wrong is None else b"Content-Length: %d\r\n" % (len(data) + wrong)
    return b"--frame\r\nContent-Type: " + kind.encode() + b"\r\n" + line + b"\r\n" + data + b"\r\n"


def answer(status: str, *headers: str, body: bytes = b"") -> bytes:
    """A whole answer, but for its end."""
    lines = [f"HTTP/1.1 {status}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def says(*pieces: bytes) -> Conversation:
    """Answers each question with the next of these, and hangs up behind the last."""

    def talk(connection: socket.socket, _: threading.Event) -> None:
        for piece in pieces:
            if not read_request(connection):
                return
            connection.sendall(piece)

    return talk


def streams(
    pieces: Iterable[bytes],
    *,
    kind: str = MIXED,
    fps: float = FPS,
    then: Callable[[socket.socket, threading.Event], None] | None = None,
) -> Conversation:
    """A stream of these at a pace; behind the last it stays open and silent, or does `then`."""
    told = list(pieces)

    def talk(connection: socket.socket, stop: threading.Event) -> None:
        read_request(connection)
        header = [f"Content-Type: {kind}"] if kind else []
        connection.sendall(answer("200 OK", *header, "Connection: close"))
        for piece in told:
            connection.sendall(piece)
            if stop.wait(1 / fps):
                return
        (then or _silent)(connection, stop)

    return talk


def _silent(_: socket.socket, stop: threading.Event) -> None:
    stop.wait(60)


def asks_for_digest(user: str, password: str, *, algorithm: str, body: bytes) -> Conversation:
    """A camera that wants a digest, checks it, and answers with `body` until it is hung up on."""
    realm, nonce = "camera", "abc123"
    challenge = f'Digest realm="{realm}", nonce="{nonce}", qop="auth", algorithm={algorithm}'

    def h(text: str) -> str:
        return hashlib.new(algorithm.replace("-", ""), text.encode()).hexdigest()

    def talk(connection: socket.socket, _: threading.Event) -> None:
        while request := read_request(connection):
            told = dict(re.findall(r'(\w+)="?([^",\s]*)"?', request.decode("latin-1")))
            secret, asked = h(f"{user}:{realm}:{password}"), h(f"GET:{told.get('uri')}")
            middle = f"{nonce}:{told.get('nc')}:{told.get('cnonce')}:auth"
            if told.get("response") == h(f"{secret}:{middle}:{asked}"):
                connection.sendall(body)
            else:
                refused = f"WWW-Authenticate: {challenge}"
                connection.sendall(answer("401 Unauthorized", refused, "Content-Length: 0"))

    return talk
