"""The demo's count: what the PLC wrote down, and what the collector has."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import msgspec

from edge_runtime.config import Config, ModbusOutput, ModbusTrigger
from edge_runtime.demo.count import arrived
from edge_runtime.demo.gate import Killed, Record
from edge_runtime.demo.station import TOKEN_VARIABLE, WAY_MS, Station
from edge_runtime.demo.story import BARRIER_AFTER_MS, FILMED

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

MS = 1_000_000


def coil(at_ms: int, address: int, value: int) -> dict[str, Any]:
    return {"boottime_ns": at_ms * MS, "kind": "coil", "address": address, "value": value}


def gate(at_ms: int, *, is_open: bool) -> dict[str, Any]:
    return {"boottime_ns": at_ms * MS, "kind": "gate", "open": is_open, "why": ""}


TOLD = [
    {"listening": "127.0.0.1:5020"},
    gate(0, is_open=False),
    coil(10, 13, 1),
    coil(100, 13, 0),
    gate(100, is_open=True),
    coil(200, 3, 1),
    coil(1000, 12, 1),
    coil(1120, 13, 1),
    gate(1120, is_open=False),
    coil(1300, 12, 0),
    coil(3120, 13, 0),
    gate(3120, is_open=True),
]
RECORD = Record(TOLD, coil=12, safe_coil=13)


def test_a_part_passes_only_an_open_gate_that_does_not_eject_it() -> None:
    assert not RECORD.passes(50 * MS)
    assert RECORD.passes(500 * MS)
    assert not RECORD.passes(1050 * MS)
    assert not RECORD.passes(2000 * MS)
    assert RECORD.passes(3200 * MS)


def test_before_the_record_begins_the_gate_is_closed() -> None:
    assert not Record([], coil=12, safe_coil=13).passes(5)


def test_a_lane_killed_in_mid_pulse_is_told_with_the_plcs_own_times() -> None:
    assert RECORD.about_kill(1100 * MS) == Killed(300.0, 20.0, 2000.0)


def test_a_safe_state_that_never_came_or_never_ended_is_told_as_such() -> None:
    never = Record([coil(0, 12, 1)], coil=12, safe_coil=13)
    assert never.about_kill(5 * MS) == Killed(None, None, None)
    for_ever = Record([coil(8, 13, 1)], coil=12, safe_coil=13)
    assert for_ever.about_kill(5 * MS) == Killed(None, 3.0, None)


def row(lane: str, kind: str | None, **more: Any) -> dict[str, Any]:
    body = {"lane": lane, **more} | ({} if kind is None else {"verdict": {"kind": kind}})
    return {"event": {"data": body}}


def test_each_part_is_judged_right_wrong_or_not_at_all() -> None:
    rows = [
        row("belt", "pass", part="1"),
        row("belt", "pass", part="2"),
        row("belt", "no_read", part="3"),
        row("belt", None, reason="lane_crash"),
        row("operator", "heard", item="samples:0-100"),
    ]
    bad = {0: False, 1: True, 2: False, 3: False}
    found = arrived(rows, complete=True, stored=6, bad=bad)
    assert (found.results, found.others) == (4, 1)
    assert found.unjudged == (2, 3)
    assert (found.wrong, found.twice, found.lost) == (1, 0, 1)


def test_a_part_or_an_item_that_is_there_twice_is_told() -> None:
    rows = [
        row("belt", "pass", part="1"),
        row("belt", "pass", part="1"),
        row("operator", "heard", item="samples:0-100"),
        row("operator", "heard", item="samples:0-100"),
        row("belt", "no_read"),
        row("belt", "no_read"),
    ]
    assert arrived(rows, complete=True, stored=6, bad={0: False}).twice == 2


def test_the_demos_config_triggers_shadows_and_delays_as_its_line_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "a-token")
    (tmp_path / "models").mkdir()
    station = Station(tmp_path)
    station.write_config("http://127.0.0.1:8080/video")
    text = tomllib.loads(station.config.read_text("utf-8"))
    text["device"] |= {"data_dir": str(tmp_path), "models_dir": str(tmp_path / "models")}
    config = msgspec.convert(text, Config)
    belt, output = config.lanes["belt"], config.outputs["reject_gate"]
    assert belt.serving_models == ["belt-parts"]
    assert belt.shadow == ["surface-defect"]
    assert isinstance(belt.trigger, ModbusTrigger)
    assert isinstance(output, ModbusOutput)
    assert output.safe_coil != output.coil
    assert output.delay_ms == WAY_MS > config.supervisor.dead_man_s * 1000
    every_ms = FILMED.every_ms
    assert BARRIER_AFTER_MS + belt.trigger.delay_ms < FILMED.visible_ms < every_ms
    assert output.pulse_ms < every_ms
