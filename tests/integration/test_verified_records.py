"""The first use on a box, and every later one: probe, record, exact comparison."""

from __future__ import annotations

import json
import logging
import os
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_runtime.errors import ModelError
from edge_runtime.inference import load_model
from edge_runtime.inference.engines.opening import open_engine
from edge_runtime.inference.trust import loading
from edge_runtime.inference.trust.probing import Report
from edge_runtime.inference.trust.verified import (
    Record,
    make_record,
    path_of,
    read_record,
    write_record,
)
from tests.support.golden import WEIGHTS, golden_bundle, plain_bundle, put_model
from tests.support.tiny_onnx import dense_onnx

if TYPE_CHECKING:
    from pathlib import Path

ENVIRONMENT = {"runtime": "onnxruntime 1.32.0", "processor": "x"}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return golden_bundle(tmp_path / "bundle")


@pytest.fixture
def verified(tmp_path: Path) -> Path:
    return tmp_path / "data" / "verified"


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every probe that is made, real ones."""
    from edge_runtime.inference.trust import probing

    made: list[Path] = []
    real = probing.probe

    def counted(folder: Path, **given: object) -> Report:
        made.append(folder)
        return real(folder, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(probing, "probe", counted)
    return made


def only_record(verified: Path) -> Path:
    (record,) = verified.iterdir()
    return record


def test_the_first_use_is_probed_and_recorded_and_later_ones_are_not_probed(
    bundle: Path, verified: Path, probes: list[Path]
) -> None:
    load_model(bundle, verified=verified).close()
    assert probes == [bundle]
    record = only_record(verified)
    told = json.loads(record.read_text())["record"]
    assert told["exact"]
    assert sorted(told["samples"]) == ["01", "noise-1", "noise-2", "noise-3"]
    assert [len(digests) for _, digests in sorted(told["samples"].items())] == [2, 1, 1, 1]
    assert record.stat().st_mode & 0o777 == 0o600
    before = record.read_bytes()
    load_model(bundle, verified=verified).close()
    assert probes == [bundle]
    assert record.read_bytes() == before


def test_a_bundle_without_golden_samples_is_recorded_with_noise_of_ours(
    tmp_path: Path, verified: Path, probes: list[Path]
) -> None:
    folder = plain_bundle(tmp_path / "plain")
    load_model(folder, verified=verified).close()
    load_model(folder, verified=verified).close()
    assert probes == [folder]
    told = json.loads(only_record(verified).read_text())["record"]
    assert set(told["samples"]) == {f"noise-{seed}" for seed in range(1, 9)}


def test_answers_that_are_off_by_one_bit_are_refused_naming_sample_and_output(
    bundle: Path, verified: Path
) -> None:
    load_model(bundle, verified=verified).close()
    record = only_record(verified)
    file = json.loads(record.read_text())
    # As if another bit had come out then: what is compared is what is stored.
    made = Record(**file["record"])
    made.samples["noise-2"][0] = "0" * 64
    write_record(record, made)
    with pytest.raises(ModelError) as raised:
        load_model(bundle, verified=verified)
    told = str(raised.value)
    assert told.startswith(f"{bundle}/model.onnx: golden sample 'noise-2', output 'y' is not what")
    assert str(record) in told
    assert "models verify" in told


def test_a_change_within_the_tolerance_is_still_refused_on_a_box_that_knows_better(
    bundle: Path, verified: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory that went bad after the hash: the sound bundle, but other weights are loaded."""
    load_model(bundle, verified=verified).close()
    nearly = dense_onnx(np.nextafter(WEIGHTS, np.float32(9)), [1, 3, 4, 4])
    monkeypatch.setattr(loading, "open_engine", lambda _, *a, **k: open_engine(nearly, *a, **k))
    load_model(bundle).close()  # the tolerance alone lets it pass
    with pytest.raises(ModelError, match="is not what it was when the model was verified"):
        load_model(bundle, verified=verified)


def test_a_model_that_disagrees_is_refused_by_the_probe_and_not_recorded(
    bundle: Path, verified: Path
) -> None:
    put_model(bundle, dense_onnx(WEIGHTS + np.float32(0.01), [1, 3, 4, 4]))
    with pytest.raises(ModelError, match="does not answer as it did where it was made"):
        load_model(bundle, verified=verified)
    assert not verified.exists()


def test_a_model_that_is_too_slow_is_refused_with_both_numbers(
    tmp_path: Path, verified: Path
) -> None:
    folder = golden_bundle(tmp_path / "slow", latency={"budget_ms": 0.0001})
    with pytest.raises(ModelError, match=r"ms at best on this box; .*budget_ms is 0\.0001"):
        load_model(folder, verified=verified)


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"\xff" * 100),
        lambda path: path.write_bytes(path.read_bytes()[:-30]),
        lambda path: path.write_text(path.read_text().replace('"exact":true', '"exact":false')),
        lambda path: path.chmod(0o666),
        lambda path: path.rename(path.with_suffix(".bak")) and path.symlink_to("x.bak"),
        _pipe,
        lambda path: path.write_bytes(b" " * (2 << 20)),
    ],
    ids=["empty", "noise", "cut", "forged", "writable", "symlink", "pipe", "huge"],
)
def test_a_damaged_or_forged_record_is_ignored_with_a_warning_and_made_anew(
    bundle: Path,
    verified: Path,
    probes: list[Path],
    caplog: pytest.LogCaptureFixture,
    damage: object,
) -> None:
    load_model(bundle, verified=verified).close()
    record = only_record(verified)
    before = json.loads(record.read_text())["record"]["samples"]
    damage(record)  # type: ignore[operator]
    with caplog.at_level(logging.WARNING):
        load_model(bundle, verified=verified).close()
    assert len(probes) == 2
    assert f"verified record {record} is ignored and made anew" in caplog.text
    assert json.loads(record.read_text())["record"]["samples"] == before
    assert not record.is_symlink()


def test_a_record_of_another_bundle_or_box_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    write_record(path, make_record("a" * 64, ENVIRONMENT, [], exact=True))
    assert read_record(path, "a" * 64, ENVIRONMENT) is not None
    assert read_record(path, "b" * 64, ENVIRONMENT) is None
    assert read_record(path, "a" * 64, {**ENVIRONMENT, "processor": "y"}) is None


def test_every_runtime_version_and_processor_has_a_record_of_its_own(tmp_path: Path) -> None:
    others = [{**ENVIRONMENT, "runtime": "onnxruntime 1.33.0"}, {**ENVIRONMENT, "processor": "y"}]
    paths = {path_of(tmp_path, "a" * 64, each) for each in (ENVIRONMENT, *others)}
    paths.add(path_of(tmp_path, "b" * 64, ENVIRONMENT))
    assert len(paths) == 4
    assert all(path.name.startswith(("a" * 16 + "-onnx", "b" * 16 + "-onnx")) for path in paths)


def test_a_model_that_does_not_repeat_itself_is_held_to_the_tolerance_only(
    bundle: Path, verified: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(loading, "_probe", lambda *_: {"01": ["other", "bits"]})
    load_model(bundle, verified=verified).close()
    assert "does not answer twice the same" in caplog.text
    assert not json.loads(only_record(verified).read_text())["record"]["exact"]
    load_model(bundle, verified=verified).close()


def test_where_no_record_can_be_written_the_model_is_used_and_the_log_says_so(
    bundle: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    load_model(bundle, verified=tmp_path / "file" / "verified").close()
    assert "cannot be written" in caplog.text


def test_the_engine_that_was_checked_serves_with_its_memory_empty(
    bundle: Path, verified: Path
) -> None:
    pixels = np.random.default_rng(3).integers(0, 255, (20, 20, 3)).astype(np.uint8)
    expected = load_model(bundle).picture_runner().frame(pixels).scores
    assert load_model(bundle, verified=verified).picture_runner().frame(pixels).scores == expected
