"""sd_notify: what systemd is told.  Without ``$NOTIFY_SOCKET`` every call does nothing."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

log = logging.getLogger(__name__)

SEND_S = 0.1
EXTEND_EVERY_S = 10.0
EXTEND_BY_S = 60.0
MOST_STARTING_S = 3600.0


class Notifier:
    """Sends state to the service manager; no exception escapes.  Any one thread."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        """Read ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and ``WATCHDOG_PID``."""
        self._address = environ.get("NOTIFY_SOCKET", "")
        self.watchdog_s = _watchdog_s(environ)
        """Ping at least this often (half of what systemd allows); None: no watchdog."""

    def ready(self) -> None:
        """Started: ledger open, models loaded, sources tried."""
        self._send("READY=1")

    @contextlib.contextmanager
    def still_starting(self, every_s: float = EXTEND_EVERY_S) -> Iterator[None]:
        """Ask for more time while this lasts, at most `MOST_STARTING_S`.

        A recovery of millions of rows takes minutes, and would begin anew for ever if it were cut
        off.
        """
        ended = threading.Event()

        def ask() -> None:
            for _ in range(int(MOST_STARTING_S / every_s)):
                self._send(f"EXTEND_TIMEOUT_USEC={int(EXTEND_BY_S * 1_000_000)}")
                if ended.wait(every_s):
                    return

        asking = threading.Thread(target=ask, name="starting", daemon=True)
        asking.start()
        try:
            yield
        finally:
            ended.set()
            asking.join()

    def stopping(self) -> None:
        """On the way down."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """One line for ``systemctl status``."""
        self._send("STATUS=" + text.replace("\n", " "))

    def watchdog(self) -> None:
        """Alive, checked."""
        self._send("WATCHDOG=1")

    def _send(self, state: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.settimeout(SEND_S)  # a full queue must not hang the supervisor
                sock.connect(address)
                sock.sendall(state.encode("utf-8"))
        except OSError as exc:
            log.warning("notify_failed socket=%s error=%s", self._address, exc)


def _watchdog_s(environ: Mapping[str, str]) -> float | None:
    usec = environ.get("WATCHDOG_USEC", "")
    pid = environ.get("WATCHDOG_PID", "")
    if not usec.isdecimal() or int(usec) == 0 or (pid and pid != str(os.getpid())):
        return None
    return int(usec) / 2_000_000
