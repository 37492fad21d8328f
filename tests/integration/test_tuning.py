"""The shipped model taught on pictures of a user: files taken apart, a bundle made."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from edge_runtime.errors import ModelError
from edge_runtime.files.image import read_image
from edge_runtime.inference import load_model
from edge_runtime.inference.engines.onnx import OnnxEngine
from edge_runtime.manifest import find_bundle, load_manifest
from edge_runtime.tuning import tune
from edge_runtime.tuning.head import find_head, line_of, write_line
from edge_runtime.tuning.onnx_edit import OnnxFile
from tests.support.tiny_onnx import broken_varint, cells_onnx

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

BASE = find_bundle("surface-defect", None)
MODEL = (BASE / "model.onnx").read_bytes()
PIXELS = np.random.default_rng(0).integers(0, 256, (1, 64, 96, 1), np.uint8)


def answer(model: bytes) -> list[NDArray[np.float32]]:
    return [made.astype(np.float32) for made in OnnxEngine(model, "model").infer([PIXELS])]


def test_a_file_taken_apart_and_put_together_answers_the_same() -> None:
    again = OnnxFile(MODEL, "model").as_bytes()
    assert np.array_equal(answer(again)[0], answer(MODEL)[0])


def test_an_inner_tensor_becomes_an_output_and_the_head_is_a_line_over_it() -> None:
    file = OnnxFile(MODEL, "model")
    head = find_head(file, "model")
    file.add_output(head.features, head.dtype)
    cells, features = answer(file.as_bytes())
    assert np.array_equal(cells, answer(MODEL)[0])
    line = line_of(head, 1)
    found = line.scores(np.moveaxis(features[0], 0, -1).reshape(-1, features.shape[1]))
    step = 0.125  # the output is rounded to eighths
    assert np.abs(found - cells[0, :, :, 1].ravel()).max() <= step / 2 + 1e-3


def test_a_line_written_back_is_the_models_answer() -> None:
    file = OnnxFile(MODEL, "model")
    head = find_head(file, "model")
    old = line_of(head, 1)
    write_line(file, head, 1, old)
    assert np.abs(answer(file.as_bytes())[0] - answer(MODEL)[0]).max() <= 0.125


def test_files_that_cannot_be_taught_are_refused_with_a_reason() -> None:
    with pytest.raises(ModelError, match="not an ONNX model, or a damaged one"):
        OnnxFile(broken_varint(), "broken")
    with pytest.raises(ModelError, match="cannot be taught: its last layer"):
        find_head(OnnxFile(cells_onnx(8, "NHWC"), "other"), "other")
    with pytest.raises(ModelError, match="there is no stored tensor 'nothing'"):
        OnnxFile(MODEL, "model").constant("nothing")


def folder_of(root: Path, name: str, count: int, *, is_bad: bool) -> list[Path]:
    """Pictures of a grained surface; a bad one has a bright cross, a good one a bright disc."""
    rng = np.random.default_rng(len(name))
    folder = root / name
    folder.mkdir()
    for index in range(count):
        pixels = rng.normal(90, 6, (160, 192)).clip(0, 255).astype(np.uint8)
        x, y = (int(v) for v in rng.integers(40, 120, 2))
        if is_bad:
            cv2.line(pixels, (x - 12, y - 12), (x + 12, y + 12), 190, 2)
            cv2.line(pixels, (x - 12, y + 12), (x + 12, y - 12), 190, 2)
        else:
            cv2.circle(pixels, (x, y), 9, 190, -1)
        cv2.imwrite(str(folder / f"{index:02}.png"), pixels)
    return sorted(folder.iterdir())


def test_a_bundle_of_the_users_own_is_made_and_judges_held_out_pictures(tmp_path: Path) -> None:
    ok = folder_of(tmp_path, "ok", 15, is_bad=False)
    ng = folder_of(tmp_path, "bad", 15, is_bad=True)
    told: list[str] = []
    report = tune(BASE, ok, ng, tmp_path / "mine", name="my-part", progress=told.append)
    assert report.auc_after >= report.auc_before
    assert report.auc_after == 1.0
    assert (report.ok_held_out, report.ng_held_out) == (5, 5)
    assert told[0].startswith("looking at picture 1 of 30")
    manifest = load_manifest(tmp_path / "mine")
    assert manifest.id == "my-part/1.0.0"
    assert manifest.reject["defect"] >= manifest.review["defect"]
    assert "surface-defect" in (tmp_path / "mine" / "MODEL_CARD.md").read_text()
    assert (
        tomllib.loads((tmp_path / "mine" / "model.toml").read_text())["metrics"]["image_auc"] == 1.0
    )
    runner = load_model(tmp_path / "mine").picture_runner()
    for path, is_bad in ((ng[2], True), (ok[2], False)):
        scores = {s.label: s.score for s in runner.frame(read_image(path)).scores}
        assert (scores["defect"] >= manifest.reject["defect"]) == is_bad


def test_too_few_pictures_and_a_bundle_that_is_there_are_refused(tmp_path: Path) -> None:
    ok = folder_of(tmp_path, "ok", 6, is_bad=False)
    with pytest.raises(ModelError, match="1 bad pictures are too few: give at least 6"):
        tune(BASE, ok, ok[:1], tmp_path / "mine", name="my-part")
    (tmp_path / "mine").mkdir()
    with pytest.raises(FileExistsError, match="is there already"):
        tune(BASE, ok, ok, tmp_path / "mine", name="my-part")
