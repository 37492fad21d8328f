from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tests.support.command_line import run
from tests.support.plc import PlcProcess

if TYPE_CHECKING:
    from pathlib import Path


def config(folder: Path, port: int, **more: str) -> Path:
    path = folder / "config.toml"
    extra = "".join(f"{key} = {value}\n" for key, value in more.items())
    path.write_text(
        '[device]\nid = "d"\n[lanes.top]\nsource = "file:a.mp4"\nmodel = "m"\n'
        f'[outputs.gate]\nkind = "modbus"\nhost = "127.0.0.1"\nport = {port}\ncoil = 7\n'
        f"pulse_ms = 5\nack_timeout_ms = 5000\n{extra}"
    )
    return path


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
