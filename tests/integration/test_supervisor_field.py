"""The real field process and a simulated PLC under the real supervisor; only lanes are scripted."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.field.simulator import PlcSimulator, Write
from edge_runtime.supervisor import fielding
from tests.support.fake_station import FakeStation, lane, running

DRIVEN = lane("one", 'outputs = ["gate"]')


class Plc:
    """Which coils are on."""

    def __init__(self) -> None:
        self.coils: dict[int, int] = {}
        self.simulator = PlcSimulator("127.0.0.1", 0, clock=SYSTEM_CLOCK, on_write=self._wrote)

    def _wrote(self, write: Write) -> None:
        if write.kind == "coil":
            self.coils[write.address] = write.value

    def output(self, safe_coil: int) -> str:
        return (
            f'[outputs.gate]\nkind = "modbus"\nhost = "127.0.0.1"\nport = {self.simulator.port}\n'
            f"coil = 1\nsafe_coil = {safe_coil}\n"
        )


@pytest.fixture
def plc() -> Iterator[Plc]:
    made = Plc()
    with made.simulator:
        yield made


def test_its_outputs_are_safe_from_the_first_connection_on_and_after_the_stop(
    tmp_path: Path, plc: Plc
) -> None:
    async def scenario() -> None:
        station = FakeStation(tmp_path, DRIVEN + plc.output(2), field=fielding.MODULE)
        async with running(station, {}):
            await station.ready()
            await station.until(lambda: plc.coils.get(2) == 1, "the safe state")
            assert (await station.stop()).exit_code == 0
            assert plc.coils[2] == 1

    asyncio.run(scenario())


def test_a_killed_one_has_a_successor_within_two_seconds_that_answers(
    tmp_path: Path, plc: Plc
) -> None:
    async def scenario() -> None:
        station = FakeStation(tmp_path, DRIVEN + plc.output(2), field=fielding.MODULE)
        async with running(station, {}):
            await station.ready()
            field = station.daemon._crew.field
            assert field is not None
            await station.until(lambda: plc.coils.get(2) == 1, "the safe state")
            first = field.child.health.pid
            assert first is not None
            plc.coils.clear()
            os.kill(first, signal.SIGKILL)
            await station.until(lambda: plc.coils.get(2) == 1, "its successor's safe state", 2.0)
            assert field.child.health.pid != first
            (told,) = await station.ask("outputs")
            assert (told["output"], told["state"]) == ("gate", "held")

    asyncio.run(scenario())


def test_a_changed_output_is_opened_anew_by_the_same_process(tmp_path: Path, plc: Plc) -> None:
    async def scenario() -> None:
        station = FakeStation(tmp_path, DRIVEN + plc.output(2), field=fielding.MODULE)
        async with running(station, {}):
            await station.ready()
            field = station.daemon._crew.field
            assert field is not None
            await station.until(lambda: plc.coils.get(2) == 1, "the safe state")
            before = field.child.health.pid
            station.write(DRIVEN + plc.output(3))
            assert "error" not in await station.ask("reload")
            await station.until(lambda: plc.coils.get(3) == 1, "the other safe coil")
            assert field.child.health.pid == before
            assert len(station.lives("one")) == 1

    asyncio.run(scenario())


def test_an_output_is_bypassed_and_that_is_in_the_ledger(tmp_path: Path, plc: Plc) -> None:
    async def scenario() -> None:
        station = FakeStation(tmp_path, DRIVEN + plc.output(2), field=fielding.MODULE)
        async with running(station, {}):
            await station.ready()
            await station.until(lambda: plc.coils.get(2) == 1, "the safe state")
            told = await station.ask("bypass", output="gate", seconds=60, why="a new sensor")
            assert told["state"] == "bypassed", told
            await station.until(lambda: plc.coils.get(2) == 0, "its release")
            await station.until(lambda: "EDGE-O204" in station.events(), "the event")
            refused = await station.ask("bypass", output="nowhere", seconds=60, why="x")
            assert "nowhere" in refused["error"]

    asyncio.run(scenario())
