"""A child's end of the socketpair to its supervisor."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import logging
import os
import signal
import socket
import threading

import msgspec

from edge_runtime.link.messages import AnyMessage, Start, encode, receive

log = logging.getLogger(__name__)

FD_VARIABLE = "EDGE_RUNTIME_FD"
LISTEN_FD_VARIABLE = "EDGE_RUNTIME_LISTEN_FD"
"""Field: the socket that lanes connect to, bound and listened on by the supervisor."""
STACKS_FD_VARIABLE = "EDGE_RUNTIME_STACKS_FD"
"""A file in memory of this child alone, for its stacks; the supervisor tells them whole."""
_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_NAME_BYTES = 15
"""What the kernel keeps of one."""


class LinkClosed(Exception):
    """The supervisor is gone; there is nobody to work for."""


class Link:
    """Framed messages both ways.  `send`: any thread; `receive`: one reader thread."""

    def __init__(self, connection: socket.socket) -> None:
        """Take over a connected stream socket."""
        self._connection = connection
        self._lock = threading.Lock()

    def send(self, message: AnyMessage) -> None:
        """Send one message; blocks while the supervisor does not read.  Raises `LinkClosed`."""
        data = encode(message)
        try:
            with self._lock:
                self._connection.sendall(data)
        except OSError as exc:
            raise LinkClosed from exc

    def receive(self) -> AnyMessage | None:
        """The next message; None when the supervisor has closed its end, or is not understood.

        A child that went on without its reader would be deaf, and look well.
        """
        try:
            return receive(self._connection)
        except OSError:
            return None
        except (ValueError, msgspec.DecodeError) as exc:
            log.error("not_understood error=%s", exc)  # noqa: TRY400 - one clear line
            return None

    def close(self) -> None:
        """Close our end.  Wakes a blocked `receive`."""
        with contextlib.suppress(OSError):  # the other end may be gone already
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()


def connect(*, outlives: bool = False) -> tuple[Link, Start]:
    """Called first by a child process: its link, and what it is to do.

    Also ties the child's life to the supervisor's: the kernel kills it when the supervisor dies.
    `outlives`: not that; the child ends by itself when the link closes, after what it has to do.
    """
    if not outlives:
        parent = os.getppid()
        die_with_parent()
        if os.getppid() != parent:  # it died before we asked
            raise SystemExit(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl-C is for the supervisor, who says Stop
    connection = socket.socket(fileno=int(os.environ.pop(FD_VARIABLE)))
    connection.setblocking(True)
    link = Link(connection)
    start = link.receive()
    if not isinstance(start, Start):
        raise SystemExit(1)
    return link, start


def keep_stacks() -> None:
    """All stacks are written when this process gets SIGABRT or crashes.  Call it first.

    They go where no other process writes meanwhile: they are written piece by piece, and those of
    several processes on one stderr would tear each other's lines.
    """
    told = os.environ.pop(STACKS_FD_VARIABLE, "")
    if told:
        faulthandler.enable(file=int(told))
    else:
        faulthandler.enable()


def set_name(name: str) -> None:
    """What ``ps``, ``top`` and the kernel's log call this process: its first 15 bytes."""
    ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode()[:_NAME_BYTES], 0, 0, 0)


def die_with_parent() -> None:
    """The kernel kills this process when the thread that started it ends.  Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
