"""A chain of real models: the shipped surface-defect finds, a tiny classifier judges each place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_runtime.errors import ModelError
from edge_runtime.inference import load_model
from edge_runtime.inference.pictures.chain import chain_of, expected_ms
from edge_runtime.inference.pictures.region_of_interest import of_region
from edge_runtime.manifest import find_bundle
from edge_runtime.sample_station.belt import draw_part
from tests.support.models import loudness_bundle, write_bundle
from tests.support.tiny_onnx import dense_onnx

if TYPE_CHECKING:
    from pathlib import Path

    from edge_runtime.inference.runner import LoadedModel

SIDE = 8


@pytest.fixture(scope="module")
def surface() -> LoadedModel:
    return load_model(find_bundle("surface-defect", None))


@pytest.fixture
def brightness(tmp_path: Path) -> LoadedModel:
    """ "bright": the mean of all pixels, 0..1; "dark": the rest is not told."""
    weights = np.zeros((3 * SIDE * SIDE, 2), np.float32)
    weights[:, 0] = 1 / (3 * SIDE * SIDE)
    table = {
        "name": "brightness",
        "task": "image-classification",
        "labels": ["bright", "dark"],
        "image": {"width": SIDE, "height": SIDE, "layout": "NCHW"},
    }
    model = dense_onnx(weights, [1, 3, SIDE, SIDE])
    return load_model(write_bundle(tmp_path / "b", model, table, file="m.onnx"))


def test_the_places_that_the_shipped_model_finds_are_judged_by_the_next_one(
    surface: LoadedModel, brightness: LoadedModel
) -> None:
    drawn = draw_part(np.random.default_rng(3), 1, scratched=True)
    height, width = drawn.pixels.shape[:2]
    alone = surface.picture_runner().frame(drawn.pixels)
    found = chain_of([surface, brightness]).frame(drawn.pixels)
    assert found.steps == ("surface-defect/0.2.0", "brightness/1.0.0")
    assert found.model_sha256 == brightness.sha256
    places = {(r.x0, r.y0, r.x1, r.y1) for r in alone.regions}
    assert {(r.x0, r.y0, r.x1, r.y1) for r in found.regions} == places
    judging = brightness.picture_runner()
    for region in found.regions:
        assert 0 <= region.x0 < region.x1 <= width
        assert 0 <= region.y0 < region.y1 <= height
        assert region.label == "bright"
    assert found.scores[0].score == max(region.score for region in found.regions)
    assert found.scores[0].score != judging.frame(drawn.pixels).scores[0].score


def test_a_chain_within_a_region_of_interest_has_boxes_of_the_whole_picture(
    surface: LoadedModel, brightness: LoadedModel
) -> None:
    drawn = draw_part(np.random.default_rng(3), 1, scratched=True)
    roi = (160, 80, 800, 460)
    inside = surface.picture_runner().frame(drawn.pixels[80:460, 160:800].copy())
    found = of_region(chain_of([surface, brightness]), roi).frame(drawn.pixels)
    assert {(r.x0, r.y0, r.x1, r.y1) for r in found.regions} == {
        (r.x0 + 160, r.y0 + 80, r.x1 + 160, r.y1 + 80) for r in inside.regions
    }


def test_a_chain_that_cannot_be_is_refused_when_it_is_made(
    surface: LoadedModel, brightness: LoadedModel, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=r"brightness/1\.0\.0: finds no regions"):
        chain_of([brightness, surface])
    with pytest.raises(ModelError, match="is a model of sounds; this lane sees"):
        chain_of([surface, load_model(loudness_bundle(tmp_path / "loud"))])


def test_a_chain_may_take_as_long_as_its_steps_on_all_crops(
    surface: LoadedModel, brightness: LoadedModel
) -> None:
    assert brightness.expected_ms() > 0
    most = surface.expected_ms() + 16 * brightness.expected_ms()
    assert expected_ms([surface, brightness]) == pytest.approx(most)
