from __future__ import annotations

from edge_runtime.inference.pictures.tiles import Grid, boxes_of, grid_of, regions_of, starts
from edge_runtime.manifest import Tiles
from edge_runtime.types import Region

TILES = Tiles(width=10, height=10, stride=10, positive="defect")


def test_the_last_tile_is_moved_in_to_end_at_the_border() -> None:
    assert starts(25, 10, 10) == (0, 10, 15)
    assert starts(30, 10, 10) == (0, 10, 20)
    assert starts(7, 10, 10) == (0,)


def test_boxes_come_row_by_row_in_pixels_of_the_original() -> None:
    tiles = Tiles(width=10, height=10, stride=10, longer_side=20, positive="defect")
    grid = grid_of(tiles, 60, 30)
    assert grid == Grid(20, 10, (0, 10), (0,))
    assert boxes_of(grid, tiles, 60, 30) == [(0, 0, 30, 30), (30, 0, 60, 30)]


def regions(scores: list[float], columns: int) -> tuple[Region, ...]:
    width, height = columns * 10, len(scores) // columns * 10
    boxes = boxes_of(grid_of(TILES, width, height), TILES, width, height)
    return regions_of(boxes, scores, columns=columns, threshold=0.5, label="defect")


def test_neighbouring_tiles_are_one_region_also_across_a_corner() -> None:
    assert regions([0.6, 0.1, 0.1, 0.1, 0.9, 0.1], columns=3) == (
        Region("defect", 0.9, 0, 0, 20, 20),
    )


def test_tiles_apart_are_regions_apart_the_best_first() -> None:
    assert regions([0.6, 0.1, 0.9], columns=3) == (
        Region("defect", 0.9, 20, 0, 30, 10),
        Region("defect", 0.6, 0, 0, 10, 10),
    )


def test_the_end_of_a_row_does_not_touch_the_start_of_the_next() -> None:
    found = regions([0.1, 0.1, 0.6, 0.7, 0.1, 0.1], columns=3)
    assert len(found) == 2


def test_the_worst_tile_is_shown_even_when_it_is_good() -> None:
    assert regions([0.01, 0.02, 0.01], columns=3) == (Region("defect", 0.02, 10, 0, 20, 10),)
