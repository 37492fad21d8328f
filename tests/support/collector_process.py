"""A real collector: ``edge-runtime collector`` as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "the-token-of-the-tests"
VARIABLE = "EDGE_RUNTIME_TEST_TOKEN"


class CollectorProcess:
    """Started by `start`; `kill` is ``kill -9``; may be started again on the same port."""

    def __init__(self, data_dir: Path, *, port: int = 0, arguments: tuple[str, ...] = ()) -> None:
        self.data_dir = data_dir
        self.port = port
        self.url = ""
        self.arguments = arguments
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        command = [
            sys.executable, "-m", "edge_runtime", "collector", "--data", str(self.data_dir),
            "--listen", f"127.0.0.1:{self.port}", "--token-env", VARIABLE, "--json",
            *self.arguments,
        ]  # fmt: skip
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, VARIABLE: TOKEN},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the collector ended with {self.process.wait(10)}"
        self.url = json.loads(line)["listening"]
        self.port = int(self.url.rsplit(":", 1)[1].partition("/")[0])

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(15)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process = None
        return code

    def get(self, path: str) -> Any:
        """What ``GET /v1/…`` answers."""
        request = urllib.request.Request(self.url + path)
        request.add_header("Authorization", f"Bearer {TOKEN}")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    def rows(self) -> list[dict[str, Any]]:
        """All events, page by page."""
        found: list[dict[str, Any]] = []
        after = 0
        while page := self.get(f"/results?kind=all&limit=1000&after={after}")["results"]:
            found += page
            after = page[-1]["position"]
        return found

    def keys(self) -> list[tuple[str, int]]:
        """(epoch, seq) of all events, in order of arrival."""
        return [(row["epoch"], row["seq"]) for row in self.rows()]


@contextmanager
def running_collector(data_dir: Path, *arguments: str) -> Iterator[CollectorProcess]:
    collector = CollectorProcess(data_dir, arguments=arguments)
    collector.start()
    try:
        yield collector
    finally:
        if collector.process is not None:
            collector.stop()
