"""A TCP server that does exactly what a test says with each connection, HTTP or not."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Self

Conversation = Callable[[socket.socket, threading.Event], None]


class RawServer:
    """Each connection is given to the next conversation; the last one is used again and again."""

    def __init__(self, *conversations: Conversation) -> None:
        self._conversations = list(conversations)
        self._stop = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, name="raw-server")]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._threads[0].join(5)  # from here on nobody is let in
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        for thread in self._threads[1:]:
            thread.join(5)
        self._listener.close()

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            talk = self._conversations[min(self.connections, len(self._conversations) - 1)]
            self.connections += 1
            connection.settimeout(10)
            self._open.append(connection)
            thread = threading.Thread(target=self._talk, args=(talk, connection), name="raw")
            self._threads.append(thread)
            thread.start()

    def _talk(self, talk: Conversation, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):  # the other side had enough
            talk(connection, self._stop)
        with contextlib.suppress(OSError):
            connection.close()


def read_request(connection: socket.socket) -> bytes:
    """One request with its body; empty at end-of-file."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            return b""
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").lower().split("\r\n")
    length = next((int(x.split(":")[1]) for x in lines if x.startswith("content-length:")), 0)
    while len(body) < length:
        part = connection.recv(65536)
        if not part:
            return b""
        body += part
    return head + b"\r\n\r\n" + body


def answer(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """A whole HTTP answer."""
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def answers(*wholes: bytes) -> Conversation:
    """Answer one request with each, then close."""

    def talk(connection: socket.socket, stop: threading.Event) -> None:
        for whole in wholes:
            if not read_request(connection):
                return
            connection.sendall(whole)

    return talk


def says_nothing(connection: socket.socket, stop: threading.Event) -> None:
    """Half-open: takes everything, answers nothing."""
    stop.wait(30)


def drips(connection: socket.socket, stop: threading.Event) -> None:
    """A byte every 50 ms: never silent, never done."""
    read_request(connection)
    head = b"HTTP/1.1 200 OK\r\nx-long: "
    for byte in head + b"y" * 10_000:
        if stop.wait(0.05):
            return
        connection.sendall(bytes([byte]))
