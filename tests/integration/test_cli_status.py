"""``status`` against a real control socket that gives pictures."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edge_runtime import codes
from edge_runtime.cli.status_tables import console, tables
from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.config.tables import Ledger
from edge_runtime.ledger.writer import LedgerWriter
from edge_runtime.supervisor import control
from edge_runtime.supervisor.truth import findings, is_well
from tests.support.command_line import run
from tests.support.control import FakeDaemon
from tests.support.pictures import child, lane, ledger, output, station, sync


def judged(**changes: Any) -> dict[str, Any]:
    """A picture as a daemon answers it."""
    picture = station(**changes)
    found = findings(picture)
    return picture | {"ok": is_well(found), "findings": found}


ILL = {
    "lanes": [
        lane("top", state="degraded", code=codes.SOURCE_AWAY, detail="/dev/video0: unplugged"),
        lane("side", state="waiting", crash_loop=True, restarts=18, last_exit="signal=SIGSEGV"),
        lane("hall", kind="microphone", source="microphone:usb", level_dbfs=-52.0),
    ],
    "outputs": [
        output(state="held", held_by=["top: camera away", "side: crashed [18]"]),
        output("ejector", unacknowledged=77, unacknowledged_running=77, last_ack_age_s=None),
        output("lamp", state="bypassed", bypass_left_s=900.0, detail="cleaning"),
    ],
    "ledger": ledger(state="full", detail="no room", waiting=5, times_full=1),
    "sync": sync("offline", detail="connection refused", backlog_rows=9, backlog_age_s=7200.0),
    "targets": {"latency_p99_ms": 20.0},
}


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A data folder with a ledger, as a daemon that stopped left it."""
    LedgerWriter.open(tmp_path, "press7", Ledger(), SYSTEM_CLOCK).close()
    return tmp_path


def test_a_station_that_is_well_says_so_and_exits_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with FakeDaemon(tmp_path, status=judged()):
        ended = run(capsys, "status", "--data", tmp_path)
        as_json = run(capsys, "status", "--data", tmp_path, "--json")
    assert ended.code == 0
    assert ended.out.splitlines()[-1] == "all is well"
    assert (as_json.code, as_json.json["ok"], as_json.json["findings"]) == (0, True, [])


def test_outputs_are_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with FakeDaemon(tmp_path, status=judged(**ILL)):
        out = run(capsys, "status", "--data", tmp_path).out
    (held,) = re.findall(r"(?m)^reject_gate .*$", out)
    assert "held" in held
    assert "modbus://plc:502" in held
    (away,) = re.findall(r"(?m)^ejector .*$", out)
    assert "never" in away
    assert "77 (77)" in away


def test_an_ill_station_exits_1_and_each_finding_is_listed_with_its_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = judged(**ILL)
    with FakeDaemon(tmp_path, status=picture):
        ended = run(capsys, "status", "--data", tmp_path)
        as_json = run(capsys, "status", "--data", tmp_path, "--json")
    assert (ended.code, as_json.code) == (1, 1)
    assert as_json.json == picture
    told = ended.out.partition("fault")[2]
    for each in picture["findings"]:
        assert each["code"] in told
    last = ended.out.rpartition("edge-runtime explain ")[2].split()
    assert set(last) == {each["code"] for each in picture["findings"]}
    assert run(capsys, "explain", *last).code == 0


def test_the_text_is_narrow_enough_for_100_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for changes in ({}, ILL):
        with FakeDaemon(tmp_path, status=judged(**changes)):
            out = run(capsys, "status", "--data", tmp_path).out
        assert max(map(len, out.splitlines())) <= 100


def test_what_a_far_side_says_is_shown_and_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    picture = judged(lanes=[lane(state="degraded", code="EDGE-L101", detail="[red]no[/] [/bold]")])
    console().print(*tables(picture), sep="\n")
    assert "[red]no[/] [/bold]" in capsys.readouterr().out


def test_levels_and_the_age_of_the_last_picture_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with FakeDaemon(tmp_path, status=judged(**ILL)):
        out = run(capsys, "status", "--data", tmp_path).out
    assert "-52 dBFS" in out
    assert "last picture 0.1 s ago" in out


def test_which_microphone_answers_its_offset_and_who_mutes_it_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ear = lane(
        "ear",
        level_dbfs=-52.0,
        offset_percent=-5.1,
        device="alsa_input.usb (USB Mic)",
        why_silent="'alsa_input.usb' is muted in the sound server",
        moves=["microphone:pulse: 'b' answers, before it was 'a'"],
    )
    with FakeDaemon(tmp_path, status=judged(lanes=[ear])):
        ended = run(capsys, "status", "--data", tmp_path)
    assert ended.code == 0  # another microphone is a warning
    shown = " ".join(ended.out.split())
    for told in ("offset -5.1 %", "alsa_input.usb (USB Mic)", "is muted in the", "before it was"):
        assert told in shown
    assert codes.SOURCE_MOVED in ended.out


def test_offline_alone_exits_0_and_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with FakeDaemon(tmp_path, status=judged(sync=sync("offline", backlog_rows=9))):
        ended = run(capsys, "status", "--data", tmp_path)
    assert ended.code == 0
    assert "all is well" in ended.out
    assert codes.SYNC_OFFLINE in ended.out


@pytest.mark.parametrize("changes", [{"field": None}, {"field": child("waiting", pid=None)}])
def test_a_field_process_that_is_away_exits_1(
    changes: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with FakeDaemon(tmp_path, status=judged(**changes)):
        ended = run(capsys, "status", "--data", tmp_path)
    assert ended.code == 1
    assert codes.FIELD_AWAY in ended.out


def test_without_a_daemon_it_exits_69_and_shows_what_is_stored(
    stored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = run(capsys, "status", "--data", stored)
    assert ended.code == 69
    assert "press7  not running" in ended.out
    assert codes.DAEMON_AWAY in ended.out
    as_json = run(capsys, "status", "--data", stored, "--json")
    assert (as_json.code, as_json.json["ok"], as_json.json["running"]) == (69, False, False)
    assert [each["code"] for each in as_json.json["findings"]] == [codes.DAEMON_AWAY]


def test_a_daemon_that_takes_the_question_and_never_answers_exits_1(
    stored: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control.ControlClient.__init__, "__kwdefaults__", {"timeout_s": 0.2})
    with socket.socket(socket.AF_UNIX) as stopped:
        monkeypatch.chdir(stored)  # the address is short
        stopped.bind(control.SOCKET)
        stopped.listen()
        ended = run(capsys, "status", "--data", stored, "--json")
    assert ended.code == 1
    assert [each["code"] for each in ended.json["findings"]] == [codes.DAEMON_SILENT]


def test_a_daemon_of_another_version_is_told_and_not_taken_for_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with FakeDaemon(tmp_path, status={"running": True, "lanes": []}):
        ended = run(capsys, "status", "--data", tmp_path)
    assert ended.code == 70
    assert "another version" in ended.err


def test_what_is_acknowledged_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = findings(station(sync=sync(quarantined=2)))
    with FakeDaemon(tmp_path, acknowledge={"acknowledged": found}) as daemon:
        first = run(capsys, "status", "--data", tmp_path, "--acknowledge")
        daemon.answer("acknowledge", {"acknowledged": []})
        second = run(capsys, "status", "--data", tmp_path, "--acknowledge")
        daemon.answer("acknowledge", {"error": "/data/seen.json: cannot be written"})
        third = run(capsys, "status", "--data", tmp_path, "--acknowledge")
    assert (first.code, second.code, third.code) == (0, 0, 70)
    assert first.out.startswith("EDGE-S403  sync: ")
    assert "nothing that was not seen" in second.out
    assert "cannot be written" in third.err


def test_watching_shows_it_until_it_is_interrupted(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edge_runtime", "status", "--watch", "--data", str(tmp_path)]
    with (
        FakeDaemon(tmp_path, status=judged(**ILL)) as daemon,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching,
    ):
        for _ in range(2):
            daemon.asked.get(timeout=30)
        watching.send_signal(signal.SIGINT)
        out, _ = watching.communicate(timeout=20)
    assert watching.returncode == 1
    assert "reject_gate" in out
