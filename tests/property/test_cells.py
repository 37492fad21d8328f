"""Tiles over cells: each tile is as bad as its worst cell, and together they see every cell."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.inference.pictures.tiles import starts, whole_cells, windows_max


@st.composite
def layouts(draw: st.DrawFn) -> tuple[int, int, int, int]:
    """(cells in a row, in a tile, between tiles), and a seed."""
    tile = draw(st.integers(1, 6))
    cells, stride = draw(st.integers(tile, 30)), draw(st.integers(1, tile))
    return cells, tile, stride, draw(st.integers(0, 2**32 - 1))


@given(layouts())
def test_a_windows_maximum_is_that_of_its_cells(layout: tuple[int, int, int, int]) -> None:
    cells, tile, stride, seed = layout
    rows = columns = starts(cells, tile, stride)
    scores = np.random.default_rng(seed).random((cells, cells)).astype(np.float32)
    found = windows_max(scores, rows, columns, tile, tile)
    for i, y in enumerate(rows):
        for j, x in enumerate(columns):
            assert found[i, j] == scores[y : y + tile, x : x + tile].max()
    assert found.max() == scores.max()


@given(st.integers(1, 5000), st.integers(1, 256))
def test_whole_cells_hold_the_length_and_less_than_a_cell_more(length: int, cell: int) -> None:
    whole = whole_cells(length, cell)
    assert whole % cell == 0
    assert 0 <= whole - length < cell
