"""A model that kills, stops or swells its process is one clear line in ours."""

from __future__ import annotations

import signal
import tempfile
from typing import TYPE_CHECKING

import pytest

from edge_runtime.errors import ModelError
from edge_runtime.inference import load_model
from edge_runtime.inference.trust.probing import Request, probe, read_report, start
from tests.support.golden import CLASSIFIER, golden_bundle, huge_onnx
from tests.support.models import write_bundle

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return golden_bundle(tmp_path / "bundle", latency={"budget_ms": 5000.0})


def test_a_sound_bundle_is_reported_with_agreement_times_and_memory(bundle: Path) -> None:
    report = probe(bundle, runtime="onnxruntime", file="model.onnx")
    assert report.trouble == ""
    assert report.package.startswith("onnxruntime ")
    assert report.golden
    assert report.repeats
    assert [each.sample for each in report.agreement] == [
        *("01", "01", "noise-1", "noise-2", "noise-3")
    ]
    assert all(each.agrees and each.largest is not None for each in report.agreement)
    assert report.latency_of == "01"
    assert len(report.latency_ms) == len(report.cpu_ms) == 3
    assert 0 < report.rss_before_bytes < report.rss_loaded_bytes <= report.rss_peak_bytes


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL])
def test_a_child_that_really_dies_is_told_with_its_signal(bundle: Path, number: int) -> None:
    request = Request(
        folder=str(bundle), runtime="onnxruntime", file="model.onnx", digest="", passes=10**9,
        seconds=1e9,
    )  # fmt: skip
    with tempfile.TemporaryFile() as errors:
        child = start(request, errors)
        assert child.stdout is not None
        line = child.stdout.readline()
        while b"golden sample" not in line:
            line = child.stdout.readline()
        child.send_signal(number)
        rest, _ = child.communicate(timeout=60)
        report = read_report(line + rest, child.returncode)
        errors.seek(0)
        said = errors.read()
    name = signal.Signals(number).name
    assert report.trouble.startswith("the probe process, running golden sample '")
    assert report.trouble.endswith(f"', crashed ({name})")
    if number != signal.SIGKILL:
        assert b"Current thread" in said  # its stack is kept


def test_a_child_that_does_not_end_is_ended(bundle: Path) -> None:
    report = probe(bundle, runtime="onnxruntime", file="model.onnx", timeout_s=0.01)
    assert report.trouble == "the probe process did not end within 0.01 s"


def test_a_model_that_wants_gigabytes_is_refused_and_ours_stays_small(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "b", huge_onnx(1 << 31), CLASSIFIER, file="model.onnx")
    with pytest.raises(ModelError, match=r"model\.onnx: cannot be run: .*ConstantOfShape"):
        load_model(folder, verified=tmp_path / "verified")
    assert not (tmp_path / "verified").exists()


def test_a_bundle_that_was_changed_in_between_is_refused(bundle: Path) -> None:
    report = probe(bundle, runtime="onnxruntime", file="model.onnx", digest="0" * 64)
    assert "was changed while it was verified" in report.trouble


@pytest.mark.parametrize(
    ("told", "code", "trouble"),
    [
        (b"", -11, "the probe process crashed (SIGSEGV)"),
        (b'{"stage":"loading the model"}\n', -6, "the probe process, loading the model, crashed (SIGABRT)"),
        (b'{"stage":"x"}\nrubbish\n', 0, "the probe process told nothing that can be read"),
        (b"", 0, "the probe process ended with exit code 0 and no report"),
        (b"", -24, "the probe process crashed (SIGXCPU) after all the time that it may use"),
        (b"", -77, "the probe process crashed (signal 77)"),
        (b'{"trouble":"half', 1, "the probe process ended with exit code 1 and no report"),
    ],
)  # fmt: skip
def test_every_way_to_end_without_a_report_is_told(told: bytes, code: int, trouble: str) -> None:
    assert read_report(told, code).trouble == trouble
