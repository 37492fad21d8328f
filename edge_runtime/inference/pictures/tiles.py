"""The tile grid, and what the scores of tiles say about a picture.  Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.types import Region

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_runtime.manifest import Tiles


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the tiles of one picture size lie."""

    width: int
    """Of the picture after resizing."""
    height: int
    columns: tuple[int, ...]
    """x of the tiles' left edges, in the resized picture."""
    rows: tuple[int, ...]


def grid_of(tiles: Tiles, width: int, height: int) -> Grid:
    """The grid of a picture of `width` x `height` pixels; one smaller than a tile has one tile."""
    factor = 1.0
    if tiles.longer_side:
        factor = min(1.0, tiles.longer_side / max(width, height))
    sized_w, sized_h = max(1, round(width * factor)), max(1, round(height * factor))
    return Grid(
        sized_w,
        sized_h,
        starts(sized_w, tiles.width, tiles.stride),
        starts(sized_h, tiles.height, tiles.stride),
    )


def starts(length: int, tile: int, stride: int) -> tuple[int, ...]:
    """Left edges of tiles that cover `length`; the last ends at the border."""
    if length <= tile:
        return (0,)
    edges = list(range(0, length - tile, stride))
    return (*edges, length - tile)


def boxes_of(grid: Grid, tiles: Tiles, width: int, height: int) -> list[tuple[int, int, int, int]]:
    """(x0, y0, x1, y1) of every tile, row by row, in pixels of the original."""
    fx, fy = width / grid.width, height / grid.height
    return [
        (
            round(x * fx),
            round(y * fy),
            min(width, round((x + tiles.width) * fx)),
            min(height, round((y + tiles.height) * fy)),
        )
        for y in grid.rows
        for x in grid.columns
    ]


def whole_cells(length: int, cell: int) -> int:
    """`length` up to the next multiple of `cell`."""
    return -(-length // cell) * cell


def windows_max(
    cells: NDArray[np.float32], rows: Sequence[int], columns: Sequence[int], high: int, wide: int
) -> NDArray[np.float32]:
    """The maximum of (y, x) cells in windows of `high` x `wide`: (rows, columns).

    `rows` and `columns` are the windows' upper left cells.
    """
    spare_y, spare_x = cells.shape[0] - high + 1, cells.shape[1] - wide + 1
    across = np.maximum.reduce([cells[:, x : x + spare_x] for x in range(wide)])
    both = np.maximum.reduce([across[y : y + spare_y] for y in range(high)])
    return np.asarray(both[np.ix_(rows, columns)], np.float32)


def regions_of(
    boxes: Sequence[tuple[int, int, int, int]],
    scores: Sequence[float],
    *,
    columns: int,
    threshold: float,
    label: str,
) -> tuple[Region, ...]:
    """Tiles of at least `threshold`, neighbours joined, as boxes; the best first.

    The worst tile is always there: it decides, so it is shown.
    """
    worst = max(range(len(scores)), key=scores.__getitem__)
    marked = {i for i, score in enumerate(scores) if score >= threshold} | {worst}
    regions = []
    while marked:
        group = _connected(marked, columns)
        marked -= group
        chosen = [boxes[i] for i in group]
        regions.append(
            Region(
                label,
                max(scores[i] for i in group),
                min(b[0] for b in chosen),
                min(b[1] for b in chosen),
                max(b[2] for b in chosen),
                max(b[3] for b in chosen),
            )
        )
    return tuple(sorted(regions, key=lambda region: -region.score))


def _connected(marked: set[int], columns: int) -> set[int]:
    """One group of neighbouring tiles (eight directions)."""
    group: set[int] = set()
    left = [next(iter(marked))]
    while left:
        at = left.pop()
        if at in group:
            continue
        group.add(at)
        row, column = divmod(at, columns)
        near = {
            r * columns + c
            for r in (row - 1, row, row + 1)
            for c in (column - 1, column, column + 1)
            if 0 <= c < columns and r >= 0
        }
        left += [i for i in near & marked if i not in group]
    return group
