"""A changed config, and another model, for a daemon that runs."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from edge_runtime import codes
from edge_runtime.ledger.queries import LedgerReader
from edge_runtime.manifest import find_bundle
from tests.support import command_line
from tests.support.fake_station import QUICK, FakeStation, lane, running

OUTPUTS = '[outputs.gate]\nkind = "modbus"\nhost = "127.0.0.1"\ncoil = {coil}\n'
OTHER = 'rules = { confirm = "2 of 3" }'


def hang_up() -> None:
    os.kill(os.getpid(), signal.SIGHUP)


def test_hang_up_reads_the_config_again_and_restarts_only_the_lanes_that_it_concerns(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        station = FakeStation(tmp_path, lane("kept") + lane("changed") + lane("removed"))
        async with running(station, {}):
            await station.ready()
            station.write(lane("kept") + lane("changed", OTHER) + lane("added"))
            hang_up()
            await station.until(lambda: station.state("added") == "running", "the new lane")
            await station.until(lambda: len(station.lives("changed")) == 2, "the changed lane")
            await station.until(lambda: station.daemon._crew.lane("removed") is None)
            assert len(station.lives("kept")) == 1
            assert station.heard("removed")[-1]["type"] == "stop"
            rules = station.heard("changed", "start")[-1]["config"]["lanes"]["changed"]["rules"]
            assert rules["confirm"] == "2 of 3"
            await station.until(lambda: station.tombstones("restart_gap"), "its gap")
            (gap,) = station.tombstones("restart_gap")
            assert (gap.lane, gap.count) == ("changed", None)
            assert gap.first.boottime_ns < gap.last.boottime_ns
            await station.until(lambda: codes.CONFIG_RELOADED in station.events(), "the event")
            await station.until(
                lambda: station.daemon._reloading.loaded_sha256 in station.daemon._noted,
                "the config to be known",
            )
            assert (await station.stop()).exit_code == 0

    asyncio.run(scenario())


def test_a_field_process_that_dies_in_a_change_does_not_leave_half_of_it(tmp_path: Path) -> None:
    uses = 'outputs = ["gate"]\n'

    async def scenario() -> None:
        before = lane("changed", uses) + lane("removed", uses) + OUTPUTS.format(coil=1)
        station = FakeStation(tmp_path, before)
        async with running(station, {"field": ["die_when_asked", "serve"]}):
            await station.ready()
            station.write(lane("changed", uses + OTHER) + lane("added") + OUTPUTS.format(coil=2))
            hang_up()
            await station.until(lambda: station.state("added") == "running", "the new lane")
            await station.until(lambda: len(station.lives("changed")) == 2, "the changed lane")
            await station.until(lambda: station.daemon._crew.lane("removed") is None)
            await station.until(lambda: len(station.lives("field")) == 2, "another field process")
            outputs = station.heard("field", "start")[-1]["config"]["outputs"]
            assert outputs["gate"]["coil"] == 2
            assert (await station.stop()).exit_code == 0

    asyncio.run(scenario())


def test_fifty_reloads_leave_a_lane_that_they_do_not_concern_alone(tmp_path: Path) -> None:
    async def scenario() -> None:
        station = FakeStation(tmp_path, lane("kept"))
        async with running(station, {"kept": ["results:300"]}):
            await station.ready()
            for number in range(50):
                station.write(lane("kept") + f"[targets]\nparts_per_minute = {number + 1}\n")
                told = await station.ask("reload")
                assert told["changes"]["targets"] is True
                assert told["changes"]["kept"] == ["kept"]
            await station.until(lambda: len(station.results()) == 300, "every row")
            assert [r.source_seq for r in station.results()] == list(range(300))
            assert len(station.lives("kept")) == 1

    asyncio.run(scenario())


def test_a_config_that_is_refused_changes_nothing_and_every_problem_is_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        station = FakeStation(tmp_path, lane("one"))
        async with running(station, {}):
            await station.ready()
            station.write(lane("one", 'workers = 99\noutputs = ["nowhere"]'))
            told = await station.ask("reload")
            assert told["exit_code"] == 78
            assert len(told["problems"]) == 2
            station.write(lane("one").replace("surface-defect", "keywords"))
            told = await station.ask("reload")
            wrong = "model 'keywords' takes sound; the lane is a camera and has pictures"
            assert told["error"] == f"lanes.one.model: {wrong}"
            picture = await station.ask("status")
            assert picture["config"]["problems"] == told["problems"]
            assert codes.CONFIG_REFUSED in [f["code"] for f in picture["findings"]]
            await station.until(lambda: codes.CONFIG_REFUSED in station.events(), "the event")
            assert len(station.lives("one")) == 1
            station.write(lane("one"))
            assert (await station.ask("reload"))["lines"] == ["lane 'one': goes on untouched"]
            assert (await station.ask("status"))["config"]["problems"] == []

    asyncio.run(scenario())


def test_a_refused_lane_is_tried_again_at_a_reload_also_when_the_config_is_the_same(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        station = FakeStation(tmp_path, lane("one") + lane("two"))
        async with running(station, {"one": ["serve", "refuse", "serve"]}):
            await station.ready()
            os.kill(station.lives("one")[0][0], signal.SIGKILL)
            await station.until(lambda: station.state("one") == "refused", "its refusal")
            assert "error" not in await station.ask("reload")
            await station.until(lambda: station.state("one") == "running", "another attempt", 5.0)
            assert len(station.lives("two")) == 1

    asyncio.run(scenario())


def test_a_reload_that_comes_while_a_lane_loads_is_what_the_lane_then_serves(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        station = FakeStation(tmp_path, lane("one"))
        async with running(station, {"one": ["slow:1.0", "serve"]}):
            await station.until(lambda: station.lives("one"), "its process")
            station.write(lane("one", OTHER))
            assert (await station.ask("reload"))["not_serving"] == {}
            rules = station.heard("one", "start")[-1]["config"]["lanes"]["one"]["rules"]
            assert rules["confirm"] == "2 of 3"
            assert station.state("one") == "running"

    asyncio.run(scenario())


def test_what_needs_a_restart_is_told_and_not_taken_over(tmp_path: Path) -> None:
    async def scenario() -> None:
        station = FakeStation(tmp_path, lane("one"))
        async with running(station, {}):
            await station.ready()
            station.write(lane("one"), QUICK + "stall_s = 7.0\n[ledger]\ngroup_ms = 5\n")
            told = await station.ask("reload")
            assert told["changes"]["needs_restart"] == ["ledger.group_ms", "supervisor.stall_s"]
            assert len(station.lives("one")) == 1
            assert (await station.ask("status"))["config"]["needs_restart"] == [
                "ledger.group_ms", "supervisor.stall_s",
            ]  # fmt: skip
            assert station.daemon._crew.config.supervisor.stall_s == 10.0

    asyncio.run(scenario())


def test_a_changed_output_is_told_to_the_field_alone(tmp_path: Path) -> None:
    driven = lane("one", 'outputs = ["gate"]')

    async def scenario() -> None:
        station = FakeStation(tmp_path, driven + OUTPUTS.format(coil=1))
        async with running(station, {}):
            await station.ready()
            station.write(driven + OUTPUTS.format(coil=2))
            told = await station.ask("reload")
            assert told["lines"] == [
                "lane 'one': goes on untouched",
                "output 'gate': is opened anew, safe meanwhile",
            ]
            (asked,) = station.heard("field", "ask")
            assert asked["what"] == "reconfigure"
            assert asked["arguments"]["config"]["outputs"]["gate"]["coil"] == 2
            assert (len(station.lives("one")), len(station.lives("field"))) == (1, 1)

    asyncio.run(scenario())


def test_the_first_output_begins_the_field_and_the_last_one_ends_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        station = FakeStation(tmp_path, lane("one"))
        async with running(station, {}):
            await station.ready()
            assert not station.lives("field")
            station.write(lane("one", 'outputs = ["gate"]') + OUTPUTS.format(coil=1))
            await station.ask("reload")
            assert station.heard("one", "start")[-1]["field_path"]
            await station.until(lambda: station.heard("field", "laneis"), "the lane's state")
            station.write(lane("one"))
            await station.ask("reload")
            assert station.daemon._crew.field is None
            assert station.heard("field")[-1]["type"] == "stop"

    asyncio.run(scenario())


def test_what_a_reload_would_do_is_told_beforehand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def scenario() -> None:
        station = FakeStation(tmp_path, lane("one") + lane("two"))
        async with running(station, {}):
            await station.ready()
            new = tmp_path / "new" / "config.toml"
            new.parent.mkdir()
            station.write(lane("one") + lane("two", OTHER))
            shutil.copy(station.path, new)

            def diff(*arguments: Any) -> command_line.Ended:
                return command_line.run(capsys, "config", "diff", *arguments)

            asked = await asyncio.to_thread(diff, str(new), "--data", str(station.data))
            assert "lane 'two': is drained and started anew" in asked.out
            assert "lane 'one': goes on untouched" in asked.out
            assert (len(station.lives("one")), len(station.lives("two"))) == (1, 1)
            offline = await asyncio.to_thread(diff, str(new), str(station.path), "--json")
            assert offline.json["kept"] == ["one", "two"]

    asyncio.run(scenario())


def test_the_reload_command_exits_with_78_where_the_config_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def scenario() -> None:
        station = FakeStation(tmp_path, lane("one"))
        async with running(station, {"one": ["serve", "refuse:no"]}):
            await station.ready()

            def reload() -> command_line.Ended:
                return command_line.run(capsys, "reload", "--data", str(station.data))

            station.write("[lanes.one]\nworkers = 0\n")
            refused = await asyncio.to_thread(reload)
            assert refused.code == 78
            assert "lanes.one.workers" in refused.err
            station.write(lane("one", OTHER))
            ended = await asyncio.to_thread(reload)
            assert ended.code == 1
            assert "lane 'one': does not serve: no" in ended.err

    asyncio.run(scenario())


def test_the_trigger_command_waits_for_the_parts_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def scenario() -> None:
        station = FakeStation(tmp_path, lane("one", 'trigger = { kind = "command" }'))
        async with running(station, {}):
            await station.ready()

            def trigger(*more: str) -> command_line.Ended:
                return command_line.run(
                    capsys, "trigger", "one", "--data", str(station.data), *more
                )

            ended = await asyncio.to_thread(trigger, "--part", "A-17", "--wait", "10", "--json")
            assert (ended.code, ended.json["part"], ended.json["verdict"]) == (0, "A-17", "pass")
            assert "part command-2 is triggered" in (await asyncio.to_thread(trigger)).out
            await station.freeze(station.lives("one")[0][0])
            late = await asyncio.to_thread(trigger, "--wait", "0.5")
            assert late.code == 69
            assert "no verdict on part command-3 in 0.5 s" in late.err

    asyncio.run(scenario())


# Models.


def version_of(folder: Path, version: str) -> Path:
    """The shipped model once more, as this version."""
    bundle = folder / "surface-defect" / version
    shutil.copytree(find_bundle("surface-defect", None), bundle)
    manifest = bundle / "model.toml"
    text = re.sub(
        r'^version = ".*"$', f'version = "{version}"', manifest.read_text(), flags=re.MULTILINE
    )
    manifest.write_text(text)
    return bundle


def models_of(station: FakeStation, name: str) -> list[str]:
    """What each life of a lane was told to load."""
    return [start["models"][0]["id"] for start in station.heard(name, "start")]


@pytest.fixture
def versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bundles"
    version_of(folder, "1.0.0")
    monkeypatch.setenv("EDGE_RUNTIME_MODELS", str(folder))
    return folder


def test_a_higher_version_that_is_copied_in_changes_no_lane_that_dies_nor_the_next_start(
    tmp_path: Path, versions: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")

    async def scenario() -> None:
        station = FakeStation(tmp_path, lane("one"))
        async with running(station, {}):
            await station.ready()
            assert "model_serves lane=one model=surface-defect/1.0.0 sha256=" in caplog.text
            version_of(versions, "2.0.0")
            os.kill(station.lives("one")[0][0], signal.SIGKILL)
            await station.until(lambda: len(station.lives("one")) == 2, "another life")
            await station.until(lambda: station.state("one") == "running")
            assert (await station.stop()).exit_code == 0
        again = FakeStation(tmp_path, lane("one"))
        async with running(again, {}):
            await again.ready()
            assert models_of(again, "one") == ["surface-defect/1.0.0"] * 3
            assert "model_newer code=EDGE-M502 lane=one pinned=surface-defect/1.0.0" in caplog.text
            assert again.heard("one", "start")[-1]["models"][0]["sha256"] is not None

    asyncio.run(scenario())


def test_a_lane_is_given_another_version_and_the_one_before_and_the_others_are_not_touched(
    tmp_path: Path, versions: Path
) -> None:
    version_of(versions, "2.0.0")

    async def scenario() -> None:
        station = FakeStation(tmp_path, lane("one") + lane("two"))
        async with running(station, {}):
            await station.ready()
            told = await station.ask("use", model="surface-defect/1.0.0", lane="one")
            assert told == {
                "used": [
                    {
                        "lane": "one",
                        "model": "surface-defect/1.0.0",
                        "before": "surface-defect/2.0.0",
                    }
                ]
            }
            await station.until(lambda: codes.MODEL_USED in station.events(), "the event")
            told = await station.ask("back", lane="one")
            assert told["used"][0]["model"] == "surface-defect/2.0.0"
            assert models_of(station, "one") == [f"surface-defect/{n}.0.0" for n in (2, 1, 2)]
            assert len(station.lives("two")) == 1
            told = await station.ask("use", model="keywords", lane="one")
            assert "its config asks for surface-defect, not for keywords" in told["error"]
            assert (await station.stop()).exit_code == 0
        with LedgerReader(station.data) as reader:
            assert reader.pins()["one", "surface-defect"].model == "surface-defect/2.0.0"
            history = [used.model for used in reader.model_history("one")]
            assert history == [f"surface-defect/{n}.0.0" for n in (2, 1, 2)]

    asyncio.run(scenario())


def test_a_model_that_does_not_serve_is_taken_back_and_that_is_told(
    tmp_path: Path, versions: Path
) -> None:
    version_of(versions, "2.0.0")

    async def scenario() -> None:
        station = FakeStation(tmp_path, lane("one"))
        acts = ["serve", "refuse:its golden samples differ", "serve"]
        async with running(station, {"one": acts}):
            await station.ready()
            told = await station.ask("use", model="surface-defect/1.0.0")
            assert told["error"] == (
                "lane 'one': surface-defect/1.0.0 does not serve: its golden samples differ; "
                "surface-defect/2.0.0 serves again"
            )
            assert told["exit_code"] == 78
            assert models_of(station, "one") == [f"surface-defect/{n}.0.0" for n in (2, 1, 2)]
            assert codes.MODEL_USED not in station.events()

    asyncio.run(scenario())


def test_a_version_that_the_config_names_can_only_be_changed_there(
    tmp_path: Path, versions: Path
) -> None:
    version_of(versions, "2.0.0")
    named = lane("one").replace('"surface-defect"', '"surface-defect/1.0.0"')

    async def scenario() -> None:
        station = FakeStation(tmp_path, named)
        async with running(station, {}):
            await station.ready()
            told = await station.ask("use", model="surface-defect/2.0.0", lane="one")
            assert told["exit_code"] == 64
            assert "its config names surface-defect/1.0.0" in told["error"]

    asyncio.run(scenario())
