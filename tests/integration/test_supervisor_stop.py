"""A stop has one deadline, and a second signal means now."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.ledger.writer import LedgerWriter
from tests.support.fake_station import QUICK, FakeStation, lane, running

OUTPUTS = '[outputs.gate]\nkind = "modbus"\nhost = "127.0.0.1"\ncoil = 1\n'


def test_lanes_end_before_the_field_which_is_told_how(tmp_path: Path) -> None:
    async def scenario() -> None:
        station = FakeStation(tmp_path, lane("one", 'outputs = ["gate"]') + OUTPUTS)
        async with running(station, {}):
            await station.ready()
            assert (await station.stop()).exit_code == 0
            kinds = [(m["type"], m.get("state")) for m in station.heard("field")]
            assert kinds[-2:] == [("laneis", "over"), ("stop", None)]
            assert not (station.data / "field.sock").exists()

    asyncio.run(scenario())


def test_a_lane_that_does_not_drain_is_killed_within_the_one_deadline_and_its_outputs_held(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        lanes = lane("deaf", 'outputs = ["gate"]') + lane("well") + OUTPUTS
        station = FakeStation(tmp_path, lanes)
        async with running(station, {"deaf": ["deaf"]}):
            await station.ready()
            began = time.monotonic()
            summary = await station.stop()
            assert time.monotonic() - began < 4.5, "stop_timeout_s = 4"
            assert summary.exit_code == 0
            assert station.heard("field", "laneis")[-1]["state"] == "gone"
            assert "while stopping" in (station.tombstones("lane_crash")[0].detail or "")

    asyncio.run(scenario())


def test_a_second_signal_means_now_whatever_is_waited_for(tmp_path: Path) -> None:
    settings = QUICK.replace("stop_timeout_s = 4.0", "stop_timeout_s = 60.0")

    async def scenario() -> None:
        station = FakeStation(tmp_path, lane("deaf"), settings)
        async with running(station, {"deaf": ["deaf"]}):
            await station.ready()
            os.kill(os.getpid(), signal.SIGTERM)
            await station.until(lambda: "STOPPING=1" in station.service_manager())
            began = time.monotonic()
            summary = await station.stop()
            assert time.monotonic() - began < 3.0
            assert int(summary.exit_code) == 130

    asyncio.run(scenario())


def test_a_signal_ends_a_start_that_is_still_waited_for(tmp_path: Path) -> None:
    async def scenario() -> None:
        station = FakeStation(tmp_path, lane("mute"))
        async with running(station, {"mute": ["mute"]}):
            await station.until(lambda: station.lives("mute"), "its process")
            assert (await station.stop()).exit_code == 0
            assert "READY=1" not in station.service_manager()

    asyncio.run(scenario())


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """While its only element is true, the ledger finds no room on the disk."""
    is_full = [False]
    opened = LedgerWriter.open.__func__  # type: ignore[attr-defined]

    def open_ledger(cls: type[LedgerWriter], *arguments: Any) -> LedgerWriter:
        writer: LedgerWriter = opened(cls, *arguments)
        room = writer._room
        has_room, for_rows = room.has_room, room.has_room_for_rows
        room.has_room = lambda: not is_full[0] and has_room()  # type: ignore[method-assign]
        room.has_room_for_rows = lambda: not is_full[0] and for_rows()  # type: ignore[method-assign]
        return writer

    monkeypatch.setattr(LedgerWriter, "open", classmethod(open_ledger))
    return is_full


def test_with_rows_that_wait_for_room_it_stops_in_time_and_names_what_was_not_stored(
    tmp_path: Path, full: list[bool], caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        station = FakeStation(tmp_path, lane("one", 'trigger = { kind = "command" }'))
        async with running(station, {}):
            await station.ready()
            full[0] = True
            await station.until(lambda: station.daemon._writer.state == "full", "a full disk")
            for _ in range(5):
                await station.ask("trigger", lane="one")
            await station.until(lambda: station.daemon._bridge._pending_rows["one"] == 5)
            assert station.state("one") == "running"
            began = time.monotonic()
            summary = await station.stop()
            assert time.monotonic() - began < 5.0
            assert summary.unstored == {"one": 5}
            assert "unstored lane=one rows=5" in caplog.text
            assert summary.exit_code == 0

    asyncio.run(scenario())


def test_lanes_are_told_when_the_ledger_is_full_and_when_it_has_room_again(
    tmp_path: Path, full: list[bool]
) -> None:
    async def scenario() -> None:
        station = FakeStation(tmp_path, lane("one"))
        async with running(station, {"one": ["serve", "serve"]}):
            await station.ready()
            full[0] = True
            await station.until(lambda: station.heard("one", "room")[-1]["full"], "the word")
            os.kill(station.lives("one")[0][0], signal.SIGKILL)
            await station.until(lambda: len(station.lives("one")) == 2, "a live lane's successor")
            await station.until(lambda: station.state("one") == "running")
            full[0] = False
            await station.until(
                lambda: (
                    [m["full"] for m in station.heard("one", "room")] == [False, True, True, False]
                ),
                "the word",
            )

    asyncio.run(scenario())


def test_a_ledger_that_fails_ends_the_daemon_with_74(tmp_path: Path) -> None:
    async def scenario() -> None:
        station = FakeStation(tmp_path, lane("one"))
        async with running(station, {}):
            await station.ready()
            station.daemon._writer._damage = "a page is not what it was"
            summary = await asyncio.wait_for(station.task, 20)
            assert int(summary.exit_code) == 74
            assert "a page is not what it was" in summary.error

    asyncio.run(scenario())


def test_a_second_signal_while_the_ledger_closes_is_heard_and_kills_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        station = FakeStation(tmp_path, lane("one"))
        async with running(station, {}):
            await station.ready()
            close = station.daemon._writer.close
            found: list[Any] = []

            def closing(timeout_s: float) -> int:
                found.append(signal.getsignal(signal.SIGTERM))
                if found[0] is not signal.SIG_DFL:
                    os.kill(os.getpid(), signal.SIGTERM)
                return close(timeout_s)

            monkeypatch.setattr(station.daemon._writer, "close", closing)
            os.kill(os.getpid(), signal.SIGTERM)
            summary = await asyncio.wait_for(station.task, 20)
            assert found != [signal.SIG_DFL]
            assert int(summary.exit_code) == 130
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL

    asyncio.run(scenario())
