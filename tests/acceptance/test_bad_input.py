"""What is wrong is named in one clear line with what, where and what to do, and a named exit code."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
from pathlib import Path

import pytest

from edge_runtime.errors import ExitCode
from edge_runtime.ledger.queries import LedgerReader
from tests.support.daemon import Daemon, count_of, lane_of, run
from tests.support.data import DATA, MODELS, PROJECT, needs_data

SHIPPED = PROJECT / "models" / "surface-defect" / "0.2.0"


def write(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text)
    return path


def station(folder: Path, lane: str) -> Path:
    return write(folder, f'[device]\nid = "tested"\ndata_dir = "./data"\n[lanes.top]\n{lane}\n')


def bundle(folder: Path) -> Path:
    """A copy of a shipped bundle, to be spoilt."""
    return Path(shutil.copytree(SHIPPED, folder / "bundle"))


def test_a_broken_config_is_refused_with_every_error_at_once(tmp_path: Path) -> None:
    config = write(
        tmp_path,
        '[device]\nid = "a b"\n[lanes.top]\nsorce = "file:x.mp4"\nmodel = "m"\ngate = { interval_s = -1 }\n',
    )
    done = run("run", config)
    assert done.returncode == ExitCode.CONFIG
    assert "did you mean 'source'?" in done.stderr
    assert "device.id" in done.stderr
    assert "lanes.top.gate.interval_s" in done.stderr
    assert all(line.startswith("edge-runtime: ") for line in done.stderr.splitlines())
    assert not (tmp_path / "data").exists()


def test_a_missing_model_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    done = run("run", station(tmp_path, 'source = "file:x.mp4"\nmodel = "surface-defekt"'))
    assert done.returncode == ExitCode.CONFIG
    assert "surface-defekt" in done.stderr
    assert "surface-defect" in done.stderr.replace("surface-defekt", "")


def test_a_model_of_another_hash_is_refused_before_it_is_loaded(tmp_path: Path, belt: Path) -> None:
    folder = bundle(tmp_path)
    model = bytearray((folder / "model.onnx").read_bytes())
    model[len(model) // 2] ^= 1
    (folder / "model.onnx").write_bytes(model)
    done = run("run", station(tmp_path, f'source = "file:{belt}"\nmodel = "./bundle"'))
    assert done.returncode == ExitCode.CONFIG
    assert "model.onnx" in done.stderr
    assert "sha256" in done.stderr


def test_a_manifest_with_another_shape_than_the_model_is_refused(
    tmp_path: Path, belt: Path
) -> None:
    folder = bundle(tmp_path)
    manifest = folder / "model.toml"
    manifest.write_text(manifest.read_text().replace('colour = "GRAY"', 'colour = "RGB"'))
    done = run("run", station(tmp_path, f'source = "file:{belt}"\nmodel = "./bundle"'))
    assert done.returncode == ExitCode.CONFIG
    assert "1, 720, 1280, 3" in done.stderr
    assert "1, ?, ?, 1" in done.stderr


@needs_data
def test_a_model_that_needs_a_custom_operator_is_refused_by_its_name(
    tmp_path: Path, voice: Path
) -> None:
    folder = Path(shutil.copytree(PROJECT / "models" / "keywords" / "0.2.0", tmp_path / "bundle"))
    model = (MODELS / "NEGATIVE_audio_preprocessor_int8.tflite").read_bytes()
    old = hashlib.sha256((folder / "model.tflite").read_bytes()).hexdigest()
    (folder / "model.tflite").write_bytes(model)
    manifest = folder / "model.toml"
    manifest.write_text(manifest.read_text().replace(old, hashlib.sha256(model).hexdigest()))
    done = run("run", station(tmp_path, f'source = "file:{voice}"\nmodel = "./bundle"'))
    assert done.returncode == ExitCode.CONFIG
    assert "SignalWindow" in done.stderr


def test_a_recording_that_is_not_there_ends_the_run(tmp_path: Path) -> None:
    lane = 'source = "file:nowhere.mp4"\nmodel = "surface-defect"'
    done = run("run", station(tmp_path, lane), "--until-done")
    assert done.returncode == ExitCode.NO_INPUT
    assert "nowhere.mp4" in done.stderr


def test_a_video_that_is_cut_off_gives_what_it_has_and_says_so(tmp_path: Path, belt: Path) -> None:
    short = tmp_path / "short.avi"
    short.write_bytes(belt.read_bytes()[: belt.stat().st_size // 2])
    done = run(
        "run",
        station(tmp_path, 'source = "file:short.avi"\nmodel = "surface-defect"'),
        "--until-done",
    )
    assert done.returncode == ExitCode.OK, done.stderr
    with LedgerReader(tmp_path / "data") as ledger:
        counts = ledger.counts()
    assert 5 <= counts.rows <= 15
    assert counts.tombstones == 1


def test_something_that_is_no_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "noise.mp4").write_bytes(os.urandom(100_000))
    done = run(
        "run",
        station(tmp_path, 'source = "file:noise.mp4"\nmodel = "surface-defect"'),
        "--until-done",
    )
    assert done.returncode == ExitCode.NO_INPUT
    assert "noise.mp4" in done.stderr


@needs_data
@pytest.mark.parametrize("name", ["null", "bad", "evil", "awful"])
def test_a_malformed_wav_does_no_harm(tmp_path: Path, name: str) -> None:
    path = DATA / "malformed_wav" / f"{name}.wav"
    done = run(
        "run", station(tmp_path, f'source = "file:{path}"\nmodel = "keywords"'), "--until-done"
    )
    assert done.returncode in (ExitCode.OK, ExitCode.NO_INPUT)
    if done.returncode == ExitCode.NO_INPUT:
        assert f"{name}.wav" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_camera_that_is_not_there_is_a_degraded_lane_and_not_an_end(tmp_path: Path) -> None:
    lanes = '[lanes.top]\nsource = "v4l2:/dev/video97"\nmodel = "surface-defect"\n'
    with Daemon(tmp_path, lanes) as daemon:
        daemon.wait_for(lambda p: count_of(p, "top") >= 1, "a no_read")
        picture = daemon.wait_for(
            lambda p: lane_of(p, "top")["state"] == "degraded", "a degraded lane"
        )
        top = lane_of(picture, "top")
        assert set(top["verdicts"]) == {"no_read"}
        assert "/dev/video97" in top["detail"]
        assert run("status", "--data", tmp_path / "data").returncode == ExitCode.FAILED
        assert daemon.stop() == 0


def test_a_data_folder_that_cannot_be_written_is_named(tmp_path: Path, belt: Path) -> None:
    config = write(
        tmp_path,
        f'[device]\nid = "t"\ndata_dir = "/proc/edge"\n[lanes.top]\nsource = "file:{belt}"\nmodel = "surface-defect"\n',
    )
    done = run("run", config)
    assert done.returncode == ExitCode.CANNOT_CREATE
    assert "/proc/edge" in done.stderr


def test_a_second_daemon_on_the_same_ledger_is_refused(tmp_path: Path, belt: Path) -> None:
    lane = f'[lanes.top]\nsource = "file:{belt}"\nmodel = "surface-defect"\ncapture = {{ realtime = true, fps = 2.0 }}\n'
    with Daemon(tmp_path, lane) as daemon:
        daemon.wait_for(lambda p: count_of(p, "top") >= 1, "a result")
        done = run("run", daemon.config)
        assert done.returncode == ExitCode.LOCKED
        assert str(daemon.process.pid) in done.stderr
        assert daemon.stop() == 0


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run(
            "collector", "--listen", f"127.0.0.1:{port}", "--data", tmp_path, "--insecure-no-token"
        )
        assert done.returncode == ExitCode.UNAVAILABLE
        assert str(port) in done.stderr
        plc = run("output", "simulate", "--listen", f"127.0.0.1:{port}")
        assert plc.returncode == ExitCode.UNAVAILABLE
        assert str(port) in plc.stderr


def test_a_wrong_command_line_is_refused() -> None:
    assert run("run", "--no-such-option").returncode == ExitCode.USAGE
    assert run("dance").returncode == ExitCode.USAGE
