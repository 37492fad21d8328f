from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from edge_runtime.clock import SYSTEM_CLOCK
from tests.support.command_line import run
from tests.support.field_child import listen
from tests.support.plc import PlcProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def config(folder: Path, port: int, **more: str) -> Path:
    path = folder / "config.toml"
    extra = "".join(f"{key} = {value}\n" for key, value in more.items())
    path.write_text(
        '[device]\nid = "d"\ndata_dir = "data"\n[lanes.top]\nsource = "file:a.mp4"\nmodel = "m"\n'
        f'[outputs.gate]\nkind = "modbus"\nhost = "127.0.0.1"\nport = {port}\ncoil = 7\n'
        f"pulse_ms = 5\nack_timeout_ms = 5000\n{extra}"
    )
    return path


class Daemon:
    """The control socket of one: answers everything with one reply, and keeps what it was asked."""

    def __init__(self, data_dir: Path) -> None:
        data_dir.mkdir()
        self.asked: list[dict[str, Any]] = []
        self.reply: dict[str, Any] = {}
        self._listener = listen(data_dir / "control.sock")
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb") as file:
                for line in file:
                    self.asked.append(json.loads(line))
                    file.write(json.dumps(self.reply).encode() + b"\n")
                    file.flush()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    running = Daemon(tmp_path / "data")
    yield running
    running.close()


def test_an_output_is_tried_against_the_simulator(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with PlcProcess() as plc:
        ended = run(capsys, "output", "test", "gate", "--config", config(tmp_path, plc.port))
        assert ended.code == 0, ended.err
        assert ended.out.startswith("gate: confirmed after ")
        plc.wait_for_coil(7, 1)
        plc.wait_for_coil(7, 0)
        as_json = run(
            capsys, "output", "test", "gate", "--json", "--config", config(tmp_path, plc.port)
        )
    assert as_json.json["acknowledged"] is True
    assert as_json.json["action"] == "pulse"


def test_trying_an_output_leaves_its_safe_state_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with PlcProcess() as plc:
        path = config(tmp_path, plc.port, safe_coil="8")
        assert run(capsys, "output", "test", "gate", "--config", path).code == 0
        plc.wait_for_coil(7, 1)
        plc.wait_for_coil(7, 0)
    assert (8, 1) not in [(write["address"], write["value"]) for write in plc.writes]


def test_an_output_is_not_tried_while_the_daemon_holds_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], daemon: Daemon
) -> None:
    ended = run(capsys, "output", "test", "gate", "--config", config(tmp_path, 502))
    assert ended.code == 64
    assert "runs and holds this output" in ended.err


def test_a_bypass_is_asked_of_the_daemon_with_its_time_and_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], daemon: Daemon
) -> None:
    until_ns = SYSTEM_CLOCK.boottime_ns() + int(1800e9)
    daemon.reply = {
        "output": "gate", "state": "bypassed", "bypass_until_ns": until_ns, "holds": [],
    }  # fmt: skip
    command = ("output", "bypass", "gate", "--for", "30m", "--why", "new lens")
    ended = run(capsys, *command, "--config", config(tmp_path, 502))
    assert ended.code == 0
    assert ended.out.startswith("gate: bypassed for 30.0 min: no verdict drives it")
    assert daemon.asked == [
        {"command": "bypass", "output": "gate", "seconds": 1800.0, "why": "new lens"}
    ]


def test_a_bypass_is_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], daemon: Daemon
) -> None:
    daemon.reply = {
        "output": "gate", "state": "held", "bypass_until_ns": None, "holds": ["top: starting"],
    }  # fmt: skip
    ended = run(capsys, "output", "unbypass", "gate", "--data", tmp_path / "data")
    assert (ended.code, ended.out) == (0, "gate: held; top: starting\n")
    as_json = run(capsys, "output", "unbypass", "gate", "--json", "--data", tmp_path / "data")
    assert as_json.json["state"] == "held"


def test_what_the_daemon_refuses_is_told_with_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], daemon: Daemon
) -> None:
    daemon.reply = {"error": "there is no output 'gat'", "exit_code": 64}
    command = ("output", "bypass", "gat", "--for", "90", "--why", "x", "--data", tmp_path / "data")
    ended = run(capsys, *command)
    assert (ended.code, ended.err) == (64, "edge-runtime: there is no output 'gat'\n")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90.0), ("90s", 90.0), ("1.5m", 90.0), ("5 min", 300.0), ("2h", 7200.0)],
)
def test_times_are_read(
    text: str, seconds: float, tmp_path: Path, daemon: Daemon, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.reply = {"error": "x"}
    run(
        capsys, "output", "bypass", "gate", "--for", text, "--why", "x", "--data", tmp_path / "data"
    )
    assert daemon.asked[0]["seconds"] == seconds


@pytest.mark.parametrize("text", ["", "soon", "-1m", "30d", "m"])
def test_a_time_that_is_none_is_a_usage_error(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("output", "bypass", "gate", "--for", text, "--why", "x", "--data", tmp_path)
    ended = run(capsys, *command)
    assert ended.code == 64
    assert "such as 30m" in ended.err


def test_without_a_daemon_there_is_nothing_to_bypass(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = run(capsys, "output", "unbypass", "gate", "--data", tmp_path)
    assert ended.code == 66
    assert "no daemon is running" in ended.err


def test_the_simulated_plc_tells_when_its_gate_closes() -> None:
    command = [sys.executable, "-m", "edge_runtime", "output", "simulate", "--json"]
    process = subprocess.Popen(
        [*command, "--listen", "127.0.0.1:0", "--gate", "13:100:0.1"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        lines = [json.loads(process.stdout.readline()) for _ in range(2)]
    finally:
        process.kill()
        process.communicate()
    gate = next(line for line in lines if line.get("kind") == "gate")
    assert (gate["open"], gate["why"]) == (False, "the heartbeat stands")


@pytest.mark.parametrize("gate", ["13:100", "13:100:0", "5000:1:1", "a:b:c"])
def test_rungs_that_are_none_are_a_usage_error(
    gate: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = run(capsys, "output", "simulate", "--gate", gate)
    assert ended.code == 64
    assert "write COIL:REGISTER:SECONDS" in ended.err


def test_an_output_for_keywords_can_be_tried_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with PlcProcess() as plc:
        path = config(tmp_path, plc.port, on='["heard"]')
        assert run(capsys, "output", "test", "gate", "--config", path).code == 0


def test_a_far_side_that_is_away_is_told_with_exit_code_69(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        ended = run(capsys, "output", "test", "gate", "--config", config(tmp_path, port))
    assert ended.code == 69
    assert "gate: NOT confirmed after" in ended.out
    assert f"modbus://127.0.0.1:{port}: connection refused" in ended.out


def test_an_output_that_is_not_in_the_config_is_a_usage_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = run(capsys, "output", "test", "gat", "--config", config(tmp_path, 502))
    assert ended.code == 64
    assert "there is no output 'gat'; known: gate" in ended.err


@pytest.mark.parametrize("listen", ["5020", "127.0.0.1:", ":5020x", "127.0.0.1:70000"])
def test_an_address_that_is_none_is_a_usage_error(
    listen: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = run(capsys, "output", "simulate", "--listen", listen)
    assert ended.code == 64
    assert "write HOST:PORT, such as 127.0.0.1:5020" in ended.err


def test_a_port_that_is_taken_is_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = run(capsys, "output", "simulate", "--listen", where)
    assert ended.code == 69
    assert ended.err.startswith(f"edge-runtime: {where}: cannot listen there")
