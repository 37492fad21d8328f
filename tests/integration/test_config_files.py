from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from edge_runtime.config import ModbusOutput, ModbusTrigger, WebhookOutput, load_config
from edge_runtime.config.advice import advice
from edge_runtime.config.secret import Secret
from edge_runtime.errors import ConfigError, ExitCode
from tests.support.data import PROJECT

if TYPE_CHECKING:
    from pathlib import Path

BASE = '[device]\nid = "d"\n[lanes.top]\nsource = "file:belt.mp4"\nmodel = "m"\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def problems(path: Path, text: str) -> list[str]:
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert caught.value.exit_code is ExitCode.CONFIG
    return [line.replace(f"{path}: ", "") for line in caught.value.problems]


def test_relative_paths_are_relative_to_the_config_and_not_to_the_caller(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    path.write_text(
        '[device]\nid = "d"\ndata_dir = "data"\nmodels_dir = "../models"\n'
        '[lanes.a]\nsource = "folder:pictures"\nmodel = "./bundle"\n'
        '[lanes.b]\nsource = "file:/abs/x.wav"\nmodels = ["keywords", "/abs/bundle"]\n'
        '[lanes.c]\nsource = "microphone:default"\nmodel = "keywords/1.0"\n'
        '[sync]\nurl = "https://c/v1"\nca_file = "ca.pem"\ntoken = { file = "token" }\n'
    )
    config = load_config(path)
    home = path.parent
    assert str(config.data_dir) == f"{home}/data"
    assert config.device.models_dir == f"{home}/../models"
    assert config.lanes["a"].source == f"folder:{home}/pictures"
    assert config.lanes["a"].model == f"{home}/bundle"
    assert config.lanes["b"].source == "file:/abs/x.wav"
    assert config.lanes["b"].models == ["keywords", "/abs/bundle"]
    assert config.lanes["c"].source == "microphone:default"
    assert config.lanes["c"].model == "keywords/1.0"
    assert config.sync is not None
    assert config.sync.ca_file == f"{home}/ca.pem"
    assert config.sync.token is not None
    assert config.sync.token.file == f"{home}/token"


def test_mistakes_in_keys_and_across_tables_are_told_together(path: Path) -> None:
    found = problems(
        path,
        BASE
        + 'workers = 0\noutputs = ["gte"]\nrules = { confrim = "1 of 1", confirm = "3 of 2" }\n'
        '[lanes.Ears]\nsource = "mic"\n'
        '[outputs.gate]\nkind = "modbus"\nhost = "plc"\n',
    )
    assert found == [
        (
            "lanes.top.workers: found 0; give a whole number at least 1 and at most 16: "
            "threads that infer, on one loaded model"
        ),
        "lanes.top.rules.confrim: unknown key; did you mean 'confirm'?",
        "lanes.top.rules.confirm: found '3 of 2'; write 'n of m' with n <= m, such as '2 of 3'",
        (
            "outputs.gate.coil: missing; give a whole number at least 0 and at most 65535: "
            "pulsed on a verdict in `on`"
        ),
        "lanes.top.outputs: found 'gte'; did you mean 'gate'?",
        (
            "lanes.Ears.source: found 'mic'; it starts with one of file: folder: v4l2: rtsp:// "
            "rtsps:// http:// https:// microphone:"
        ),
        "lanes.Ears.model: missing; give a bundle's name such as 'surface-defect'",
        "lanes.Ears: a name is a-z, 0-9, _ and -, at most 64",
    ]


def test_a_key_that_is_wrong_is_not_also_told_to_be_missing(path: Path) -> None:
    assert problems(path, BASE.replace('"m"', "7")) == [
        "lanes.top.model: found 7; give a string: a bundle's name, name/version or folder"
    ]


def test_a_wrong_output_is_not_also_told_to_be_unknown(path: Path) -> None:
    text = BASE + 'outputs = ["gate"]\n[outputs.gate]\nkind = "modbus"\nhost = "h"\ncoil = -1\n'
    (line,) = problems(path, text)
    assert line.startswith("outputs.gate.coil: found -1")


def test_without_a_device_the_rest_is_checked_all_the_same(path: Path) -> None:
    assert problems(path, '[lanes.top]\nsource = "x"\nmodel = "m"\n')[0].startswith("device: ")
    assert problems(path, '[lanes.top]\nsource = "x"\nmodel = "m"\n')[1].startswith(
        "lanes.top.source: found 'x'"
    )


def test_files_in_conf_d_win_and_their_mistakes_are_told_with_their_names(path: Path) -> None:
    extras = path.parent / "conf.d"
    extras.mkdir()
    (extras / "50-site.toml").write_text("[lanes.top]\nworkers = 2\n[ledger]\ngroup_ms = 5\n")
    path.write_text(BASE + "workers = 1\n")
    config = load_config(path)
    assert (config.lanes["top"].workers, config.ledger.group_ms) == (2, 5)
    assert config.lanes["top"].model == "m"
    (extras / "50-site.toml").write_text("[lanes.top]\nworkers = 99\nmodle = 1\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert [line.partition(": ")[0] for line in caught.value.problems] == [
        f"{extras / '50-site.toml'}",
        f"{extras / '50-site.toml'}",
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_conf_d_that_cannot_be_read_is_an_error_and_not_an_absent_one(path: Path) -> None:
    path.write_text(BASE)
    extras = path.parent / "conf.d"
    extras.mkdir(mode=0)
    with pytest.raises(ConfigError, match=r"conf\.d: cannot be read"):
        load_config(path)


def test_a_config_that_is_not_there_is_one_line(path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.toml: cannot be read: No such file"):
        load_config(path)


def test_a_secret_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("hunter2\n")
    assert Secret(file=str(file)).read() == "hunter2"


def test_a_credential_is_read_from_systemds_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "collector").write_text("hunter2")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert Secret(credential="collector").read() == "hunter2"
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    with pytest.raises(ConfigError, match="'collector' needs systemd"):
        Secret(credential="collector").read()


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"", "is empty"), (b" \n", "is empty"), (b"\xff\xfe", "is not text"), (None, "No such file")],
)
def test_a_secret_that_is_not_there_is_told_without_its_value(
    tmp_path: Path, content: bytes | None, told: str
) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=f"secret: {file}.*{told}"):
        Secret(file=str(file)).read()


def test_an_unset_variable_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGE_TEST_TOKEN", raising=False)
    with pytest.raises(ConfigError, match="environment variable EDGE_TEST_TOKEN is not set"):
        Secret(env="EDGE_TEST_TOKEN").read()


@pytest.mark.parametrize("name", ["default", "examples/camera", "examples/microphone"])
def test_the_shipped_configs_are_sound(name: str) -> None:
    assert load_config(PROJECT / "configs" / f"{name}.toml").lanes


def test_the_whole_station_example_is_sound() -> None:
    config = load_config(PROJECT / "configs" / "examples" / "station.toml")
    assert config.lanes["top"].rules.confirm_n_of_m == (2, 3)
    assert config.lanes["top"].outputs == ["reject_gate"]
    assert config.sync is not None
    assert config.targets.parts_per_minute == 120


def test_the_triggered_station_example_closes_its_gate_before_an_unjudged_part_is_there() -> None:
    config = load_config(PROJECT / "configs" / "examples" / "triggered_station.toml")
    lane, gate = config.lanes["top"], config.outputs["gate"]
    assert list(lane.all_views) == ["left", "right"]
    assert advice(config) == []
    assert isinstance(lane.trigger, ModbusTrigger)
    assert isinstance(gate, ModbusOutput)
    assert lane.outputs == ["gate"]
    assert lane.part.deadline_ms is not None
    assert lane.trigger.delay_ms < lane.part.deadline_ms < gate.delay_ms
    # The rungs let the register stand for three heartbeats.
    assert 3 * gate.heartbeat_s * 1000 < gate.delay_ms
    assert config.supervisor.dead_man_s * 1000 < gate.delay_ms


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ('[outputs.gate]\nkind = "modbus"\ncoil = 1\n', "outputs.gate.host"),
        ('[lanes.top.trigger]\nkind = "modbus"\ncoil = 1\n', "lanes.top.trigger.host"),
    ],
)
def test_a_host_that_holds_its_port_is_told_how_the_two_are_written(
    path: Path, table: str, key: str
) -> None:
    base = BASE.replace("file:belt.mp4", "v4l2:/dev/video0")
    found = problems(path, base + table + 'host = "127.0.0.1:15020"\n')
    assert found == [
        f"{key}: found '127.0.0.1:15020'; write host and port: host = \"127.0.0.1\", port = 15020"
    ]
    assert "write host and port" not in problems(path, base + table + 'host = "a b"\n')[0]


def test_paths_of_views_chains_shadows_and_webhooks_are_relative_to_the_config(path: Path) -> None:
    path.write_text(
        '[device]\nid = "d"\n'
        '[lanes.a]\nmodel = "./m"\nshadow = ["./s"]\ncapture = { live = true }\n'
        '[lanes.a.views.left]\nsource = "folder:l"\nmodels = ["./m"]\n'
        '[lanes.b]\nsource = "folder:p"\nchain = ["./f", "judge"]\n'
        '[outputs.told]\nkind = "webhook"\nurl = "http://mes"\nca_file = "ca.pem"\n'
        'token = { file = "token" }\n'
    )
    config = load_config(path)
    home = path.parent
    view = config.lanes["a"].views["left"]
    assert (view.source, view.models) == (f"folder:{home}/l", [f"{home}/m"])
    assert config.lanes["a"].shadow == [f"{home}/s"]
    assert config.lanes["b"].chain == [f"{home}/f", "judge"]
    told = config.outputs["told"]
    assert isinstance(told, WebhookOutput)
    assert told.token is not None
    assert (told.ca_file, told.token.file) == (f"{home}/ca.pem", f"{home}/token")


def test_a_config_that_cannot_be_read_is_one_to_try_again_and_a_wrong_one_is_not(
    tmp_path: Path,
) -> None:
    with pytest.raises(ConfigError) as missing:
        load_config(tmp_path / "config.toml")
    assert missing.value.exit_code is ExitCode.NO_INPUT
    (tmp_path / "config.toml").write_text("[device")
    with pytest.raises(ConfigError) as wrong:
        load_config(tmp_path / "config.toml")
    assert wrong.value.exit_code is ExitCode.CONFIG
