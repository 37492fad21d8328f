"""How long one item may take: what a lane allows a model before it is taken for a hang."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import pytest

from edge_runtime.errors import ItemError
from edge_runtime.inference import load_model
from edge_runtime.manifest import find_bundle
from tests.support.models import loudness_bundle, write_bundle
from tests.support.tiny_onnx import dense_onnx

if TYPE_CHECKING:
    from pathlib import Path

SIDE = 8


def _tiny(folder: Path, **more: Any) -> Path:
    table = {
        "task": "image-classification",
        "labels": ["bright", "dark"],
        "image": {"width": SIDE, "height": SIDE, "layout": "NCHW"},
        **more,
    }
    weights = np.full((3 * SIDE * SIDE, 2), 1e-3, np.float32)
    return write_bundle(folder, dense_onnx(weights, [1, 3, SIDE, SIDE]), table, file="m.onnx")


def test_the_manifests_budget_is_what_counts(tmp_path: Path) -> None:
    model = load_model(_tiny(tmp_path / "m", latency={"budget_ms": 1234.0}))
    assert model.expected_ms() == 1234.0
    assert load_model(find_bundle("keywords", None)).expected_ms() == 20.0


def test_without_a_budget_a_sample_is_timed_when_the_model_is_loaded(tmp_path: Path) -> None:
    for folder in (_tiny(tmp_path / "m"), loudness_bundle(tmp_path / "loud")):
        model = load_model(folder)
        assert 0 < model.measured_ms < 10_000
        assert model.expected_ms() == model.measured_ms


def test_numbers_are_timed_too(tmp_path: Path) -> None:
    table = {"task": "numbers", "labels": ["a"], "numbers": {"columns": 3}}
    weights = np.ones((3, 1), np.float32)
    folder = write_bundle(tmp_path / "n", dense_onnx(weights, [1, 3]), table, file="m.onnx")
    assert load_model(folder).expected_ms() > 0


def test_timing_leaves_the_model_as_it_was(tmp_path: Path) -> None:
    model = load_model(_tiny(tmp_path / "m"))
    pixels = np.full((20, 20, 3), 200, np.uint8)
    before = model.picture_runner().frame(pixels)
    model.measure()
    assert model.picture_runner().frame(pixels).scores == before.scores


@pytest.mark.parametrize("error", [TypeError("wrong"), SystemError("odd"), MemoryError()])
def test_an_interpreter_that_raises_anything_gives_a_bad_item(
    tmp_path: Path, error: Exception
) -> None:
    model = load_model(find_bundle("keywords", None))
    engine: Any = model._engine
    runner = model.sound_runner()

    class Raising:
        def __getattr__(self, name: str) -> Any:
            def fail(*args: object, **kwargs: object) -> NoReturn:
                raise error

            return fail

    engine._interpreter = Raising()
    engine._has_resources = False
    with pytest.raises(ItemError, match="inference failed"):
        engine.infer([np.zeros(tensor.shape, tensor.dtype) for tensor in engine.inputs])
    with pytest.raises(ItemError):
        runner.segment(np.zeros(16_000, np.int16), 16_000)
