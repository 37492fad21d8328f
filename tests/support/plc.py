"""A PLC in a process of its own, that a test may stall, kill and start again."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable

WAIT_S = 20


class PlcProcess:
    """``edge-runtime output simulate``.  A context manager; `writes` grows while it runs."""

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self.writes: list[dict[str, Any]] = []
        self._news: queue.Queue[dict[str, Any]] = queue.Queue()

    def start(self) -> None:
        listen = f"127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "edge_runtime", "output", "simulate", "--json"]
        self._process = subprocess.Popen(
            [*command, "--heartbeat", "--listen", listen], stdout=subprocess.PIPE, text=True
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        told = self.wait_for(lambda news: "listening" in news)  # behind what is left of before
        self.writes.remove(told)
        self.port = int(told["listening"].rpartition(":")[2])

    def wait_for(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first write from now on (or not looked at yet) that is `wanted`."""
        while True:
            write = self._news.get(timeout=WAIT_S)
            self.writes.append(write)
            if wanted(write):
                return write

    def wait_for_coil(self, coil: int, value: int) -> dict[str, Any]:
        return self.wait_for(
            lambda w: (w["kind"], w["address"], w["value"]) == ("coil", coil, value)
        )

    def stall(self) -> None:
        os.kill(self._process.pid, signal.SIGSTOP)
        status = Path(f"/proc/{self._process.pid}/stat")
        until_s = time.monotonic() + WAIT_S  # on another core it may run on for a moment
        while status.read_text().rpartition(")")[2].split()[0] != "T":
            assert time.monotonic() < until_s

    def go_on(self) -> None:
        os.kill(self._process.pid, signal.SIGCONT)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(WAIT_S)
        self._reader.join(WAIT_S)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.kill()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._news.put(json.loads(line))
