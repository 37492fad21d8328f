"""The picture of a station, drawn from its keepers and a real ledger."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge_runtime import codes
from edge_runtime.config import Config
from edge_runtime.ledger.writer import LedgerWriter
from edge_runtime.link import in_hand
from edge_runtime.link.messages import Failed, Hello, OutputState, ResolvedModel
from edge_runtime.supervisor import seen
from edge_runtime.supervisor.forecast import MOST_DAYS
from edge_runtime.supervisor.status import acknowledge, live, one_line, snapshot
from tests.support import keepers, pictures
from tests.support.fakes import FakeClock
from tests.support.keepers import Child, Crashes, Health, LaneKeeper, State


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return msgspec.convert(
        {
            "device": {"id": "press7", "data_dir": str(tmp_path), "models_dir": str(tmp_path / "m")},
            "lanes": {
                "belt": {
                    "source": "rtsp://user:secret@camera/1?token=abc",
                    "model": "surface-defect",
                    "outputs": ["gate"],
                },
                "hall": {"source": "microphone:usb", "model": "keywords"},
            },
            "outputs": {"gate": {"kind": "modbus", "host": "plc", "coil": 1}},
            "sync": {"url": "http://collector/v1"},
        },
        Config,
    )  # fmt: skip


@pytest.fixture
def ledger(config: Config, clock: FakeClock) -> Iterator[None]:
    writer = LedgerWriter.open(config.data_dir, "press7", config.ledger, clock)
    yield
    writer.close()


def row(name: str, picture: dict[str, Any], part: str = "lanes") -> dict[str, Any]:
    (found,) = [each for each in picture[part] if each["name"] == name]
    return dict(found)


@pytest.mark.usefixtures("ledger")
def test_a_station_whose_keepers_are_well_is_well(config: Config, clock: FakeClock) -> None:
    picture = asyncio.run(snapshot(keepers.station(config, clock)))
    assert (picture["ok"], picture["findings"]) == (True, [])
    assert json.loads(json.dumps(picture)) == picture


@pytest.mark.usefixtures("ledger")
def test_the_picture_has_the_keys_that_findings_are_tested_with(
    config: Config, clock: FakeClock
) -> None:
    picture = asyncio.run(snapshot(keepers.station(config, clock)))
    model = pictures.station()
    assert set(picture) == set(model) | {"ok", "findings"}
    for part in ("ledger", "sync", "field", "config", "supervisor"):
        assert set(picture[part]) == set(model[part]), part
    for part in ("lanes", "outputs"):
        assert set(picture[part][0]) == set(model[part][0]), part


def test_no_password_of_a_source_is_shown(config: Config, clock: FakeClock) -> None:
    picture = live(keepers.station(config, clock))
    assert row("belt", picture)["source"] == "rtsp://***@camera/1?***"
    assert "secret" not in json.dumps(picture)


def test_a_lane_that_said_hello_and_nothing_since_is_starting(
    config: Config, clock: FakeClock
) -> None:
    said_hello = LaneKeeper("belt", Child(Health(State.RUNNING, pid=1, hello=Hello(1))))
    picture = live(keepers.station(config, clock, lanes=[said_hello]))
    assert row("belt", picture)["state"] == "starting"


@pytest.mark.usefixtures("ledger")
def test_a_lane_that_refused_is_told_with_its_reason_and_code(
    config: Config, clock: FakeClock
) -> None:
    health = Health(State.REFUSED, failed=Failed(78, "golden sample 3 differs"))
    health.code = codes.MODEL_REFUSED
    station = keepers.station(config, clock, lanes=[LaneKeeper("belt", Child(health))])
    picture = asyncio.run(snapshot(station))
    (found,) = picture["findings"]
    assert (found["code"], found["where"]) == (codes.MODEL_REFUSED, "lane belt")
    assert found["text"].endswith("golden sample 3 differs")


def test_models_are_told_with_what_was_loaded_and_whether_they_are_pinned(
    config: Config, clock: FakeClock
) -> None:
    child = keepers.beating(clock)
    child.health.hello = Hello(1, {"surface-defect/0.2.0": "aa", "helper/1.0.0": "bb"})
    pinned = [ResolvedModel("surface-defect", "surface-defect/0.2.0", "/m", "aa")]
    lane = LaneKeeper("belt", child, pinned=pinned)
    first, second = row("belt", live(keepers.station(config, clock, lanes=[lane])))["models"]
    assert (first["id"], first["sha256"], first["pinned"]) == ("surface-defect/0.2.0", "aa", True)
    assert (second["id"], second["sha256"], second["pinned"]) == ("helper/1.0.0", "bb", False)


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize(
    ("asked", "newer"), [("washer", "washer/0.10.0"), ("washer/0.9.0", None), ("./washer", None)]
)
def test_a_higher_version_beside_a_pinned_one_is_noted(
    asked: str, newer: str | None, config: Config, clock: FakeClock, tmp_path: Path
) -> None:
    for version in ("0.9.0", "0.10.0"):
        (tmp_path / "m" / "washer" / version).mkdir(parents=True)
        (tmp_path / "m" / "washer" / version / "model.toml").touch()
    pinned = [ResolvedModel(asked, "washer/0.9.0", str(tmp_path / "m" / "washer" / "0.9.0"))]
    lane = LaneKeeper("belt", keepers.beating(clock), pinned=pinned)
    picture = asyncio.run(snapshot(keepers.station(config, clock, lanes=[lane])))
    assert row("belt", picture)["models"][0]["newer"] == newer
    assert picture["ok"]


def test_parts_that_a_dead_lane_could_not_store_are_read_from_what_it_left(
    config: Config, clock: FakeClock, tmp_path: Path
) -> None:
    page = in_hand.Page(in_hand.prepare(tmp_path, "belt"))
    for at in range(5):
        page.unstored(at)
    page.close()
    dead = LaneKeeper("belt", Child(Health(State.WAITING)))
    assert row("belt", live(keepers.station(config, clock, lanes=[dead])))["unstored"] == 5


def test_parts_that_a_lane_cannot_store_are_as_it_says(config: Config, clock: FakeClock) -> None:
    lane = LaneKeeper("belt", keepers.beating(clock, gauges={"unstored": 240.0}))
    assert row("belt", live(keepers.station(config, clock, lanes=[lane])))["unstored"] == 240


def test_what_a_dead_lane_had_measured_is_not_shown_as_of_now(
    config: Config, clock: FakeClock
) -> None:
    dead = LaneKeeper("belt", keepers.beating(clock, gauges={"rate_hz": 12.0}))
    station = keepers.station(config, clock, lanes=[dead])
    assert row("belt", live(station))["rate_hz"] == 12.0
    dead.child.health.state, dead.child.health.pid = State.WAITING, None
    assert row("belt", live(station))["rate_hz"] == 0.0


def test_an_output_row_has_what_the_field_process_last_said(
    config: Config, clock: FakeClock
) -> None:
    now = clock.boottime_ns()
    told = OutputState(
        "gate", "bypassed", "cleaning", "modbus://plc:502", 10, 4, 1, now - 2_000_000_000,
        ["belt: camera away"], now + 60_000_000_000, {"pulses_merged": 2, "refused": 1},
    )  # fmt: skip
    field = keepers.FieldKeeper(keepers.beating(clock), {"gate": told})
    output = row("gate", live(keepers.station(config, clock, field=field)), "outputs")
    assert output["state"] == "bypassed"
    assert output["last_ack_age_s"] == 2.0
    assert output["bypass_left_s"] == 60.0
    assert output["held_by"] == ["belt: camera away"]
    assert (output["merged"], output["refused"], output["lanes"]) == (2, 1, ["belt"])


def test_outputs_of_a_field_process_that_is_silent_are_unknown_and_not_as_it_last_said(
    config: Config, clock: FakeClock
) -> None:
    station = keepers.station(config, clock)
    assert row("gate", live(station), "outputs")["state"] == "connected"
    clock.advance(3)
    assert row("gate", live(station), "outputs")["state"] == "unknown"


def test_an_output_that_no_lane_uses_is_unused_and_nobody_is_alarmed(
    config: Config, clock: FakeClock
) -> None:
    lanes = {n: msgspec.structs.replace(lane, outputs=[]) for n, lane in config.lanes.items()}
    config = msgspec.structs.replace(config, lanes=lanes)
    field = keepers.FieldKeeper(keepers.beating(clock), {})
    station = keepers.station(config, clock, field=field)
    picture = live(station)
    assert row("gate", picture, "outputs")["state"] == "unused"
    assert "output" not in one_line(station)


def test_one_line_says_how_many_lanes_serve_and_what_is_wrong(
    config: Config, clock: FakeClock
) -> None:
    lanes = [
        LaneKeeper("belt", keepers.beating(clock)),
        LaneKeeper("hall", Child(Health(State.WAITING, crashes=Crashes(9, loops=True)))),
    ]
    away = {"gate": OutputState("gate", "away")}
    told = one_line(
        keepers.station(
            config,
            clock,
            lanes=lanes,
            field=keepers.FieldKeeper(keepers.beating(clock), away),
            writer=keepers.Writer("full", "no room"),
            sync=keepers.SyncKeeper(keepers.beating(clock, "offline")),
        )
    )
    assert told == (
        "1 of 2 lanes serve; belt: running; hall: waiting; output gate: away; ledger full; "
        "sync: offline"
    )


@pytest.mark.usefixtures("ledger")
def test_what_somebody_has_seen_stays_seen_and_what_comes_new_does_not(
    config: Config, clock: FakeClock, tmp_path: Path
) -> None:
    lane = LaneKeeper("belt", keepers.beating(clock), buried=["part_004.png"])
    station = keepers.station(config, clock, lanes=[lane])
    assert not asyncio.run(snapshot(station))["ok"]
    told = asyncio.run(acknowledge(station))
    assert [each["code"] for each in told["acknowledged"]] == [codes.ITEM_BURIED]
    assert seen.read(tmp_path) == {"buried:belt": 1}
    assert asyncio.run(snapshot(station))["ok"]
    assert asyncio.run(acknowledge(station)) == {"acknowledged": []}
    lane.buried = ["part_004.png", "part_009.png"]
    assert not asyncio.run(snapshot(station))["ok"]


def test_a_file_of_what_was_seen_that_is_damaged_says_nothing_was(tmp_path: Path) -> None:
    for damaged in (b"", b"[1]", b'{"a": "b"}', b"\xff"):
        (tmp_path / seen.FILE).write_bytes(damaged)
        assert seen.read(tmp_path) == {}


@pytest.mark.usefixtures("ledger")
def test_the_days_that_the_disk_lasts_come_from_this_runs_rate(
    config: Config, clock: FakeClock
) -> None:
    lane = LaneKeeper("belt", keepers.beating(clock), verdicts={"pass": 600})
    station = keepers.station(config, clock, lanes=[lane])
    assert asyncio.run(snapshot(station))["ledger"]["days_left"] is None
    clock.advance(600)
    left = asyncio.run(snapshot(station))["ledger"]
    days = min(MOST_DAYS, left["free_mib"] / (86_400 / 1024))
    assert left["days_left"] == pytest.approx(days, rel=0.02)
