"""doctor's checks on this machine, and on broken things made for them."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest

from edge_runtime import codes
from edge_runtime.checks import CheckResult, Status, box, disk, run_checks, station
from edge_runtime.checks.probe import import_errors, run_program, run_python
from edge_runtime.checks.running import Daemon
from edge_runtime.config import load_config
from tests.support.h264 import encoded
from tests.support.odd_camera import answer, noisy, says
from tests.support.raw_server import RawServer
from tests.support.rtsp_camera import Behaviour, RtspCamera

NO_DAEMON = Daemon(holds=False, result=CheckResult("daemon", Status.SKIP, ""))


@pytest.fixture
def config_path(tmp_path: Path) -> Path:
    (tmp_path / "belt.mp4").touch()
    path = tmp_path / "config.toml"
    path.write_text(
        '[device]\nid = "d"\ndata_dir = "data"\n'
        '[lanes.top]\nsource = "file:belt.mp4"\nmodel = "surface-defect"\n'
    )
    return path


def by_name(path: Path | None) -> dict[str, CheckResult]:
    return {result.name: result for result in run_checks(path)}


def test_a_library_that_crashes_on_import_is_found_and_the_others_are_still_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "er_crash.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    (tmp_path / "er_raise.py").write_text("raise OSError('libGL.so.1: cannot open')")
    (tmp_path / "er_exit.py").write_text("raise SystemExit(3)")
    (tmp_path / "er_chatty.py").write_text("print('{\"hello\": 1}')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    names = ["er_chatty", "er_crash", "er_raise", "er_exit", "json", "er_none"]
    assert import_errors(names) == {
        "er_chatty": "",
        "er_crash": "crashed (SIGSEGV)",
        "er_raise": "libGL.so.1: cannot open",
        "er_exit": "3",
        "json": "",
        "er_none": "No module named 'er_none'",
    }


def test_a_library_that_hangs_on_import_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "er_hang.py").write_text("import signal; signal.pause()")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    errors = import_errors(["er_hang", "json"], timeout_s=3.0)
    assert errors == {"er_hang": "did not end within 3 s", "json": ""}


def test_python_in_a_process_of_its_own_tells_how_it_ended() -> None:
    assert run_python("print('hi')") == ("", "hi\n")
    assert run_python("raise ValueError('no')")[0] == "ValueError: no"
    assert run_python("import sys; sys.exit(3)")[0] == "exit code 3"


def test_a_program_that_is_not_there_says_nothing() -> None:
    assert run_program("edge-runtime-no-such-program") == ""
    assert run_program("echo", "yes") == "yes"


def test_this_machine_passes_its_own_checks() -> None:
    assert box.python().status is Status.OK
    assert box.machine().status is Status.OK
    assert box.sqlite().status in (Status.OK, Status.WARN)
    assert box.clock().status in (Status.OK, Status.WARN)
    assert box.is_synchronised() in (True, False, None)


def test_a_whole_run_tells_every_package_and_the_config(config_path: Path) -> None:
    found = by_name(config_path)
    for package in ("numpy", "onnxruntime", "webrtcvad-wheels", "sounddevice", "soxr"):
        assert found[package].status is Status.OK, found[package]
    assert found["config"].status is Status.OK
    assert found["lane top source"].status is Status.OK
    assert found["lane top rules"].status is Status.OK
    assert found["model surface-defect"].status is Status.OK, found["model surface-defect"]
    assert found["disk"].status is Status.OK
    assert found["daemon"].status is Status.SKIP
    assert found["sync"].status is Status.SKIP


def test_without_a_config_the_box_is_still_checked() -> None:
    found = by_name(None)
    assert found["config"].status is Status.SKIP
    assert "python" in found
    assert not any(name.startswith(("lane", "model")) for name in found)


def test_a_broken_config_is_told_with_every_problem(config_path: Path) -> None:
    config_path.write_text(config_path.read_text() + "workres = 1\n[ledgr]\n")
    found = by_name(config_path)
    assert found["config"].status is Status.FAIL
    assert "lanes.top.workres" in found["config"].detail
    assert "ledgr" in found["config"].detail
    assert found["disk"].status is Status.OK


def test_a_model_that_is_not_there_and_rules_that_do_not_fit_are_told(config_path: Path) -> None:
    config_path.write_text(
        config_path.read_text()
        + 'rules = { reject = { dnt = 0.5 } }\n[lanes.b]\nsource = "folder:nowhere"\nmodel = "none"\n'
    )
    config = load_config(config_path)
    (_, rules) = station.lane("top", config.lanes["top"], config, NO_DAEMON)
    assert rules.status is Status.FAIL
    assert "reject.dnt: the model has no such label" in rules.detail
    (source,) = station.lane("b", config.lanes["b"], config, NO_DAEMON)
    assert (source.status, source.detail.endswith("nowhere: is not there")) == (Status.FAIL, True)
    (missing, _) = station.models(config)
    assert missing.status is Status.FAIL
    assert missing.detail.startswith("model 'none' is not in")


def test_a_camera_over_http_is_asked_and_its_answer_is_told(config_path: Path) -> None:
    jpeg = noisy(60)
    seen = answer("200 OK", f"Content-Length: {len(jpeg)}", body=jpeg)
    refused = answer("403 Forbidden", "Content-Length: 0")
    for whole, told in ((seen, ""), (refused, "the camera answered 403 (Forbidden)")):
        with RawServer(says(whole)) as camera:
            source = camera.url.replace("//", "//line3:geheim7@")
            config_path.write_text(
                f'[device]\nid = "d"\n[lanes.a]\nsource = "{source}"\nmodel = "surface-defect"\n'
            )
            config = load_config(config_path)
            found, *_ = station.lane("a", config.lanes["a"], config, NO_DAEMON)
        assert found.status is (Status.FAIL if told else Status.OK)
        assert told in found.detail
        assert "geheim7" not in found.detail


def test_a_collector_that_is_away_is_a_warning(config_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        away = closed.getsockname()[1]
        config_path.write_text(
            config_path.read_text()
            + f'[sync]\nurl = "http://127.0.0.1:{away}/v1"\ntoken = {{ file = "none" }}\n'
        )
        collector, token = station.sync(load_config(config_path), NO_DAEMON)
    assert (collector.status, collector.code) == (Status.WARN, codes.SYNC_OFFLINE)
    assert token.status is Status.WARN


def test_a_model_of_the_wrong_kind_fails_with_its_code(config_path: Path) -> None:
    config_path.write_text(config_path.read_text().replace("surface-defect", "keywords"))
    told = by_name(config_path)["models fit"]
    assert (told.status, told.code) == (Status.FAIL, codes.MODEL_REFUSED)
    assert "lanes.top.model: model 'keywords' takes sound" in told.detail


def test_a_host_with_a_port_fails_with_its_code(config_path: Path) -> None:
    config_path.write_text(
        config_path.read_text() + '[outputs.gate]\nkind = "modbus"\nhost = "plc:502"\ncoil = 1\n'
    )
    told = by_name(config_path)["config"]
    assert (told.status, told.code) == (Status.FAIL, codes.CONFIG_WRONG)
    assert "outputs.gate.host" in told.detail


def test_every_view_of_a_lane_is_looked_at(config_path: Path) -> None:
    config_path.write_text(
        '[device]\nid = "d"\ndata_dir = "data"\n[lanes.top]\nmodel = "surface-defect"\n'
        '[lanes.top.views.left]\nsource = "v4l2:/dev/null"\n'
        '[lanes.top.views.right]\nsource = "v4l2:/dev/edge-runtime-none"\n'
    )
    config = load_config(config_path)
    left, right, _ = station.lane("top", config.lanes["top"], config, NO_DAEMON)
    assert (left.name, left.status) == ("lane top view left source", Status.OK)
    assert (right.status, right.code) == (Status.FAIL, codes.SOURCE_AWAY)


def test_a_disk_without_room_fails_and_one_with_little_is_a_warning(tmp_path: Path) -> None:
    free_mib = shutil.disk_usage(tmp_path).free >> 20
    full = disk.space(tmp_path, ballast_mib=free_mib + 1024)
    assert (full.status, full.code) == (Status.FAIL, codes.LEDGER_FULL)


def test_a_data_folder_that_does_not_exist_yet_is_judged_by_where_it_would_be(
    config_path: Path,
) -> None:
    assert disk.data_folder(load_config(config_path)) == config_path.parent


def test_fsync_is_measured_and_the_file_system_named(tmp_path: Path) -> None:
    told = disk.fsync(tmp_path)
    assert told.status in (Status.OK, Status.WARN)
    assert told.detail.startswith("median ")
    assert "unknown" not in told.detail
    assert list(tmp_path.iterdir()) == []


def test_a_data_folder_that_cannot_be_written_is_told() -> None:
    told = disk.space(Path("/proc"))
    assert told.status is Status.FAIL
    assert told.detail.startswith("/proc: ")


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("", "it opens"),
        ("404 Not Found", "the camera answers 404 Not Found: there is no such stream"),
    ],
)
def test_an_rtsp_camera_is_asked_and_what_it_answers_is_told(
    status: str, told: str, config_path: Path
) -> None:
    does = Behaviour(status={"DESCRIBE": status} if status else {})
    with RtspCamera(encoded(20), does) as camera:
        url = camera.url.replace("//", "//line3:geheim7@")
        config_path.write_text(
            '[device]\nid = "d"\ndata_dir = "data"\n'
            f'[lanes.top]\nsource = "{url}"\nmodel = "surface-defect"\n'
        )
        config = load_config(config_path)
        source, _ = station.lane("top", config.lanes["top"], config, NO_DAEMON)
    assert source.status is (Status.FAIL if status else Status.OK)
    assert told in source.detail
    assert "geheim7" not in source.detail


def test_what_a_process_is_told_stands_in_no_argument() -> None:
    code = (
        "import sys; from pathlib import Path; told = sys.stdin.read();"
        "print(told in Path('/proc/self/cmdline').read_text(), told)"
    )
    assert run_python(code, told="rtsp://user:pw@camera/1") == (
        "",
        "False rtsp://user:pw@camera/1\n",
    )
