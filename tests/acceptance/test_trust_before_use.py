"""A lane and its model's first and second day on a box."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from edge_runtime.codes import LANE_REFUSED
from edge_runtime.errors import ExitCode
from edge_runtime.manifest import find_bundle
from tests.support.daemon import run
from tests.support.golden import WEIGHTS, golden_bundle, picture, put_model
from tests.support.tiny_onnx import dense_onnx

KEYWORDS = find_bundle("keywords", None)


def station(folder: Path, *, source: str, extra: str = "") -> Path:
    config = folder / "config.toml"
    lane = f'[lanes.top]\nsource = "{source}"\nmodel = "./bundle"\n{extra}'
    config.write_text(
        f'[device]\nid = "tested"\ndata_dir = "./data"\n{lane}[ledger]\nballast_mib = 1\n'
    )
    return config


def camera(folder: Path, extra: str = "") -> Path:
    golden_bundle(folder / "bundle", reject={"bad": 0.5})
    (folder / "pictures").mkdir()
    picture(folder / "pictures" / "part.png", seed=2)
    return station(folder, source="folder:pictures", extra=extra)


def test_the_first_run_records_and_the_second_run_compares_with_it(tmp_path: Path) -> None:
    config = camera(tmp_path)
    done = run("run", config, "--until-done")
    assert done.returncode == 0, done.stderr
    (record,) = (tmp_path / "data" / "verified").iterdir()
    assert json.loads(record.read_text())["record"]["exact"]
    before = record.read_bytes()
    assert run("run", config, "--until-done").returncode == 0
    assert record.read_bytes() == before


def test_a_lane_whose_model_answers_otherwise_is_refused_in_one_line(tmp_path: Path) -> None:
    config = camera(tmp_path)
    put_model(tmp_path / "bundle", dense_onnx(-WEIGHTS, [1, 3, 4, 4]))
    done = run("run", config, "--until-done")
    assert done.returncode == ExitCode.CONFIG
    told = [line for line in done.stderr.splitlines() if "golden sample '01'" in line]
    assert len(told) == 1
    assert told[0].startswith("edge-runtime: lane 'top': ")
    assert "model.onnx: does not answer as it did where it was made" in told[0]
    assert not (tmp_path / "data" / "verified").exists()


def test_a_box_that_computes_otherwise_than_yesterday_is_refused_in_one_line(
    tmp_path: Path,
) -> None:
    config = camera(tmp_path)
    assert run("run", config, "--until-done").returncode == 0
    (path,) = (tmp_path / "data" / "verified").iterdir()
    file = json.loads(path.read_text())
    file["record"]["samples"]["noise-1"] = ["0" * 64]
    # The checksum is of the text with sorted keys and no blanks.
    canonical = json.dumps(file["record"], sort_keys=True, separators=(",", ":"))
    file["sha256"] = hashlib.sha256(canonical.encode()).hexdigest()
    path.write_text(json.dumps(file))
    done = run("run", config, "--until-done")
    assert done.returncode == ExitCode.CONFIG
    told = [line for line in done.stderr.splitlines() if "golden sample 'noise-1'" in line]
    assert len(told) == 1
    assert f"event code={LANE_REFUSED} lane=top" in told[0], "the lane's state: others would go on"
    assert "edge-runtime: a lane was refused: see its EDGE-... above" in done.stderr.splitlines()
    assert "is not what it was when the model was verified on this box" in told[0]


def test_a_lane_may_name_its_runtime_and_one_that_cannot_read_the_model_is_refused(
    tmp_path: Path,
) -> None:
    config = camera(tmp_path, extra='runtime = "onnxruntime"\n')
    assert run("run", config, "--until-done").returncode == 0
    config.write_text(config.read_text().replace('"onnxruntime"', '"litert"'))
    done = run("run", config, "--until-done")
    assert done.returncode == ExitCode.CONFIG
    assert "runtime litert reads .tflite; the bundle has model.onnx" in done.stderr
    config.write_text(config.read_text().replace('"litert"', '"tensorrt"'))
    assert "lanes.top.runtime" in run("run", config).stderr


def test_a_lane_takes_the_alternative_that_its_runtime_reads(tmp_path: Path) -> None:
    config = camera(tmp_path, extra='runtime = "onnxruntime"\n')
    # The bundle's own file is of another runtime; its alternative is the same network in ONNX.
    manifest = tmp_path / "bundle" / "model.toml"
    shutil.copy(KEYWORDS / "model.tflite", tmp_path / "bundle" / "model.tflite")
    digest = hashlib.sha256((KEYWORDS / "model.tflite").read_bytes()).hexdigest()
    text = manifest.read_text().replace(
        'file = "model.onnx"', 'file = "model.tflite"\nalternatives = ["model.onnx"]'
    )
    manifest.write_text(text.replace("[sha256]\n", f'[sha256]\n"model.tflite" = "{digest}"\n'))
    done = run("run", config, "--until-done")
    assert done.returncode == 0, done.stderr
