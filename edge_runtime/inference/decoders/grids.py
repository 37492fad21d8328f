"""Heads whose boxes count from the cells of grids: the graph leaves the last step to the reader.

Pure.  The layouts are those of the exports of YOLOX and NanoDet (one row a cell, the finest grid
first, each grid row by row) and of FastestDet (one grid as a map).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.inference.decoders.boxes import FARTHEST_PX, Boxes, corners_of
from edge_runtime.inference.decoders.classification import activated
from edge_runtime.inference.decoders.decoder import probabilities

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_LARGEST_LOGARITHM = 16.0
"""Of a side in cells; a damaged model's must not overflow."""


@dataclass(frozen=True, slots=True)
class Grids:
    """The cells of a model's input."""

    input_size: tuple[int, int]
    """(width, height), px."""
    strides: tuple[int, ...]
    """Side of a cell in px, of each grid."""

    @property
    def count(self) -> int:
        """Cells of all grids."""
        width, height = self.input_size
        return sum(-(-width // stride) * -(-height // stride) for stride in self.strides)

    def cells(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(n, 2) column and row of every cell, (n, 1) its stride in px."""
        width, height = self.input_size
        places, sides = [], []
        for stride in self.strides:
            rows, columns = np.indices((-(-height // stride), -(-width // stride)), np.float32)
            places.append(np.stack([columns.ravel(), rows.ravel()], axis=1))
            sides.append(np.full((columns.size, 1), stride, np.float32))
        return np.concatenate(places), np.concatenate(sides)

    def __str__(self) -> str:
        width, height = self.input_size
        return f"cells of {', '.join(map(str, self.strides))} px in {width} x {height}"


@dataclass(frozen=True, slots=True)
class YoloxHead:
    """``[1, n, 5 + labels]``: offset and logarithm of the size in cells, object, labels' scores.

    centre = (cell + offset) stride, size = exp(logarithm) stride, score = object x label.
    """

    labels: int
    grids: Grids
    activation: str = "none"

    @property
    def rows(self) -> int:
        """Numbers a cell."""
        return 5 + self.labels

    def fits(self, shape: Sequence[int]) -> bool:
        """Whether an output of this shape can be read."""
        return tuple(shape) in _ways(self.grids.count, self.rows)

    def rows_first(self, output: NDArray[np.float32]) -> NDArray[np.float32]:
        """(rows, n), whichever way the output lies."""
        return _rows_first(output, self.rows)

    def boxes(self, values: NDArray[np.float32], score_min: float) -> Boxes:
        """(rows, n) into candidates of at least `score_min`, each with its best label."""
        given, sure = values[5:], values[4]
        if self.activation != "none":
            given = activated(given.T, self.activation).T
            sure = activated(sure[None], "sigmoid")[0]
        best = given.max(axis=0) * sure
        rows = np.flatnonzero(best >= score_min)
        places, strides = (part[rows] for part in self.grids.cells())
        middles = (places + values[:2, rows].T) * strides
        sizes = np.exp(np.minimum(values[2:4, rows].T, _LARGEST_LOGARITHM)) * strides
        return Boxes(
            corners_of(np.concatenate([middles, sizes], axis=1)),
            probabilities(best[rows]),
            given[:, rows].argmax(axis=0),
            rows,
        )


@dataclass(frozen=True, slots=True)
class NanodetHead:
    """``[1, n, labels + 4 bins]``: the labels' scores, then how far each border is, as odds.

    A border's distance from the cell's corner is the mean of 0, 1, 2 … cells, weighted by the
    softmax of its bins; in the order left, top, right, bottom.
    """

    labels: int
    grids: Grids
    activation: str = "none"
    bins: int = 8

    @property
    def rows(self) -> int:
        """Numbers a cell."""
        return self.labels + 4 * self.bins

    def fits(self, shape: Sequence[int]) -> bool:
        """Whether an output of this shape can be read."""
        return tuple(shape) in _ways(self.grids.count, self.rows)

    def rows_first(self, output: NDArray[np.float32]) -> NDArray[np.float32]:
        """(rows, n), whichever way the output lies."""
        return _rows_first(output, self.rows)

    def boxes(self, values: NDArray[np.float32], score_min: float) -> Boxes:
        """(rows, n) into candidates of at least `score_min`, each with its best label."""
        given = values[: self.labels]
        if self.activation != "none":
            given = activated(given.T, self.activation).T
        best = given.max(axis=0)
        rows = np.flatnonzero(best >= score_min)
        places, strides = (part[rows] for part in self.grids.cells())
        odds = values[self.labels :, rows].T.reshape(-1, self.bins)
        steps = np.arange(self.bins, dtype=np.float32)
        far = (activated(odds, "softmax") @ steps).reshape(-1, 4) * strides
        at = places * strides
        corners = np.concatenate([at - far[:, :2], at + far[:, 2:]], axis=1)
        return Boxes(
            np.clip(corners, -FARTHEST_PX, FARTHEST_PX),
            probabilities(best[rows]),
            given[:, rows].argmax(axis=0),
            rows,
        )


@dataclass(frozen=True, slots=True)
class FastestdetHead:
    """``[1, 5 + labels, h, w]``: object, offset in cells, size as a share of the picture, labels.

    middle = cell + tanh(offset), size = sigmoid of the input's, score = object^0.6 label^0.4.
    """

    labels: int
    input_size: tuple[int, int]
    """(width, height), px."""

    @property
    def rows(self) -> int:
        """Numbers a cell."""
        return 5 + self.labels

    def fits(self, shape: Sequence[int]) -> bool:
        """Whether an output of this shape can be read: its cells are squares of the input."""
        if len(shape) != 4 or shape[0] != 1 or shape[1] != self.rows:
            return False
        width, height = self.input_size
        return shape[2] * width == shape[3] * height

    def rows_first(self, output: NDArray[np.float32]) -> NDArray[np.float32]:
        """(rows, n), cells row by row."""
        values: NDArray[np.float32] = output[0].reshape(self.rows, -1)
        return values

    def boxes(self, values: NDArray[np.float32], score_min: float) -> Boxes:
        """(rows, n) into candidates of at least `score_min`, each with its best label."""
        width, height = self.input_size
        side = np.float32(np.sqrt(width * height / values.shape[1]))
        columns = round(width / float(side))
        given = np.clip(values[5:], 0.0, None)
        best = np.clip(values[0], 0.0, None) ** 0.6 * given.max(axis=0) ** 0.4
        rows = np.flatnonzero(best >= score_min)
        places = np.stack([rows % columns, rows // columns], axis=1).astype(np.float32)
        middles = (places + np.tanh(values[1:3, rows].T)) * side
        sizes = activated(values[3:5, rows].T, "sigmoid") * np.array([width, height], np.float32)
        return Boxes(
            corners_of(np.concatenate([middles, sizes], axis=1)),
            probabilities(best[rows]),
            given[:, rows].argmax(axis=0),
            rows,
        )


def _ways(count: int, rows: int) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    return (1, count, rows), (1, rows, count)


def _rows_first(output: NDArray[np.float32], rows: int) -> NDArray[np.float32]:
    values: NDArray[np.float32] = output[0]
    return values.T if values.shape[1] == rows else values
