"""When the station is ready, when it refuses to start, and what one lane may do to the others."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from edge_runtime import codes
from edge_runtime.ledger.queries import LedgerReader
from tests.support.fake_station import FakeStation, lane, replay, running


def test_it_is_ready_once_every_lane_serves_and_the_ledger_knows_the_config_then(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        station = FakeStation(tmp_path, lane("one") + lane("two"))
        async with running(station, {"one": ["slow:0.5"]}):
            await station.ready()
            assert station.health("one").hello is not None
            summary = await station.stop()
            assert summary.exit_code == 0
            assert station.service_manager().count("STOPPING=1") == 1
            sha256 = station.daemon._config.sha256()
        with LedgerReader(station.data) as reader:
            assert sha256 in reader.ready_configs()

    asyncio.run(scenario())


def test_a_lane_that_aborts_at_its_start_again_and_again_keeps_ready_from_nobody(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        station = FakeStation(tmp_path, lane("ill") + lane("well"))
        async with running(station, {"ill": ["crash"]}):
            await station.ready()
            await station.until(lambda: station.state("well") == "running", "the other lane")
            await station.until(
                lambda: any("STATUS=1 of 2 lanes serve" in t for t in station.service_manager())
            )
            await station.until(lambda: station.health("ill").code == codes.LANE_CRASH_LOOP)
            await station.until(lambda: codes.LANE_CRASH_LOOP in station.events())
            assert "STOPPING=1" not in station.service_manager()
            assert station.state("well") == "running"

    asyncio.run(scenario())


def test_a_replay_that_ends_early_does_not_make_the_station_ready_while_another_lane_loads(
    tmp_path: Path,
) -> None:
    recording = tmp_path / "belt.avi"
    recording.write_bytes(b"pictures")

    async def scenario() -> None:
        station = FakeStation(tmp_path, replay("short", recording) + lane("slow"))
        async with running(station, {"short": ["done"], "slow": ["slow:1.0"]}):
            await station.until(lambda: station.state("short") == "done", "the replay's end")
            assert station.state("slow") == "starting"
            assert "READY=1" not in station.service_manager()
            await station.ready()
            assert station.state("slow") == "running"

    asyncio.run(scenario())


def test_a_process_that_cannot_be_started_at_all_is_a_crash_with_a_code_and_no_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interpreter = tmp_path / "python"
    interpreter.write_text("not for you")
    monkeypatch.setattr(sys, "executable", str(interpreter))

    async def scenario() -> None:
        station = FakeStation(tmp_path, lane("one"))
        async with running(station, {}):
            await station.ready()
            await station.until(lambda: station.health("one").code == codes.LANE_CANNOT_START)
            await station.until(lambda: station.health("one").crashes.total >= 3, "back-off")
            assert "STOPPING=1" not in station.service_manager()
            await station.until(
                lambda: any("STATUS=0 of 1 lanes serve" in t for t in station.service_manager())
            )
            monkeypatch.undo()
            await station.until(lambda: station.state("one") == "running", "its recovery")
            assert (await station.stop()).exit_code == 0

    asyncio.run(scenario())


@pytest.mark.parametrize(("act", "code"), [("refuse", 78), ("missing", 66)])
def test_a_new_config_with_a_lane_that_refuses_is_refused_whole_and_its_last_lines_say_why(
    tmp_path: Path, act: str, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        station = FakeStation(tmp_path, lane("well") + lane("ill") + lane("worse"))
        async with running(station, {"ill": [act], "worse": ["slow:0.3", "serve"]}):
            summary = await asyncio.wait_for(station.task, 20)
            assert int(summary.exit_code) == code
            assert [line.partition(": ")[0] for line in summary.error.splitlines()] == [
                "lane 'ill'"
            ]
            assert not summary.was_told
            assert summary.error.partition(": ")[2] not in caplog.text
            assert len(station.events()) == 1, "the ledger keeps it, whoever looked"
            assert "READY=1" not in station.service_manager()
        with LedgerReader(station.data) as reader:
            assert not reader.ready_configs()

    asyncio.run(scenario())


def test_once_a_config_was_ready_a_refusal_is_that_lanes_state_and_the_others_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lanes = lane("well") + lane("ill")

    async def scenario() -> None:
        first = FakeStation(tmp_path, lanes)
        async with running(first, {}):
            await first.ready()
            assert (await first.stop()).exit_code == 0
        again = FakeStation(tmp_path, lanes)
        async with running(again, {"ill": ["refuse:its model is damaged"]}):
            await again.ready()
            assert again.state("ill") == "refused"
            assert again.health("ill").failed.message == "its model is damaged"
            assert again.health("ill").code == codes.MODEL_REFUSED
            assert again.state("well") == "running"
            await again.until(lambda: again.events() == [codes.MODEL_REFUSED], "the event")
            assert caplog.text.count("its model is damaged") == 1
            assert (await again.stop()).exit_code == 0

    asyncio.run(scenario())


def test_a_recording_that_vanishes_in_mid_run_ends_no_other_lane(tmp_path: Path) -> None:
    recording = tmp_path / "belt.avi"
    recording.write_bytes(b"pictures")

    async def scenario() -> None:
        station = FakeStation(tmp_path, replay("belt", recording) + lane("well"))
        async with running(station, {"belt": ["vanish"]}):
            await station.ready()
            await station.until(lambda: station.state("belt") == "refused", "its refusal")
            assert station.state("well") == "running"
            assert (await station.stop()).exit_code == 0

    asyncio.run(scenario())


def test_a_config_whose_models_are_not_there_is_refused_before_the_ledger_is_made(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        station = FakeStation(
            tmp_path, lane("one").replace("surface-defect", "nothing") + lane("ears").replace(
                'surface-defect"', 'keywords"')
        )  # fmt: skip
        async with running(station, {}):
            await asyncio.wait([station.task], timeout=20)
            problems = str(station.task.exception())
            assert "lanes.one.model: model 'nothing' is not in" in problems
            assert (
                "lanes.ears.model: model 'keywords' takes sound; the lane is a camera and has "
                "pictures" in problems.splitlines()
            )
        assert not (station.data / "ledger.db").exists()

    asyncio.run(scenario())


def test_until_done_ends_when_every_replay_has_and_tells_of_a_lane_that_was_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recording = tmp_path / "belt.avi"
    recording.write_bytes(b"pictures")
    lanes = replay("belt", recording) + replay("gone", recording)

    async def scenario() -> None:
        station = FakeStation(tmp_path, lanes, until_done=True)
        async with running(station, {"belt": ["replay:5"], "gone": ["vanish"]}):
            summary = await asyncio.wait_for(station.task, 20)
        assert int(summary.exit_code) == 66
        assert summary.was_told
        assert summary.error.startswith("lane 'gone': ")
        assert caplog.text.count(summary.error.partition(": ")[2]) == 1
        assert summary.verdicts["belt"] == {"pass": 5}

    asyncio.run(scenario())


def test_lanes_step_back_and_the_field_does_not(tmp_path: Path) -> None:
    outputs = '[outputs.gate]\nkind = "modbus"\nhost = "127.0.0.1"\ncoil = 1\n'

    async def scenario() -> None:
        station = FakeStation(tmp_path, lane("one", 'outputs = ["gate"]') + outputs)
        async with running(station, {}):
            await station.ready()
            ((lane_pid, nice),) = station.lives("one")
            ((field_pid, field_nice),) = station.lives("field")
            assert nice - field_nice == 5
            assert station.oom_score_adj(lane_pid) > station.oom_score_adj(field_pid)

    asyncio.run(scenario())
