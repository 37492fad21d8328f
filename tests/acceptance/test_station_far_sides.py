"""A PLC that is away is told of: by status, by doctor, by the lane's state."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.daemon import Daemon, free_port, lane_of, run
from tests.support.mjpeg_server import MjpegServer
from tests.support.plc import PlcProcess
from tests.support.station import (
    SAFE_COIL,
    WITH_GATE,
    Plc,
    codes_of,
    gate_table,
    half_bundle,
    lane_table,
    silent_port,
    verdicts,
)

ALL_BAD = "rules = { reject = { bad = 0.01 } }"


def station(folder: Path, url: str, port: int, **gate: object) -> str:
    half_bundle(folder / "left", "left")
    lane = lane_table("top", url, "gate = { interval_s = 0.2 }", ALL_BAD, WITH_GATE)
    return lane + gate_table(port, ack_timeout_ms=200, **gate)


def output_of(picture: dict[str, Any], name: str = "gate") -> dict[str, Any]:
    found: list[dict[str, Any]] = [
        row for row in picture["outputs"] if name in (row.get("name"), row.get("output"))
    ]
    assert len(found) == 1, picture["outputs"]
    return found[0]


def is_told(daemon: Daemon, data: Path) -> None:
    """The output's row, its code, the degraded lane, the exit code, the text."""
    picture = daemon.wait_for(
        lambda p: (
            verdicts(p, "top").get("reject", 0) >= 3
            and lane_of(p, "top")["state"] == "degraded"
            and output_of(p)["unacknowledged"] >= 3
        ),
        "a degraded lane and its output's row",
    )
    assert output_of(picture)["acknowledged"] == 0
    assert output_of(picture)["state"] == "away"
    assert codes_of(picture) & {"EDGE-O201", "EDGE-O202"}
    shown = run("status", "--data", data, COLUMNS="200")
    assert shown.returncode == 1
    assert "gate" in shown.stdout


def test_a_plc_that_cannot_be_reached_is_told_by_status_and_doctor(tmp_path: Path) -> None:
    port = free_port()
    with MjpegServer() as camera, Daemon(tmp_path, station(tmp_path, camera.url, port)) as daemon:
        is_told(daemon, tmp_path / "data")
        found = run("doctor", "--config", daemon.config)
        assert found.returncode == 1
        assert str(port) in found.stdout
        assert daemon.stop() == 0


def test_a_plc_that_accepts_and_never_answers_is_told_by_status_and_doctor(tmp_path: Path) -> None:
    with (
        silent_port() as port,
        MjpegServer() as camera,
        Daemon(tmp_path, station(tmp_path, camera.url, port)) as daemon,
    ):
        is_told(daemon, tmp_path / "data")
        assert run("doctor", "--config", daemon.config).returncode == 1
        assert daemon.stop() == 0


def test_doctor_tries_the_exchange_itself_where_no_daemon_runs_and_writes_nothing(
    tmp_path: Path,
) -> None:
    config = tmp_path / "config.toml"
    head = '[device]\nid = "t"\ndata_dir = "./data"\n'
    with MjpegServer() as camera:
        with Plc() as plc:
            config.write_text(head + station(tmp_path, camera.url, plc.port))
            told = json.loads(run("doctor", "--config", config, "--json").stdout or "null")
            assert "gate" in json.dumps(told)
            assert not plc.writes
        with silent_port() as port:
            config.write_text(head + station(tmp_path, camera.url, port))
            found = run("doctor", "--config", config)
            assert found.returncode == 1
            assert str(port) in found.stdout


def test_a_plc_that_comes_back_is_acknowledging_again_and_status_is_well(tmp_path: Path) -> None:
    with (
        PlcProcess() as plc,
        MjpegServer() as camera,
        Daemon(tmp_path, station(tmp_path, camera.url, plc.port)) as daemon,
    ):
        daemon.wait_for(lambda p: output_of(p)["acknowledged"] >= 2, "acknowledgements")
        plc.kill()
        daemon.wait_for(lambda p: output_of(p)["state"] == "away", "an output that is away")
        plc.start()
        plc.wait_for_coil(SAFE_COIL, 0)  # written as it should be, whatever it was
        daemon.wait_for(
            lambda p: (
                output_of(p)["state"] == "connected" and lane_of(p, "top")["state"] == "running"
            ),
            "all well",
        )
        assert run("status", "--data", daemon.data).returncode == 0
        assert daemon.stop() == 0


@pytest.mark.parametrize("choice", ["hold", "stop the lane"])
def test_an_output_that_does_not_acknowledge_holds_the_others_or_stops_the_lane(
    tmp_path: Path, choice: str
) -> None:
    half_bundle(tmp_path / "left", "left")
    with silent_port() as port, Plc() as plc, MjpegServer() as camera:
        lane = lane_table(
            "top", camera.url, "gate = { interval_s = 0.2 }", ALL_BAD, 'outputs = ["gate", "lamp"]'
        )
        config = lane + gate_table(plc.port)
        config += gate_table(port, "lamp", ack_timeout_ms=200, on_unacknowledged=choice)
        with Daemon(tmp_path, config) as daemon:
            plc.wait_coil(SAFE_COIL, value=True)
            picture = daemon.wait_for(
                lambda p: (
                    output_of(p, "lamp")["unacknowledged"] >= 1
                    and lane_of(p, "top")["state"] == "degraded"
                ),
                "a lane that knows",
            )
            if choice == "stop the lane":
                assert "EDGE-L115" in codes_of(picture)
                count = sum(verdicts(picture, "top").values())
                again = daemon.wait_for(lambda p: p["uptime_s"] > picture["uptime_s"] + 2, "2 s")
                assert sum(verdicts(again, "top").values()) <= count + 1
            assert plc.is_on(SAFE_COIL)
            assert daemon.stop() == 0
