"""Models that take a whole picture and answer cell by cell."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edge_runtime.errors import ModelError
from edge_runtime.inference import load_model
from edge_runtime.types import Region
from tests.support.models import write_bundle
from tests.support.tiny_onnx import cells_onnx

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from edge_runtime.inference.runner import LoadedModel

CELL = 8
TILES = {"width": 16, "height": 16, "stride": 8, "cell": CELL, "positive": "bad"}


def cells_model(
    folder: Path, layout: str = "NHWC", *, model: bytes | None = None, **tiles: Any
) -> LoadedModel:
    table = {
        "task": "tile-classification",
        "labels": ["good", "bad"],
        "image": {
            "width": 32, "height": 24, "layout": layout, "colour": "GRAY", "interpolation": "area",
            "mean": [0.0], "scale": [1.0],
        },
        "tiles": {**TILES, **tiles},
        "reject": {"bad": 0.5},
    }  # fmt: skip
    model = model or cells_onnx(CELL, layout)
    return load_model(write_bundle(folder / "m", model, table, file="m.onnx"))


def rounded(regions: Iterable[Region]) -> list[Region]:
    return [dataclasses.replace(region, score=round(region.score, 4)) for region in regions]


def dark(width: int, height: int, *bright: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    pixels = np.zeros((height, width, 3), np.uint8)
    for x0, y0, x1, y1 in bright:
        pixels[y0:y1, x0:x1] = 255
    return pixels


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_a_bad_cell_is_a_region_and_makes_every_tile_bad_that_holds_it(
    tmp_path: Path, layout: str
) -> None:
    told = cells_model(tmp_path, layout).picture_runner().frame(dark(40, 32, (16, 8, 24, 16)))
    assert told.regions == (Region("bad", 1.0, 16, 8, 24, 16),)
    assert (told.scores[0].label, told.scores[0].score) == ("bad", 1.0)
    bad = {tile[:2] for tile in told.tiles if tile[4] == 1.0}
    assert bad == {(8, 0), (16, 0), (8, 8), (16, 8)}
    assert all(tile[4] == 0.0 for tile in told.tiles if tile[:2] not in bad)
    assert len(told.tiles) == 4 * 3


def test_neighbouring_cells_are_one_region_also_across_a_corner_and_others_another(
    tmp_path: Path,
) -> None:
    runner = cells_model(tmp_path).picture_runner()
    pixels = dark(64, 32, (0, 0, 8, 8), (8, 8, 16, 16))
    pixels[24:32, 48:56] = 204
    assert rounded(runner.frame(pixels).regions) == [
        Region("bad", 1.0, 0, 0, 16, 16),
        Region("bad", 0.8, 48, 24, 56, 32),
    ]


def test_the_worst_cell_is_shown_even_when_it_is_good(tmp_path: Path) -> None:
    pixels = dark(32, 24)
    pixels[8:16, 8:16] = 51
    told = cells_model(tmp_path).picture_runner().frame(pixels)
    assert rounded(told.regions) == [Region("bad", 0.2, 8, 8, 16, 16)]
    assert told.scores[0].label == "good"


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_a_picture_that_is_no_whole_number_of_cells_goes_on_as_its_border_does(
    tmp_path: Path, layout: str
) -> None:
    runner = cells_model(tmp_path, layout).picture_runner()
    told = runner.frame(dark(37, 21, (32, 16, 37, 21)))
    assert told.regions == (Region("bad", 1.0, 32, 16, 37, 21),)
    assert max(tile[2] for tile in told.tiles) == 37
    assert max(tile[3] for tile in told.tiles) == 21


def test_a_picture_smaller_than_a_tile_has_one(tmp_path: Path) -> None:
    told = cells_model(tmp_path).picture_runner().frame(dark(3, 5, (0, 0, 3, 5)))
    assert told.tiles == ((0, 0, 3, 5, 1.0),)
    assert told.regions == (Region("bad", 1.0, 0, 0, 3, 5),)


def test_boxes_of_a_picture_made_smaller_are_in_pixels_of_the_original(tmp_path: Path) -> None:
    runner = cells_model(tmp_path, longer_side=32).picture_runner()
    told = runner.frame(dark(128, 96, (32, 32, 64, 64)))
    assert told.regions == (Region("bad", 1.0, 32, 32, 64, 64),)


def test_pictures_of_changing_sizes_do_not_leak_into_one_another(tmp_path: Path) -> None:
    model = cells_model(tmp_path)
    used, rng = model.picture_runner(), np.random.default_rng(3)
    for size in [(24, 32, 3), (90, 41, 3), (1, 1, 3), (24, 32, 3), (17, 16, 3)]:
        shown = rng.integers(0, 256, size, np.uint8)
        first, fresh = used.frame(shown), model.picture_runner().frame(shown)
        assert (first.tiles, first.regions) == (fresh.tiles, fresh.regions)


def test_a_model_of_one_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="any size: export it with open height and width"):
        cells_model(tmp_path, model=cells_onnx(CELL, "NHWC", size=(24, 32)))


def test_a_model_with_other_cells_than_the_manifest_says_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cells and labels are \[1, 3, 4, 2\].*tiles\.cell"):
        cells_model(tmp_path, model=cells_onnx(4, "NHWC"))


def test_sides_that_are_no_whole_cells_and_batches_are_named_in_the_manifest(
    tmp_path: Path,
) -> None:
    with pytest.raises(ModelError) as told:
        cells_model(tmp_path, width=20, batch=4)
    assert "tiles.width: 20 is not a multiple of tiles.cell, 8" in str(told.value)
    assert "tiles.batch: 4, but with tiles.cell a run is one picture" in str(told.value)
