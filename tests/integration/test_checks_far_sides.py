"""doctor and the outputs: a real exchange that writes nothing; a daemon that runs is asked."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge_runtime import codes
from edge_runtime.checks import CheckResult, Status, far_sides, run_checks, running, station
from edge_runtime.checks.running import Daemon
from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.config import Config
from edge_runtime.field.simulator import PlcSimulator, Write
from edge_runtime.supervisor import control
from edge_runtime.supervisor.truth import findings, is_well
from tests.support import pictures
from tests.support.command_line import run
from tests.support.control import FakeDaemon

NO_DAEMON = Daemon(holds=False, result=CheckResult("daemon", Status.SKIP, ""))
ENDPOINT = "127.0.0.1"


class Listener:
    """Accepts and never says a word; counts who came."""

    def __init__(self) -> None:
        self.accepted = 0
        self.received = b""
        self._server = socket.create_server((ENDPOINT, 0))
        self.port = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        held = []
        while True:
            connection, _ = self._server.accept()
            if self._stopping:
                connection.close()
                break
            self.accepted += 1
            held.append(connection)
        for connection in held:
            connection.settimeout(0.2)
            try:
                while data := connection.recv(4096):
                    self.received += data
            except OSError:
                pass
            connection.close()

    def __enter__(self) -> Listener:
        self._stopping = False
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        socket.create_connection((ENDPOINT, self.port)).close()
        self._thread.join()
        self._server.close()


@contextmanager
def nobody() -> Iterator[int]:
    """A port that refuses connections."""
    with socket.socket() as closed:
        closed.bind((ENDPOINT, 0))
        yield closed.getsockname()[1]


def config(folder: Path, **output: Any) -> Config:
    output = {"kind": "modbus", "host": ENDPOINT, "coil": 7, "heartbeat_register": 100} | output
    if output["kind"] != "modbus":
        output = {key: output[key] for key in ("kind", "url")}
    return msgspec.convert(
        {
            "device": {"id": "press7", "data_dir": str(folder)},
            "lanes": {"top": {"source": "v4l2:0", "model": "surface-defect", "outputs": ["gate"]}},
            "outputs": {"gate": output},
        },
        Config,
    )


def check(settings: Config, daemon: Daemon = NO_DAEMON) -> CheckResult:
    (told,) = far_sides.outputs(settings, daemon)
    return told


def test_a_plc_that_answers_is_read_and_nothing_is_written(tmp_path: Path) -> None:
    writes: list[Write] = []
    with PlcSimulator(ENDPOINT, 0, on_write=writes.append, clock=SYSTEM_CLOCK) as plc:
        told = check(config(tmp_path, port=plc.port, safe_coil=8))
    assert (told.status, told.code) == (Status.OK, "")
    assert "coil 7 is off" in told.detail
    assert "register 100 is 0" in told.detail
    assert "nothing was written" in told.detail
    assert writes == []


def test_a_plc_that_accepts_and_never_answers_fails(tmp_path: Path) -> None:
    with Listener() as silent:
        told = check(config(tmp_path, port=silent.port))
        assert silent.accepted == 1
    assert (told.status, told.code) == (Status.FAIL, codes.OUTPUT_UNACKNOWLEDGED)
    assert told.hint == "edge-runtime explain EDGE-O202"


def test_a_plc_that_is_away_fails(tmp_path: Path) -> None:
    with nobody() as port:
        told = check(config(tmp_path, port=port))
    assert (told.status, told.code) == (Status.FAIL, codes.OUTPUT_AWAY)
    assert "refused" in told.detail


def test_a_plc_without_such_a_coil_fails(tmp_path: Path) -> None:
    writes: list[Write] = []
    with PlcSimulator(ENDPOINT, 0, on_write=writes.append, clock=SYSTEM_CLOCK) as plc:
        told = check(config(tmp_path, port=plc.port, coil=60_000))
    assert (told.status, told.code) == (Status.FAIL, codes.OUTPUT_REFUSED)
    assert writes == []


def test_doctor_exits_1_for_an_output_that_does_not_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "belt.mp4").touch()
    with Listener() as silent:
        (tmp_path / "config.toml").write_text(
            '[device]\nid = "d"\ndata_dir = "data"\n'
            '[lanes.top]\nsource = "file:belt.mp4"\nmodel = "surface-defect"\noutputs = ["gate"]\n'
            f'[outputs.gate]\nkind = "modbus"\nhost = "{ENDPOINT}"\nport = {silent.port}\ncoil = 1\n'
        )
        ended = run(capsys, "doctor", "--config", tmp_path / "config.toml", "--json")
    assert ended.code == 1
    failed = [each for each in ended.json if each["status"] == "fail"]
    assert [(each["name"], each["code"]) for each in failed] == [("output gate", "EDGE-O202")]


def test_a_webhook_is_connected_to_and_nothing_is_posted(tmp_path: Path) -> None:
    with Listener() as service:
        told = check(config(tmp_path, kind="webhook", url=f"http://{ENDPOINT}:{service.port}/hook"))
    assert told.status is Status.OK
    assert "nothing was posted" in told.detail
    assert service.received == b""


def test_a_webhook_that_is_away_or_speaks_no_tls_fails(tmp_path: Path) -> None:
    with nobody() as port:
        away = check(config(tmp_path, kind="webhook", url=f"http://{ENDPOINT}:{port}/hook"))
    assert (away.status, away.code) == (Status.FAIL, codes.OUTPUT_AWAY)
    with Listener() as service:
        silent = check(config(tmp_path, kind="webhook", url=f"https://{ENDPOINT}:{service.port}/"))
    assert (silent.status, silent.code) == (Status.FAIL, codes.OUTPUT_AWAY)
    assert "no answer within" in silent.detail


def answering(**changes: Any) -> dict[str, Any]:
    outputs = [pictures.output("gate", **changes)]
    picture = pictures.station(outputs=outputs)
    found = findings(picture)
    return picture | {"ok": is_well(found), "findings": found}


def test_while_the_daemon_runs_it_is_asked_and_what_it_holds_is_not_touched(
    tmp_path: Path,
) -> None:
    with Listener() as plc, FakeDaemon(tmp_path, status=answering()):
        settings = config(tmp_path, port=plc.port)
        daemon = running.ask(settings)
        told = check(settings, daemon)
        (source, _) = station.lane("top", settings.lanes["top"], settings, daemon)
        assert plc.accepted == 0
    assert daemon.holds
    assert (told.status, told.detail) == (Status.OK, "connected, by the daemon")
    assert (source.status, source.detail) == (Status.OK, "running, by the daemon")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"state": "away"}, codes.OUTPUT_AWAY),
        ({"unacknowledged_running": 77}, codes.OUTPUT_UNACKNOWLEDGED),
        ({"state": "held", "held_by": ["top: away"]}, codes.OUTPUT_HELD),
        ({"state": "bypassed"}, codes.OUTPUT_BYPASSED),
    ],
)
def test_what_the_daemon_says_of_an_output_that_is_ill_fails_with_its_code(
    changes: dict[str, Any], code: str, tmp_path: Path
) -> None:
    with FakeDaemon(tmp_path, status=answering(**changes)):
        settings = config(tmp_path)
        told = check(settings, running.ask(settings))
    assert (told.status, told.code) == (Status.FAIL, code)
    assert code in told.detail


def test_an_output_that_the_daemon_does_not_know_yet_is_skipped(tmp_path: Path) -> None:
    with FakeDaemon(tmp_path, status=answering() | {"outputs": []}):
        settings = config(tmp_path)
        told = check(settings, running.ask(settings))
    assert told.status is Status.SKIP
    assert "edge-runtime reload" in told.hint


def test_a_daemon_that_is_silent_fails_and_still_nothing_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control.ControlClient.__init__, "__kwdefaults__", {"timeout_s": 0.2})
    monkeypatch.chdir(tmp_path)  # the address is short
    with Listener() as plc, socket.socket(socket.AF_UNIX) as stopped:
        stopped.bind(control.SOCKET)
        stopped.listen()
        settings = config(tmp_path, port=plc.port)
        daemon = running.ask(settings)
        told = check(settings, daemon)
        assert plc.accepted == 0
    assert (daemon.result.status, daemon.result.code) == (Status.FAIL, codes.DAEMON_SILENT)
    assert told.status is Status.SKIP


def test_while_the_daemon_runs_devices_are_not_listed_and_its_own_faults_are_told(
    tmp_path: Path,
) -> None:
    (tmp_path / "config.toml").write_text(
        f'[device]\nid = "d"\ndata_dir = "{tmp_path}"\n'
        '[lanes.top]\nsource = "v4l2:0"\nmodel = "surface-defect"\n'
    )
    picture = pictures.station(ledger=pictures.ledger(state="full"), outputs=[], field=None)
    found = findings(picture)
    with FakeDaemon(tmp_path, status=picture | {"ok": False, "findings": found}):
        told = {each.name: each for each in run_checks(tmp_path / "config.toml")}
    assert told["cameras"].status is told["microphones"].status is Status.SKIP
    assert told["daemon"].status is Status.OK
    assert (told["daemon's ledger"].status, told["daemon's ledger"].code) == (
        Status.FAIL,
        codes.LEDGER_FULL,
    )
    assert told["lane top source"].detail == "running, by the daemon"


def test_a_triggers_far_side_is_connected_to_and_nothing_is_asked(tmp_path: Path) -> None:
    with Listener() as plc, nobody() as port:
        for where, status in ((plc.port, Status.OK), (port, Status.FAIL)):
            settings = config(tmp_path)
            trigger = {"kind": "modbus", "host": ENDPOINT, "port": where, "coil": 3}
            lane = msgspec.to_builtins(settings.lanes["top"]) | {"trigger": trigger}
            settings = msgspec.convert(
                msgspec.to_builtins(settings) | {"lanes": {"top": lane}}, Config
            )
            (told,) = far_sides.triggers(settings, NO_DAEMON)
            assert told.status is status
    assert plc.received == b""
