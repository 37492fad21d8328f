from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from edge_runtime.checks.packages import LIBRARIES
from tests.support.command_line import run

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

CONFIG = '[device]\nid = "d"\ndata_dir = "data"\n[lanes.top]\nsource = "file:belt.mp4"\nmodel = "surface-defect"\n'


def test_doctor_prints_a_line_a_check_and_fails_when_one_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "config.toml"
    path.write_text(CONFIG)
    ended = run(capsys, "doctor", "--config", path)
    assert ended.code == 1
    assert "fail  lane top source" in ended.out
    assert "belt.mp4: is not there" in ended.out
    assert "ok    onnxruntime" in ended.out
    assert ended.out.splitlines()[-1].endswith("skip")


def test_doctor_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "belt.mp4").touch()
    path = tmp_path / "config.toml"
    path.write_text(CONFIG)
    ended = run(capsys, "doctor", "--config", path, "--json")
    assert ended.code == 0, ended.out
    assert all(set(each) == {"name", "status", "detail", "hint", "code"} for each in ended.json)
    assert {each["status"] for each in ended.json} <= {"ok", "warn", "skip"}
    names = [each["name"] for each in ended.json]
    assert len(set(names)) == len(names)


def test_a_broken_config_does_not_stop_doctor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[lanes")
    ended = run(capsys, "doctor", "--config", path)
    assert ended.code == 1
    assert "fail  config" in ended.out
    assert "fsync" in ended.out


def test_devices_lists_what_there_is_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    ended = run(capsys, "devices", "--json")
    assert ended.code == 0
    assert set(ended.json) == {"cameras", "microphones", "microphones_note"}
    for camera in ended.json["cameras"]:
        assert camera["source"].startswith("v4l2:")


def test_devices_always_says_something(capsys: pytest.CaptureFixture[str]) -> None:
    ended = run(capsys, "devices")
    assert ended.code == 0
    assert "camera" in ended.out
    assert "microphone" in ended.out


def test_doctor_itself_needs_none_of_the_libraries_that_it_checks(tmp_path: Path) -> None:
    heavy = [*(library.module.partition(".")[0] for library in LIBRARIES), "rich"]
    path = tmp_path / "config.toml"
    path.write_text(CONFIG)
    code = (
        "import sys\n"
        f"for name in {heavy!r}: sys.modules[name] = None\n"
        "from edge_runtime.cli import main\n"
        f"main(['doctor', '--config', {str(path)!r}])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.stderr == ""
    assert "ok    numpy" in done.stdout
    assert "ok    lane top rules" in done.stdout
    assert "this is a defect" not in done.stdout
