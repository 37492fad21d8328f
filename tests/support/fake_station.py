"""The real daemon in this process, with children that do what a script says.

The supervisor's side of the contract: real processes, sockets, ledger and signals; no cameras, no
models.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.config import load_config
from edge_runtime.ledger.queries import LedgerReader
from edge_runtime.supervisor.control import ControlClient
from edge_runtime.supervisor.daemon import Daemon, Modules, RunOptions, RunSummary
from edge_runtime.types import Event, Result, Tombstone
from tests.support.fake_child import VARIABLE

MODULE = "tests.support.fake_child"
WAIT_S = 20.0
LIVE = 'source = "v4l2:/dev/null"\nmodel = "surface-defect"\n'
_numbers = itertools.count()
QUICK = "[supervisor]\nbackoff_min_s = 0.05\nbackoff_max_s = 0.2\nstop_timeout_s = 4.0\n"


def lane(name: str, extra: str = "") -> str:
    """A live lane's table."""
    return f"[lanes.{name}]\n{LIVE}{extra}\n"


def replay(name: str, recording: Path, extra: str = "") -> str:
    """A replaying lane's table."""
    return f'[lanes.{name}]\nsource = "file:{recording}"\nmodel = "surface-defect"\n{extra}\n'


class FakeStation:
    """One run."""

    def __init__(
        self,
        folder: Path,
        lanes: str,
        settings: str = QUICK,
        *,
        field: str = MODULE,
        **options: bool,
    ) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.path = folder / "config.toml"
        self.write(lanes, settings)
        self.daemon = Daemon(
            load_config(self.path),
            RunOptions(**options),
            SYSTEM_CLOCK,
            path=self.path,
            modules=Modules(lane=MODULE, field=field, sync=MODULE),
        )
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.told: list[str] = []
        self.task: asyncio.Task[RunSummary]

    def write(self, lanes: str, settings: str = QUICK) -> None:
        """The config's file."""
        head = '[device]\nid = "tested"\ndata_dir = "./data"\n'
        self.path.write_text(head + lanes + settings)

    async def ask(self, command: str, **arguments: Any) -> Any:
        """As a person at the control socket."""

        def ask() -> Any:
            with ControlClient(self.data, timeout_s=WAIT_S) as client:
                return client.ask(command, **arguments)

        return await asyncio.to_thread(ask)

    async def until(
        self, condition: Callable[[], Any], what: str = "", seconds: float = WAIT_S
    ) -> Any:
        """Wait for something that is bound to come; its value."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.service_manager()
            assert not self.task.done(), f"the daemon ended: {self.task}"
            if value := condition():
                return value
            await asyncio.sleep(0.02)
        message = f"waited {seconds:.0f} s for: {what}; told {self.service_manager()}"
        raise AssertionError(message)

    async def ready(self) -> None:
        await self.until(lambda: "READY=1" in self.service_manager(), "READY")

    def service_manager(self) -> list[str]:
        """What systemd was told so far."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self.told.append(self.manager.recv(4096).decode())
        return self.told

    def state(self, name: str) -> str:
        keeper = self.daemon._crew.lane(name)
        return "" if keeper is None else keeper.child.health.state.value

    def health(self, name: str) -> Any:
        keeper = self.daemon._crew.lane(name)
        assert keeper is not None
        return keeper.child.health

    def heard(self, name: str, kind: str = "") -> list[dict[str, Any]]:
        """What a child was told, over all lives."""
        path = self.data / "fake" / f"{name}.heard"
        lines = path.read_bytes().splitlines() if path.exists() else []
        messages = [json.loads(line) for line in lines if line]
        return [m for m in messages if not kind or m["type"] == kind]

    def lives(self, name: str) -> list[tuple[int, int]]:
        """(pid, niceness) of each life."""
        path = self.data / "fake" / f"{name}.lives"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(int(line.split()[0]), int(line.split()[1])) for line in lines]

    def entries(self) -> list[Result | Tombstone | Event | Any]:
        """What the ledger has, oldest first."""
        with LedgerReader(self.data) as reader:
            return [e.body for e in reader.results(limit=10_000, newest_first=False)]

    def tombstones(self, reason: str = "") -> list[Tombstone]:
        found = [e for e in self.entries() if isinstance(e, Tombstone)]
        return [t for t in found if not reason or t.reason.value == reason]

    def events(self) -> list[str]:
        return [e.code for e in self.entries() if isinstance(e, Event)]

    def results(self) -> list[Result]:
        return [e for e in self.entries() if isinstance(e, Result)]

    def oom_score_adj(self, pid: int) -> int:
        return int(Path(f"/proc/{pid}/oom_score_adj").read_text())

    async def freeze(self, pid: int) -> None:
        """Stop a process, all its threads; it can only be killed."""
        os.kill(pid, signal.SIGSTOP)
        tasks = Path(f"/proc/{pid}/task")
        await self.until(
            lambda: all(
                (task / "stat").read_text().rpartition(")")[2].split()[0] == "T"
                for task in tasks.iterdir()
            )
        )

    async def stop(self) -> RunSummary:
        os.kill(os.getpid(), signal.SIGTERM)
        return await asyncio.wait_for(self.task, WAIT_S)


@contextlib.asynccontextmanager
async def running(station: FakeStation, script: dict[str, list[str]]) -> AsyncIterator[FakeStation]:
    """The daemon with these children; it is ended, whatever becomes of the test."""
    address = str(station.folder / f"notify-{next(_numbers)}")
    with station.manager, pytest.MonkeyPatch.context() as environ:
        station.manager.bind(address)
        station.manager.setblocking(False)
        environ.setenv(VARIABLE, json.dumps(script))
        environ.setenv("NOTIFY_SOCKET", address)
        station.daemon._notifier._address = address
        station.task = asyncio.create_task(station.daemon.run())
        for _ in range(1000):  # until its ledger is open
            if station.task.done() or hasattr(station.daemon, "_crew"):
                break
            await asyncio.sleep(0.01)
        try:
            yield station
        finally:
            if not station.task.done():
                station.daemon._on_signal()
                station.daemon._on_signal()
            await asyncio.wait([station.task], timeout=WAIT_S)
