"""A TCP proxy that spoils connections on purpose: between a device and its collector.

One thread a connection; `close` ends them all.  Faults are taken from a queue, one a connection or
one a request, so that a test says exactly what happens when.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections import deque
from enum import Enum, auto


class Fault(Enum):
    """What happens to a request."""

    NONE = auto()
    LOSE_ANSWER = auto()
    """The request goes through; the connection is reset when the answer comes."""
    REFUSE = auto()
    """The connection is reset before anything goes through."""
    CUT_REQUEST = auto()
    """Half of the request goes through, then the connection is reset."""
    SWALLOW = auto()
    """The request goes nowhere and there is never an answer."""


class FaultProxy:
    """Listens on a port of its own and passes on to `target`, as long as nothing is queued."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.faults: deque[Fault] = deque()
        self.requests = 0
        self.connections = 0
        self.is_up = True
        self._stop = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.1)
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept, name="proxy")]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def cut(self) -> None:
        """Reset every connection there is."""
        for connection in list(self._open):
            _reset(connection)

    def close(self) -> None:
        self._stop.set()
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            self.connections += 1
            if not self.is_up:
                _reset(client)
                continue
            thread = threading.Thread(target=self._serve, args=(client,), name="proxy-connection")
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        self._open.add(client)
        try:
            with socket.create_connection(self.target, timeout=5) as server:
                self._pump(client, server)
        except OSError:
            pass  # what this is for
        finally:
            self._open.discard(client)
            _reset(client)

    def _pump(self, client: socket.socket, server: socket.socket) -> None:
        """Bytes both ways.  A client's first bytes after an answer begin a new request."""
        between_requests, fault = True, Fault.NONE
        while not self._stop.is_set():
            readable, _, _ = select.select([client, server], [], [], 0.1)
            if client in readable:
                data = client.recv(65536)
                if not data:
                    return
                if between_requests:
                    between_requests = False
                    self.requests += 1
                    fault = self.faults.popleft() if self.faults else Fault.NONE
                if fault is Fault.REFUSE:
                    return
                if fault is Fault.CUT_REQUEST:
                    server.sendall(data[: len(data) // 2])
                    return
                if fault is not Fault.SWALLOW:
                    server.sendall(data)
            if server in readable:
                data = server.recv(65536)
                if not data or fault is Fault.LOSE_ANSWER:
                    return
                between_requests = True
                client.sendall(data)


def _reset(connection: socket.socket) -> None:
    """Close with a RST, as a dying box or a firewall does."""
    with contextlib.suppress(OSError):
        connection.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00"
        )
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
