from __future__ import annotations

from typing import Any

import jsonschema
import msgspec
import pytest

from edge_runtime.config import Config, Lane, ModbusOutput, Rules, json_schema
from edge_runtime.config.checks import cross_checks
from edge_runtime.config.secret import Secret


def config(**more: Any) -> Config:
    table: dict[str, Any] = {
        "device": {"id": "d"},
        "lanes": {"top": {"source": "file:a.mp4", "model": "m"}},
    }
    return msgspec.convert(table | more, Config)


def lane(**more: Any) -> dict[str, Any]:
    return {"source": "file:a.mp4", "model": "m"} | more


def plc(**more: Any) -> dict[str, Any]:
    return {"kind": "modbus", "host": "plc", "coil": 1} | more


def checked(**more: Any) -> list[str]:
    made = config(**more)
    return cross_checks(made, list(made.outputs))


def test_a_sound_config_has_no_problems() -> None:
    assert checked() == []


def test_a_config_without_lanes_says_so() -> None:
    assert checked(lanes={}) == ["lanes: at least one [lanes.NAME] is needed"]


@pytest.mark.parametrize("name", ["Top", "a b", "", "-x", "x" * 65, "ü"])
def test_names_that_no_path_or_log_could_carry_are_refused(name: str) -> None:
    assert checked(lanes={name: lane()}) == [
        f"lanes.{name}: a name is a-z, 0-9, _ and -, at most 64"
    ]
    assert f"outputs.{name}: a name" in checked(outputs={name: plc()})[0]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("camera0", "found 'camera0'; it starts with one of file: folder: v4l2: rtsp://"),
        ("file:", "found 'file:'; there is nothing behind file:"),
        ("rtsp://", "found 'rtsp://'; there is nothing behind rtsp://"),
        ("", "found ''; it starts with one of"),
        (
            "file:rtsp://a:Hunter2@h/x",
            "found 'file:rtsp://***@h/x': behind file: is no path of this box; write rtsp://… alone",
        ),
        (
            "v4l2:http://a:Hunter2@h/x",
            "found 'v4l2:http://***@h/x': behind v4l2: is no path of this box; write http://… alone",
        ),
        (
            "folder:smb://a:Hunter2@h/x",
            "found 'folder:smb://***@h/x': behind folder: is no path of this box; mount it, and",
        ),
    ],
)
def test_a_source_that_leads_nowhere_is_refused(source: str, told: str) -> None:
    (line,) = checked(lanes={"a": lane(source=source)})
    assert line.startswith(f"lanes.a.source: {told}")


def test_a_lane_needs_a_model() -> None:
    (line,) = checked(lanes={"a": lane(model=None)})
    assert line == "lanes.a.model: missing; give a bundle's name such as 'surface-defect'"
    assert checked(lanes={"a": lane(model=None, models=["m", "n"])}) == []


def test_an_output_that_is_not_there_gets_a_suggestion() -> None:
    assert checked(lanes={"a": lane(outputs=["gate"])}) == [
        "lanes.a.outputs: found 'gate'; there is no [outputs] table"
    ]
    assert checked(lanes={"a": lane(outputs=["reject_gat"])}, outputs={"reject_gate": plc()}) == [
        "lanes.a.outputs: found 'reject_gat'; did you mean 'reject_gate'?"
    ]


def test_lanes_may_share_an_output() -> None:
    lanes = {"a": lane(outputs=["gate"]), "b": lane(outputs=["gate"])}
    assert checked(lanes=lanes, outputs={"gate": plc()}) == []


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ({"coil": 1}, {"coil": 1}, "coil 1"),
        ({"coil": 1, "safe_coil": 2}, {"coil": 2}, "coil 2"),
        (
            {"coil": 1, "heartbeat_register": 9},
            {"coil": 2, "heartbeat_register": 9},
            "register 9",
        ),
        (
            {"coil": 1, "heartbeat_register": 9},
            {"coil": 2, "bypass_register": 9},
            "register 9",
        ),
    ],
)
def test_two_outputs_cannot_drive_one_address(
    one: dict[str, int], other: dict[str, int], shared: str
) -> None:
    (line,) = checked(
        lanes={"a": lane(outputs=["x", "y"])}, outputs={"x": plc(**one), "y": plc(**other)}
    )
    assert line == f"outputs.y: drives {shared} of plc, and so does outputs.x: give each its own"


def test_the_same_address_on_another_device_is_another_coil() -> None:
    outputs = {"x": plc(), "y": plc(host="plc2"), "z": plc(unit=2)}
    assert checked(lanes={"a": lane(outputs=["x", "y", "z"])}, outputs=outputs) == []


def test_backoffs_the_wrong_way_round_are_refused() -> None:
    assert checked(
        sync={"url": "http://c", "backoff_min_s": 5, "backoff_max_s": 1},
        supervisor={"backoff_min_s": 5, "backoff_max_s": 1},
    ) == [
        "sync.backoff_max_s: is less than sync.backoff_min_s",
        "supervisor.backoff_max_s: is less than supervisor.backoff_min_s",
    ]


@pytest.mark.parametrize("confirm", ["1 of 1", "2 of 3", "99 of 99"])
def test_confirm_is_n_of_m(confirm: str) -> None:
    n, m = Rules(confirm=confirm).confirm_n_of_m
    assert f"{n} of {m}" == confirm


@pytest.mark.parametrize("confirm", ["", "3 of 2", "0 of 1", "1of2", "1 of 100", "-1 of 2"])
def test_a_confirm_that_can_never_be_is_refused(confirm: str) -> None:
    with pytest.raises(ValueError, match="write 'n of m' with n <= m"):
        Rules(confirm=confirm)


@pytest.mark.parametrize(
    ("source", "kind", "is_camera"),
    [
        ("file:a.mp4", None, True),
        ("file:a.WAV", None, False),
        ("file:a.flac", None, False),
        ("microphone:default", None, False),
        ("v4l2:/dev/video0", None, True),
        ("folder:sounds", "microphone", False),
        ("rtsp://cam/audio.wav", "camera", True),
    ],
)
def test_a_lane_knows_whether_it_sees_or_hears(source: str, kind: Any, is_camera: bool) -> None:
    assert Lane(source=source, kind=kind).is_camera is is_camera


def test_model_and_models_are_one_list() -> None:
    assert Lane(source="file:a", model="a", models=["b"]).all_models == ["a", "b"]


def test_a_secret_is_a_reference_of_exactly_one_kind() -> None:
    for wrong in ({}, {"env": "A", "file": "b"}):
        with pytest.raises(ValueError, match="give exactly one of env, file, credential"):
            Secret(**wrong)


def test_a_secret_from_the_environment_is_stripped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_TEST_TOKEN", " hunter2\n")
    assert Secret(env="EDGE_TEST_TOKEN").read() == "hunter2"


def test_the_hash_tells_configs_apart_and_not_the_order_of_keys() -> None:
    one = config(outputs={"a": plc(), "b": plc(coil=2)})
    same = config(outputs={"b": plc(coil=2), "a": plc()})
    assert one.sha256() == same.sha256()
    assert one.sha256() != config(outputs={"a": plc(), "b": plc(coil=3)}).sha256()


def test_the_data_folder_is_the_configs_else_systemds_else_the_usual_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    assert str(config().data_dir) == "/var/lib/edge-runtime"
    monkeypatch.setenv("STATE_DIRECTORY", "/state")
    assert str(config().data_dir) == "/state"
    assert str(config(device={"id": "d", "data_dir": "/data"}).data_dir) == "/data"


def test_the_schema_takes_a_sound_config_and_refuses_what_the_program_refuses() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    check = jsonschema.Draft202012Validator(schema)
    sound = {
        "device": {"id": "d"},
        "lanes": {"top": lane(outputs=["gate"], rules={"reject": {"dent": 0.5}})},
        "outputs": {"gate": plc()},
    }
    assert check.is_valid(sound)
    assert not check.is_valid(sound | {"devce": {}})
    assert not check.is_valid(sound | {"outputs": {"gate": plc(coil=70000)}})
    assert not check.is_valid(sound | {"lanes": {"top": lane(rules={"reject": {"dent": 2}})}})
    assert not check.is_valid({"lanes": {}})


def test_every_key_with_limits_is_described_or_named_by_its_unit() -> None:
    fields = {f.name: f for f in msgspec.structs.fields(ModbusOutput)}
    assert fields["pulse_ms"].default == 80
    assert fields["ack_timeout_ms"].default == 500
    assert fields["on"].default_factory() == ["reject", "no_read"]


def test_a_region_of_interest_is_for_cameras() -> None:
    roi = {"gate": {"roi": [0.1, 0.0, 0.9, 1.0]}}
    assert checked(lanes={"top": lane(**roi)}) == []
    assert checked(lanes={"top": lane(source="microphone:default", **roi)}) == [
        "lanes.top.gate.roi: has no effect on a microphone lane"
    ]


@pytest.mark.parametrize("roi", [[0.1, 0.0, 0.9], [0.5, 0.0, 0.5, 1.0], ["a", 0, 1, 1]])
def test_a_region_of_interest_that_is_none_is_refused(roi: list[Any]) -> None:
    with pytest.raises(msgspec.ValidationError, match="roi"):
        config(lanes={"top": lane(gate={"roi": roi})})
