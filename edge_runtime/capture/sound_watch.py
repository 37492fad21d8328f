"""Asks the sound server again and again who answers: the ``microphone-watch`` thread.

The ``capture`` thread must not wait for a program, and a server may move our stream at any time.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from edge_runtime.capture.sound_server import who_answers

if TYPE_CHECKING:
    from edge_runtime.capture.sound_server import Answering

WATCH_S = 3.0


class Watch:
    """Begun and ended by the ``capture`` thread."""

    def __init__(self, every_s: float = WATCH_S) -> None:
        """Nobody is asked yet."""
        self._every_s = every_s
        self._over: threading.Event | None = None
        self.found: Answering | None = None
        """As it was last told.  Any thread."""

    def begin(self) -> None:
        """Ask now, and from now on beside us where a server answers."""
        self.found = who_answers(os.getpid())
        if self.found is None:
            return
        self._over = threading.Event()
        threading.Thread(
            target=self._run, args=(self._over,), name="microphone-watch", daemon=True
        ).start()

    def end(self) -> None:
        """Ask no more.  Idempotent."""
        over, self._over = self._over, None
        if over is not None:
            over.set()
        self.found = None

    def _run(self, over: threading.Event) -> None:
        while not over.wait(self._every_s):
            found = who_answers(os.getpid())
            if found is not None and not over.is_set():
                self.found = found
