"""``models verify``, ``bench`` and ``export-golden`` on the command line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from edge_runtime.errors import ExitCode
from edge_runtime.inference.engines.runtimes import is_installed
from tests.support.command_line import run
from tests.support.golden import WEIGHTS, golden_bundle, picture, plain_bundle, put_model
from tests.support.tiny_onnx import (
    dense_onnx,
    onnx_model,
    onnx_node,
    onnx_tensor,
    onnx_value,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "models" / "fixture" / "1.0.0"
    folder.parent.mkdir(parents=True)
    golden_bundle(folder)
    return tmp_path / "models"


def test_verify_tells_every_runtime_that_reads_the_model(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = run(capsys, "models", "verify", "fixture", "--models-dir", home, "--json")
    assert ended.code == 0, ended.out
    expected = ["onnxruntime"] + ["openvino"] * is_installed("openvino")
    assert [row["runtime"] for row in ended.json] == expected
    for row in ended.json:
        assert row["model"] == "fixture/1.0.0"
        assert row["trouble"] == ""
        assert row["golden"]
        assert 0 < row["latency_p50_ms"] <= row["latency_p95_ms"]
        assert 0 < row["rss_before_bytes"] < row["rss_peak_bytes"]
        media = [each for each in row["agreement"] if each["judged"]]
        assert media
        assert all(each["agrees"] for each in media)


def test_verify_ends_with_1_and_says_where_a_model_disagrees(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put_model(home / "fixture" / "1.0.0", dense_onnx(WEIGHTS * 2, [1, 3, 4, 4]))
    arguments = ("models", "verify", "fixture", "--models-dir", home, "--runtime", "onnxruntime")
    ended = run(capsys, *arguments)
    assert ended.code == ExitCode.FAILED
    assert "does not answer as it did where it was made: golden sample '01'" in ended.out
    assert "disagrees" in ended.out


def test_verify_says_when_there_is_nothing_to_compare_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = plain_bundle(tmp_path / "plain")
    ended = run(capsys, "models", "verify", str(folder), "--runtime", "onnxruntime")
    assert ended.code == 0
    assert "no golden samples: nothing to compare with" in ended.out


def test_verify_wants_one_model_or_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "models", "verify").code == ExitCode.USAGE
    assert run(capsys, "models", "verify", "keywords", "--all").code == ExitCode.USAGE


def test_a_runtime_that_reads_none_of_the_files_is_refused(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("models", "verify", "fixture", "--models-dir", home, "--runtime", "litert")
    ended = run(capsys, *arguments)
    assert ended.code == ExitCode.CONFIG
    assert "runtime litert reads .tflite; the bundle has model.onnx" in ended.err


def test_export_golden_records_and_tells_what_the_model_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = plain_bundle(tmp_path / "plain")
    sample = picture(tmp_path / "a.png")
    ended = run(capsys, "models", "export-golden", str(folder), sample, "--noise", "2")
    assert ended.code == 0, ended.err
    first, second, last = ended.out.splitlines()
    assert first.startswith("01  01.png  ")
    assert second == "2 noise samples"
    assert last.startswith(f"recorded in {folder}/golden with onnxruntime ")
    assert run(capsys, "infer", str(folder), sample).code == 0


def test_export_golden_leaves_shipped_models_alone(capsys: pytest.CaptureFixture[str]) -> None:
    ended = run(capsys, "models", "export-golden", "keywords")
    assert ended.code == ExitCode.USAGE
    assert "came with the program" in ended.err


def test_bench_runs_every_runtime_and_tells_ratios_to_the_first(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("models", "bench", "fixture", "--models-dir", home, "--rounds", "2", "--json")
    ended = run(capsys, *arguments)
    assert ended.code == 0, ended.out
    first, *others = ended.json
    assert first["runtime"] == "onnxruntime"
    assert first["ratio"] == first["cpu_ratio"] == 1.0
    assert len(others) == is_installed("openvino")
    for row in ended.json:
        assert row["trouble"] == ""
        assert row["inferences"] >= 2
        assert 0 < row["p50_ms"] <= row["p95_ms"]
        assert row["ratio"] > 0


def test_bench_asks_another_python_too_and_tells_why_a_model_cannot_be_loaded(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "fixture" / "1.0.0" / "model.onnx").write_bytes(b"changed")
    where = ("--models-dir", home, "--also", sys.executable)
    arguments = ("models", "bench", "fixture", *where, "--json")
    ended = run(capsys, *arguments)
    assert ended.code == ExitCode.FAILED
    assert len(ended.json) >= 2
    assert all("sha256 is" in row["trouble"] for row in ended.json)


def test_infer_with_a_data_folder_keeps_a_record_and_without_one_keeps_none(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sample = tmp_path / "sample.png"
    if not sample.exists():
        picture(sample)
    data = tmp_path / "data"
    plain = ("infer", "fixture", sample, "--models-dir", home, "--runtime", "onnxruntime")
    assert run(capsys, *plain).code == 0
    assert not data.exists()
    assert run(capsys, *plain, "--data", data).code == 0
    assert len(list((data / "verified").iterdir())) == 1


def _only_for_onnx_runtime(folder: Path) -> Path:
    """A bundle whose network has an operator that OpenVINO does not know; no golden samples."""
    nodes = [
        onnx_node("SampleOp", ["x"], ["same"], domain="com.microsoft"),
        onnx_node("Flatten", ["same"], ["flat"]),
        onnx_node("MatMul", ["flat", "w"], ["y"]),
    ]
    model = onnx_model(
        nodes,
        inputs=[onnx_value("x", "float32", [1, 3, 4, 4])],
        outputs=[onnx_value("y", "float32", [1, WEIGHTS.shape[1]])],
        tensors=[onnx_tensor("w", WEIGHTS)],
        domains=["com.microsoft"],
    )
    plain_bundle(folder)
    put_model(folder, model)
    return folder


@pytest.mark.skipif(not is_installed("openvino"), reason="OpenVINO is not installed")
def test_a_runtime_that_a_bundle_has_no_file_for_is_shown_and_is_no_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "models"
    monkeypatch.setenv("EDGE_RUNTIME_MODELS", str(home))
    _only_for_onnx_runtime(home / "fixture" / "1.0.0")
    ended = run(capsys, "models", "verify", "fixture", "--models-dir", home)
    assert ended.code == ExitCode.OK, ended.out
    words = " ".join(ended.out.split())
    assert "model.onnx by onnxruntime" in words
    assert 'used only where runtime = "openvino" asks for it' in words
    assert "model.onnx by openvino 20" in words  # its name, also when it refuses
    asked = run(
        capsys, "models", "verify", "fixture", "--models-dir", home, "--runtime", "openvino"
    )
    assert asked.code == ExitCode.FAILED


def test_of_all_bundles_one_that_cannot_be_tried_is_told_behind_the_others(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = home / "broken" / "1.0.0"
    broken.mkdir(parents=True)
    (broken / "model.toml").write_text("format = 1\n")
    monkeypatch.setattr("edge_runtime.manifest.places.shipped_models", lambda: home / "none")
    ended = run(capsys, "models", "verify", "--all", "--models-dir", home)
    assert ended.code == ExitCode.FAILED
    assert "fixture/1.0.0" in ended.out
    assert str(broken) in ended.err
