from __future__ import annotations

from typing import TYPE_CHECKING

import jsonschema
import pytest

from tests.support.command_line import run
from tests.support.models import loudness_bundle

if TYPE_CHECKING:
    from pathlib import Path

BASE = '[device]\nid = "d"\n[lanes.top]\nsource = "file:belt.mp4"\nmodel = "surface-defect"\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(BASE)
    return path


def test_a_sound_config_is_ok(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ended = run(capsys, "config", "check", path)
    assert (ended.code, ended.out, ended.err) == (0, f"{path}: ok: top\n", "")


def test_every_problem_is_a_line_on_stderr_and_the_exit_code_is_78(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path.write_text(BASE + "wrokers = 1\n[ledger]\ngroup_ms = -1\n")
    ended = run(capsys, "config", "check", path)
    assert ended.code == 78
    assert ended.out == ""
    lines = ended.err.splitlines()
    assert (
        lines[0] == f"edge-runtime: {path}: lanes.top.wrokers: unknown key; did you mean 'workers'?"
    )
    assert lines[1].startswith(f"edge-runtime: {path}: ledger.group_ms: found -1; give a whole")


def test_problems_as_json(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_text("")
    ended = run(capsys, "config", "check", path, "--json")
    assert ended.code == 78
    assert ended.json["ok"] is False
    assert len(ended.json["problems"]) == 2
    path.write_text(BASE)
    assert run(capsys, "config", "check", path, "--json").json == {
        "config": str(path),
        "ok": True,
        "problems": [],
        "advice": [],
    }


def test_models_and_rules_of_all_lanes_are_checked_together(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path.write_text(
        BASE + "rules = { reject = { scratch = 0.5 } }\n"
        '[lanes.ears]\nsource = "microphone:default"\nmodel = "nothing"\n'
    )
    ended = run(capsys, "config", "check", path)
    assert ended.code == 78
    first, second = ended.err.splitlines()
    assert "lanes.top.rules for model surface-defect/" in first
    assert "reject.scratch: the model has no such label; allowed: defect, ok" in first
    assert "lanes.ears.model: model 'nothing' is not in" in second


def test_a_model_of_the_wrong_kind_is_refused_before_it_makes_every_frame_a_bad_item(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path.write_text(BASE.replace("surface-defect", "keywords"))
    ended = run(capsys, "config", "check", path)
    assert ended.code == 78
    (line,) = ended.err.splitlines()
    assert line.endswith("model 'keywords' takes sound; the lane is a camera and has pictures")


def test_a_gates_speech_model_is_looked_up_and_must_be_one(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ears = '[lanes.ears]\nsource = "microphone:default"\nmodel = "keywords"\n'
    models = f'models_dir = "{path.parent / "models"}"\n'
    base = BASE.replace("[lanes", f"{models}[lanes")
    known = "it is webrtc, energy or a bundle of task speech-detection"

    def told(vad: str) -> str:
        path.write_text(f'{base}{ears}gate = {{ vad = "{vad}" }}\n')
        return run(capsys, "config", "check", path).err

    assert f"lanes.ears.gate.vad: found 'energi'; {known} (speech-gate); model" in told("energi")
    loudness_bundle(path.parent / "models" / "loudness" / "1.0.0")
    assert f"lanes.ears.gate.vad: found 'energi'; {known} (loudness, speech-gate); model" in told(
        "energi"
    )
    assert "gate.vad: found 'keywords', a bundle of task audio-classification; it" in told(
        "keywords"
    )
    for vad in (
        "webrtc",
        "energy",
        "speech-gate",
        "loudness",
        "loudness/1.0.0",
        "./models/loudness/1.0.0",
    ):
        assert told(vad) == ""
    assert "lanes.ears.gate.vad: " in told("two words")


def test_show_prints_defaults_filled_in_and_no_secret(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_TEST_TOKEN", "hunter2")
    path.write_text(BASE + '[sync]\nurl = "https://c/v1"\ntoken = { env = "EDGE_TEST_TOKEN" }\n')
    ended = run(capsys, "config", "show", path)
    assert ended.code == 0
    assert ended.json["lanes"]["top"]["source"] == f"file:{path.parent}/belt.mp4"
    assert ended.json["ledger"]["group_rows"] == 64
    assert ended.json["sync"]["token"]["env"] == "EDGE_TEST_TOKEN"
    assert "hunter2" not in ended.out


def test_what_show_prints_satisfies_the_schema(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    schema = run(capsys, "config", "schema").json
    jsonschema.validate(run(capsys, "config", "show", path).json, schema)


def test_a_config_that_is_not_there_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = run(capsys, "config", "check", tmp_path / "none.toml")
    assert ended.code == 78
    assert ended.err == (
        f"edge-runtime: {tmp_path}/none.toml: cannot be read: No such file or directory\n"
    )
