"""A control socket that answers as a daemon would, on a loop of its own thread."""

from __future__ import annotations

import asyncio
import queue
import threading
from pathlib import Path
from typing import Any

from edge_runtime.supervisor.control import Command, ControlServer
from edge_runtime.supervisor.feed import Feed


class FakeDaemon:
    """The product's own `ControlServer`; each command answers with a value.  A context manager."""

    def __init__(self, folder: Path, **answers: Any) -> None:
        self.asked: queue.Queue[dict[str, Any]] = queue.Queue()
        self._folder = folder
        self._answers = answers
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))

    def answer(self, command: str, value: Any) -> None:
        """From now on."""
        self._answers[command] = value

    def _command(self, name: str) -> Command:
        async def answered(request: dict[str, Any]) -> Any:
            self.asked.put(request)
            return self._answers[name]

        return answered

    async def _run(self) -> None:
        commands = {name: self._command(name) for name in self._answers}
        server = ControlServer(self._folder, commands, Feed())
        await server.start()
        self._ready.set()
        await self._stop.wait()
        await server.close()

    def __enter__(self) -> FakeDaemon:
        self._thread.start()
        assert self._ready.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(5)
        self._loop.close()
