"""The line's camera as a process of its own, started, commanded and listened to.

Owned by one thread; a second one reads what the camera tells.
"""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any, Self

from edge_runtime.clock import NS_PER_S, SYSTEM_CLOCK
from edge_runtime.errors import NoInput

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from edge_runtime.sample_station.camera import CameraSettings

START_S = 30.0
OBEY_S = 10.0


class CameraProcess:
    """``python -m edge_runtime.sample_station.camera``; the line waits for `start`."""

    def __init__(self, settings: CameraSettings, *, port: int = 0) -> None:
        """Listening when this returns.  Raises `NoInput` when it does not come up."""
        self.events: list[dict[str, Any]] = []
        """Everything that it has told, in order; see `camera`."""
        self._told: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            _command_line(settings, port),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, name="camera", daemon=True)
        self._reader.start()
        try:
            listening = self._wait_for("listening", START_S)
        except NoInput:
            self.close()
            raise
        self.url: str = listening["url"]
        self.port: int = listening["port"]

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def start(self) -> dict[str, Any]:
        """The line starts; the schedule: ``start_ns``, ``every_ns``, ``visible_ns``, ``parts``."""
        self._write("start")
        started = self._wait_for("started", OBEY_S)
        self._wait_for("did", OBEY_S)
        return started

    def command(self, line: str) -> int:
        """Any other word that `camera` knows; when it was obeyed, CLOCK_BOOTTIME in ns.

        Raises `NoInput` when it is not.
        """
        self._write(line)
        at_ns: int = self._wait_for("did", OBEY_S)["at_ns"]
        return at_ns

    def parts(self) -> list[dict[str, Any]]:
        """What was told of parts so far, in their order."""
        self._drain()
        return [told for told in self.events if told["kind"] == "part"]

    def has_ended(self) -> bool:
        """The last part is gone."""
        self._drain()
        return any(told["kind"] == "ended" for told in self.events)

    def kill(self) -> None:
        """As a power cut: no goodbye."""
        self._process.kill()
        self.close()

    def close(self) -> None:
        """End it.  Idempotent."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if not self._process.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        try:
            self._process.wait(OBEY_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._process.stdout.close()

    def __enter__(self) -> Self:
        """Nothing more to do."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """`close`."""
        self.close()

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError) as exc:
            raise NoInput("the camera's process has ended") from exc

    def _wait_for(self, kind: str, seconds: float) -> dict[str, Any]:
        until_ns = SYSTEM_CLOCK.boottime_ns() + round(seconds * NS_PER_S)
        for told in self._take(until_ns):
            if told["kind"] == kind:
                return told
            if told["kind"] == "refused":
                raise NoInput(f"the camera refused '{told['command']}': {told['why']}")
        raise NoInput(f"the camera did not say '{kind}' within {seconds:g} s")

    def _take(self, until_ns: int) -> Iterator[dict[str, Any]]:
        while (left_ns := until_ns - SYSTEM_CLOCK.boottime_ns()) > 0:
            try:
                told = self._told.get(timeout=left_ns / NS_PER_S)
            except queue.Empty:
                return
            if told is None:
                return
            self.events.append(told)
            yield told

    def _drain(self) -> None:
        while not self._told.empty():
            told = self._told.get()
            if told is not None:
                self.events.append(told)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._told.put(json.loads(line))
        self._told.put(None)


def _command_line(settings: CameraSettings, port: int) -> list[str]:
    asked = {
        "--port": port,
        "--fps": settings.fps,
        "--every-ms": settings.every_ms,
        "--visible-ms": settings.visible_ms,
        "--parts": settings.parts,
        "--bad-share": settings.bad_share,
        "--seed": settings.seed,
        "--look": settings.look,
    }
    flags = ["--wait", *(["--tell-frames"] if settings.tell_frames else [])]
    given = [text for name, value in asked.items() if value is not None for text in (name, value)]
    module = [sys.executable, "-m", "edge_runtime.sample_station.camera"]
    return [*module, *map(str, given), *flags]
