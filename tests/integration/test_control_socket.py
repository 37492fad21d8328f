from __future__ import annotations

import asyncio
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.errors import NoInput
from edge_runtime.supervisor.control import ControlClient, ControlServer
from edge_runtime.supervisor.feed import FOLLOW_QUEUE, Feed


class Server:
    """A control server on a loop of its own thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.loop = asyncio.new_event_loop()
        self.feed = Feed()
        self._ready = threading.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self.loop.run_until_complete, args=(self._run(),))

    async def _run(self) -> None:
        async def echo(request: dict[str, Any]) -> dict[str, Any]:
            return {"you_said": request["word"]}

        server = ControlServer(self.folder, {"echo": echo}, self.feed)
        await server.start()
        self._ready.set()
        await self._stop.wait()
        await server.close()

    def publish(self, entry: dict[str, Any]) -> None:
        self.loop.call_soon_threadsafe(self.feed.publish, entry)

    def __enter__(self) -> Server:
        self._thread.start()
        assert self._ready.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(5)
        self.loop.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    deep = tmp_path / ("a" * 100) / ("b" * 100)  # beyond the 108 bytes of a UNIX address
    deep.mkdir(parents=True)
    with Server(deep) as running:
        yield running


def test_a_command_is_answered_however_deep_the_data_folder_lies(server: Server) -> None:
    with ControlClient(server.folder) as client:
        assert client.ask("echo", word="hello") == {"you_said": "hello"}


def test_an_unknown_command_is_answered_with_the_known_ones(server: Server) -> None:
    with ControlClient(server.folder) as client:
        assert client.ask("dance")["error"] == "unknown command 'dance'; known: echo, follow"


def test_the_socket_is_not_open_to_everybody(server: Server) -> None:
    mode = (server.folder / "control.sock").stat().st_mode
    assert stat.S_IMODE(mode) == 0o660


def test_a_follower_sees_every_committed_entry_in_order(server: Server) -> None:
    with ControlClient(server.folder) as client:
        entries = client.follow()
        assert next(entries) == {"following": True}
        for seq in range(1, 101):
            server.publish({"seq": seq})
        assert [next(entries)["seq"] for _ in range(100)] == list(range(1, 101))


def test_a_follower_that_does_not_read_holds_up_nobody_and_is_told_what_it_missed() -> None:
    async def slow_follower() -> list[dict[str, Any]]:
        feed = Feed()
        entries = feed.follow()
        await anext(entries)
        for seq in range(FOLLOW_QUEUE + 10):
            feed.publish({"seq": seq})
        seen = [await anext(entries)]
        await entries.aclose()  # type: ignore[attr-defined]
        return seen

    assert asyncio.run(slow_follower()) == [{"missed": 10}]


def test_without_a_daemon_the_client_says_so(tmp_path: Path) -> None:
    with pytest.raises(NoInput, match="no daemon is running"):
        ControlClient(tmp_path)
