"""A whole picture at once, answered cell by cell; the worst cell decides."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.inference.answering import Stopwatch, checked_picture
from edge_runtime.inference.decoders import Classification
from edge_runtime.inference.pictures.preprocess import Preprocess
from edge_runtime.inference.pictures.tiled import region_threshold
from edge_runtime.inference.pictures.tiles import (
    Grid,
    boxes_of,
    grid_of,
    starts,
    whole_cells,
    windows_max,
)
from edge_runtime.types import Region

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_runtime.inference.answering import Answering
    from edge_runtime.manifest import ImageInput, Tiles
    from edge_runtime.types import Inference


class CellRunner:
    """Satisfies `protocols.PictureRunner` for ``tile-classification`` with `cell`.

    Owned by one thread.

    What it tells are tiles, each as bad as its worst cell, and regions of neighbouring cells.
    """

    def __init__(self, image: ImageInput, tiles: Tiles, answering: Answering) -> None:
        """Make this thread's tables; buffers are made by the first picture of a size."""
        self._answering = answering
        self._network = answering.network
        self._tiles = tiles
        self._is_nchw = image.layout == "NCHW"
        self._preprocess = Preprocess(image, self._network.input)
        manifest = answering.manifest
        self._positive = manifest.labels.index(tiles.positive)
        self._threshold = region_threshold(manifest, tiles.positive)
        self._decoder = Classification(tuple(manifest.labels), manifest.output.activation)
        self._size = (0, 0)
        self._grid = Grid(0, 0, (), ())
        self._boxes: list[tuple[int, int, int, int]] = []
        self._whole = np.empty((0, 0, 0), self._network.input.dtype)

    def frame(self, pixels: NDArray[np.uint8]) -> Inference:
        """Infer on one (height, width, 3) BGR picture.  Raises `ItemError`."""
        watch = Stopwatch()
        tensor = self.tensor(pixels)
        watch.ready()
        return self._inference(self._cells(tensor), watch)

    def tensor(self, pixels: NDArray[np.uint8]) -> NDArray[np.generic]:
        """The model's input for a (height, width, 3) BGR picture; valid until the next call.

        Raises `ItemError`.
        """
        pixels = checked_picture(pixels)
        self._lay_out(pixels.shape[1], pixels.shape[0])
        scaled = self._preprocess.scaled(pixels, self._grid.width, self._grid.height)
        return self._in_whole_cells(self._preprocess.values(scaled))[None]

    def _cells(self, tensor: NDArray[np.generic]) -> NDArray[np.float32]:
        """(rows, columns, labels) scores of a whole picture."""
        (made,) = self._network.run(tensor)[0]
        if self._is_nchw:
            made = np.moveaxis(made, 0, -1)
        return self._decoder.scores([made]).reshape(made.shape)

    def _lay_out(self, width: int, height: int) -> None:
        """A camera's pictures are all of one size: the grid of tiles is kept."""
        if self._size == (width, height):
            return
        tiles, sized = self._tiles, grid_of(self._tiles, width, height)
        wide = whole_cells(max(sized.width, tiles.width), tiles.cell)
        high = whole_cells(max(sized.height, tiles.height), tiles.cell)
        columns = starts(wide, tiles.width, tiles.stride)
        rows = starts(high, tiles.height, tiles.stride)
        self._grid = Grid(sized.width, sized.height, columns, rows)
        self._boxes = boxes_of(self._grid, tiles, width, height)
        channels = self._preprocess.channels
        shape = (channels, high, wide) if self._is_nchw else (high, wide, channels)
        self._whole = np.empty(shape, self._network.input.dtype)
        self._size = (width, height)

    def _in_whole_cells(self, values: NDArray[np.generic]) -> NDArray[np.generic]:
        """(C, H, W) or (H, W, C) values; right and lower border repeated up to whole cells."""
        whole = self._whole
        if values.shape == whole.shape:
            return values
        y_axis = 1 if self._is_nchw else 0
        from_, into = (np.moveaxis(v, (y_axis, y_axis + 1), (0, 1)) for v in (values, whole))
        height, width = from_.shape[:2]
        into[:height, :width] = from_
        into[:height, width:] = from_[:, -1:]
        into[height:] = into[height - 1]
        return whole

    def _inference(self, cells: NDArray[np.float32], watch: Stopwatch) -> Inference:
        tiles, positive = self._tiles, cells[:, :, self._positive]
        worst = int(positive.argmax())
        row, column = divmod(worst, positive.shape[1])
        windows = windows_max(
            positive,
            [y // tiles.cell for y in self._grid.rows],
            [x // tiles.cell for x in self._grid.columns],
            tiles.height // tiles.cell,
            tiles.width // tiles.cell,
        )
        scored = zip(self._boxes, windows.ravel().tolist(), strict=True)
        answer = replace(
            self._decoder.answer(cells[row, column]),
            regions=self._regions(positive, row, column),
            tiles=tuple((*box, score) for box, score in scored),
        )
        return self._answering.inference(answer, watch)

    def _regions(self, positive: NDArray[np.float32], row: int, column: int) -> tuple[Region, ...]:
        """Cells of at least the threshold, neighbours joined, as boxes; the best first.

        The worst cell is always there: it decides, so it is shown.
        """
        import cv2

        marked = (positive >= self._threshold).astype(np.uint8)
        marked[row, column] = 1
        count, groups, boxes, _ = cv2.connectedComponentsWithStats(marked, connectivity=8)
        found = []
        for group in range(1, count):  # 0 is what is not marked
            x, y, wide, high = (int(v) for v in boxes[group, :4])
            part = (slice(y, y + high), slice(x, x + wide))
            score = float(positive[part][groups[part] == group].max())
            found.append(self._region(score, x, y, x + wide, y + high))
        return tuple(sorted(found, key=lambda region: -region.score))

    def _region(self, score: float, x0: int, y0: int, x1: int, y1: int) -> Region:
        """Of cells (x0, y0) up to (x1, y1), exclusive, in pixels of the original."""
        width, height = self._size
        across = self._tiles.cell * width / self._grid.width
        down = self._tiles.cell * height / self._grid.height
        return Region(
            self._tiles.positive,
            score,
            min(width - 1, round(x0 * across)),
            min(height - 1, round(y0 * down)),
            min(width, round(x1 * across)),
            min(height, round(y1 * down)),
        )
