"""The real daemon and the real collector as processes, for acceptance tests."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from edge_runtime.errors import NoInput
from edge_runtime.supervisor.control import ControlClient

TOKEN = "a-token-for-tests"
WAIT_S = 40.0


def environ(**more: str) -> dict[str, str]:
    return {**os.environ, "EDGE_RUNTIME_TEST_TOKEN": TOKEN, **more}


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "edge_runtime", *map(str, arguments)]


def run(*arguments: object, **more: str) -> subprocess.CompletedProcess[str]:
    """A command to its end."""
    return subprocess.run(
        command(*arguments), env=environ(**more), capture_output=True, text=True, timeout=90, check=False
    )  # fmt: skip


def until(condition: Callable[[], Any], what: str, seconds: float = WAIT_S) -> Any:
    """Wait for something that is bound to come; its value."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    message = f"waited {seconds:.0f} s for: {what}"
    raise AssertionError(message)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Daemon:
    """``edge-runtime run CONFIG`` in a process group of its own."""

    def __init__(
        self,
        folder: Path,
        config: str,
        *options: str,
        data: Path | str | None = None,
        interpreter: str = "",
        **more: str,
    ) -> None:
        """`data`: another folder than ``folder/data``.  `interpreter`: what the daemon believes its
        own Python to be, by which it starts its children.
        """
        self.folder = folder
        self.data = Path(data) if data else folder / "data"
        self.config = folder / "config.toml"
        self.rewrite(config)
        self.log = folder / "daemon.log"
        whole = command("run", self.config, *options)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [interpreter, *whole[1:]] if interpreter else whole,
                executable=os.path.realpath(whole[0]) if interpreter else None,
                env=environ(**more),
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )

    def rewrite(self, config: str) -> None:
        """The config's text is another from now on; the daemon is not told."""
        head = f'[device]\nid = "tested"\ndata_dir = {json.dumps(str(self.data))}\n'
        self.config.write_text(head + config)

    def reload(self, config: str) -> None:
        """The config's text is another, and the daemon is told."""
        self.rewrite(config)
        self.process.send_signal(signal.SIGHUP)

    def __enter__(self) -> Daemon:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def status(self) -> dict[str, Any] | None:
        try:
            with ControlClient(self.data, timeout_s=5) as client:
                picture: dict[str, Any] = client.ask("status")
        except NoInput:
            return None
        return picture

    def lane(self, name: str) -> dict[str, Any]:
        picture = self.status()
        found = [lane for lane in picture["lanes"] if lane["name"] == name] if picture else []
        return found[0] if found else {}

    def wait_for(
        self, condition: Callable[[dict[str, Any]], Any], what: str, seconds: float = WAIT_S
    ) -> dict[str, Any]:
        """The daemon's picture, once `condition` holds for it."""

        def look() -> dict[str, Any] | None:
            assert self.process.poll() is None, f"the daemon ended: {self.log.read_text()[-2000:]}"
            picture = self.status()
            return picture if picture and condition(picture) else None

        found: dict[str, Any] = until(look, what, seconds)
        return found

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(WAIT_S)

    def finish(self) -> tuple[int, str]:
        """(exit code, output) of a run that ends by itself."""
        out, _ = self.process.communicate(timeout=90)
        return self.process.returncode, out.decode()


def lane_of(picture: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(lane for lane in picture["lanes"] if lane["name"] == name)
    return found


def count_of(picture: dict[str, Any], name: str) -> int:
    """Results of a lane so far."""
    return int(sum(lane_of(picture, name)["verdicts"].values()))


@contextlib.contextmanager
def collector(folder: Path) -> Iterator[str]:
    """A collector; its URL."""
    port = free_port()
    process = subprocess.Popen(
        command("collector", "--listen", f"127.0.0.1:{port}", "--data", folder,
                "--token-env", "EDGE_RUNTIME_TEST_TOKEN", "--json"),
        env=environ(), stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    json.loads(process.stdout.readline())  # the line that says that it listens
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


def sync_table(url: str) -> str:
    return f'[sync]\nurl = "{url}"\ntoken = {{ env = "EDGE_RUNTIME_TEST_TOKEN" }}\nbackoff_max_s = 1.0\n'
