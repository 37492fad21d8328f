"""Results from before the clock was set are found and shown by the time they really had."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.ledger.queries import LedgerReader
from edge_runtime.ledger.writer import PutResult, RecordAnchor
from edge_runtime.types import Result, Stamp
from tests.support.command_line import run
from tests.support.ledger import done, ledger, result

S = 10**9


def listed(capsys: pytest.CaptureFixture[str], data_dir: Path, *more: str) -> dict[int, dict]:  # type: ignore[type-arg]
    told = run(capsys, "results", "list", "--json", "--data", data_dir, *more)
    assert told.code == 0, told.err
    return {row["seq"]: row for row in map(json.loads, told.out.splitlines())}


def store(data_dir: Path) -> Stamp:
    """1: a boot that never knew the time; 2, 3: before and after it was set; now."""
    now = SYSTEM_CLOCK.stamp()
    with ledger(data_dir) as writer:
        done(writer, RecordAnchor(Stamp(50 * S, 50 * S, "lost"), "start"))
        done(writer, PutResult(result(1, captured=Stamp(60 * S, 60 * S, "lost"))))
        done(writer, RecordAnchor(Stamp(100 * S, 100 * S, "set"), "start"))
        done(writer, PutResult(result(2, captured=Stamp(200 * S, 200 * S, "set"))))
        at = Stamp(now.wall_ns - 60 * S, 300 * S, "set")
        done(writer, RecordAnchor(at, "set"))
        after = Stamp(now.wall_ns - 50 * S, 310 * S, "set")
        done(writer, PutResult(result(3, captured=after)))
    return now


def test_since_finds_them_and_the_list_says_when_they_were(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now = store(tmp_path)
    rows = listed(capsys, tmp_path, "--since", "1h")
    assert sorted(rows) == [1, 2, 3]  # nobody knows when the first was: perhaps within the hour
    assert sorted(listed(capsys, tmp_path, "--since", "90s")) == [3]  # before the next boot
    assert (rows[2]["time_trusted"], rows[2]["time_corrected"]) == (True, True)
    corrected = datetime.fromisoformat(rows[2]["time"]).timestamp()
    assert corrected == pytest.approx(now.wall_ns / S - 160, abs=0.01)
    assert (rows[3]["time_trusted"], rows[3]["time_corrected"]) == (True, False)
    assert not rows[1]["time_trusted"]


def test_stored_rows_do_not_change(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store(tmp_path)
    rows = listed(capsys, tmp_path)
    assert rows[2]["captured"] == {"wall_ns": 200 * S, "boottime_ns": 200 * S, "boot_id": "set"}
    with LedgerReader(tmp_path) as reader:
        entry = reader.result(2)
        assert entry is not None
        assert isinstance(entry.body, Result)
        assert entry.body.captured == Stamp(200 * S, 200 * S, "set")


def test_the_table_says_what_is_not_trusted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now = store(tmp_path)
    lines = run(capsys, "results", "list", "--data", tmp_path).out.splitlines()
    year = datetime.fromtimestamp(now.wall_ns / S, UTC).strftime("%Y")
    doubted = [line for line in lines if "time not trusted" in line]
    assert [line.split()[:2] for line in doubted] == [["1", "1970-01-01"]]
    assert all(line.split()[1].startswith(year) for line in lines if line not in doubted)
    shown = run(capsys, "results", "show", "1", "--data", tmp_path).out
    assert re.search(r"time_trusted +no\b", shown)


def test_a_boot_without_the_time_that_ended_before_is_not_within_the_hour(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now = SYSTEM_CLOCK.stamp()
    with ledger(tmp_path) as writer:
        done(writer, RecordAnchor(Stamp(50 * S, 50 * S, "lost"), "start"))
        done(writer, PutResult(result(1, captured=Stamp(60 * S, 60 * S, "lost"))))
        done(writer, RecordAnchor(Stamp(now.wall_ns - 7200 * S, 0, "next"), "start"))
    assert listed(capsys, tmp_path, "--since", "1h") == {}
    assert sorted(listed(capsys, tmp_path, "--since", "3h")) == [1]
