"""Learning a line between good and bad cells from whole pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.tuning.fit import Line, fit_line

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHANNELS, CELLS = 8, 300
NOTHING = Line(np.zeros(CHANNELS, np.float32), 0.0)


def picture(rng: np.random.Generator, *, is_bad: bool) -> NDArray[np.generic]:
    """Cells of noise; in a bad picture one of them is high in channel 5 and low in channel 2."""
    cells = rng.integers(90, 110, (CELLS, CHANNELS))
    if is_bad:
        cells[rng.integers(CELLS), [5, 2]] = 170, 40
    return cells.astype(np.uint8)


def pictures(rng: np.random.Generator, count: int, *, is_bad: bool) -> list[NDArray[np.generic]]:
    return [picture(rng, is_bad=is_bad) for _ in range(count)]


def test_the_one_bad_cell_of_a_bad_picture_is_found_though_nobody_marked_it() -> None:
    rng = np.random.default_rng(1)
    hint = np.zeros(CHANNELS, np.float32)
    hint[5] = 0.01
    base = Line(hint, -1.5)
    ok, ng = pictures(rng, 10, is_bad=False), pictures(rng, 10, is_bad=True)
    line = fit_line(ok, ng, base, pull=0.001)
    assert line.weight[5] > hint[5]
    assert line.weight[2] < 0
    worst = [line.scores(p).max() for p in pictures(rng, 20, is_bad=True)]
    best = [line.scores(p).max() for p in pictures(rng, 20, is_bad=False)]
    assert min(worst) > max(best)


def test_a_strong_pull_keeps_the_line_where_it_was() -> None:
    rng = np.random.default_rng(2)
    ok, ng = pictures(rng, 5, is_bad=False), pictures(rng, 5, is_bad=True)
    loose, tight = (fit_line(ok, ng, NOTHING, pull=pull) for pull in (0.001, 100.0))
    assert np.abs(tight.weight).max() < np.abs(loose.weight).max() / 5
