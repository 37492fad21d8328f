"""The tile grid: every pixel seen, no tile outside, every tile of the right size."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.inference.pictures.tiles import boxes_of, grid_of, regions_of
from edge_runtime.manifest import Tiles


@st.composite
def tilings(draw: st.DrawFn) -> Tiles:
    width, height = draw(st.integers(8, 64)), draw(st.integers(8, 64))
    return Tiles(
        width=width,
        height=height,
        stride=draw(st.integers(4, min(width, height))),
        longer_side=draw(st.one_of(st.just(0), st.integers(8, 400))),
        positive="defect",
    )


sides = st.integers(1, 500)


@given(tilings(), sides, sides)
def test_tiles_cover_every_pixel_and_lie_inside_the_resized_picture(
    tiles: Tiles, width: int, height: int
) -> None:
    grid = grid_of(tiles, width, height)
    seen = np.zeros((max(grid.height, tiles.height), max(grid.width, tiles.width)), bool)
    for y in grid.rows:
        for x in grid.columns:
            assert 0 <= x <= max(0, grid.width - tiles.width)
            assert 0 <= y <= max(0, grid.height - tiles.height)
            seen[y : y + tiles.height, x : x + tiles.width] = True
    assert seen.all()


@given(tilings(), sides, sides)
def test_boxes_cover_the_original_and_stay_inside(tiles: Tiles, width: int, height: int) -> None:
    grid = grid_of(tiles, width, height)
    seen = np.zeros((height, width), bool)
    for x0, y0, x1, y1 in boxes_of(grid, tiles, width, height):
        assert 0 <= x0 < x1 <= width
        assert 0 <= y0 < y1 <= height
        seen[y0:y1, x0:x1] = True
    assert seen.all()


@given(tilings(), sides, sides)
def test_pictures_are_never_enlarged_and_keep_their_proportions(
    tiles: Tiles, width: int, height: int
) -> None:
    grid = grid_of(tiles, width, height)
    assert grid.width <= width
    assert grid.height <= height
    if tiles.longer_side:
        assert max(grid.width, grid.height) <= tiles.longer_side
    assert abs(grid.width * height - grid.height * width) <= max(width, height)


@given(tilings(), sides, sides)
def test_an_unscaled_picture_has_boxes_of_exactly_the_tiles_size(
    tiles: Tiles, width: int, height: int
) -> None:
    grid = grid_of(tiles, width, height)
    if (grid.width, grid.height) != (width, height):
        return
    for x0, y0, x1, y1 in boxes_of(grid, tiles, width, height):
        assert x1 - x0 == min(tiles.width, width)
        assert y1 - y0 == min(tiles.height, height)


@given(tilings(), st.integers(60, 300), st.integers(60, 300), st.integers(0, 2**32 - 1))
def test_every_tile_over_the_threshold_is_inside_a_region_with_its_groups_best_score(
    tiles: Tiles, width: int, height: int, seed: int
) -> None:
    grid = grid_of(tiles, width, height)
    boxes = boxes_of(grid, tiles, width, height)
    scores = np.random.default_rng(seed).random(len(boxes)).tolist()
    regions = regions_of(boxes, scores, columns=len(grid.columns), threshold=0.8, label="defect")
    assert regions[0].score == max(scores)
    assert [r.score for r in regions] == sorted((r.score for r in regions), reverse=True)
    for (x0, y0, x1, y1), score in zip(boxes, scores, strict=True):
        if score >= 0.8:
            assert any(
                r.x0 <= x0 and r.y0 <= y0 and r.x1 >= x1 and r.y1 >= y1 and r.score >= score
                for r in regions
            )
