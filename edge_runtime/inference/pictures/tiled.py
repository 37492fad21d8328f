"""A picture cut into tiles, each classified; the worst decides."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.inference.answering import Stopwatch, checked_picture
from edge_runtime.inference.decoders import Classification
from edge_runtime.inference.pictures.preprocess import Preprocess
from edge_runtime.inference.pictures.tiles import Grid, boxes_of, grid_of, regions_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from edge_runtime.inference.answering import Answering
    from edge_runtime.manifest import ImageInput, Manifest, Tiles
    from edge_runtime.types import Inference

REGION_THRESHOLD = 0.5
"""Tiles from here on belong to a region when the manifest names no threshold."""

Box = tuple[int, int, int, int]


class TileRunner:
    """Satisfies `protocols.PictureRunner` for ``tile-classification``.  Owned by one thread."""

    def __init__(self, image: ImageInput, tiles: Tiles, answering: Answering) -> None:
        """Make this thread's tables and batch."""
        self._answering = answering
        self._network = answering.network
        self._tiles = tiles
        self._is_nchw = image.layout == "NCHW"
        self._preprocess = Preprocess(image, self._network.input)
        manifest = answering.manifest
        self._positive = manifest.labels.index(tiles.positive)
        self._threshold = region_threshold(manifest, tiles.positive)
        self._decoder = Classification(tuple(manifest.labels), manifest.output.activation)
        given = self._network.input
        self._is_batch_open = given.shape[0] is None
        self._batch = np.zeros((tiles.batch, *(int(n or 1) for n in given.shape[1:])), given.dtype)
        self._size = (0, 0)
        self._grid = Grid(0, 0, (), ())
        self._boxes: list[Box] = []

    def frame(self, pixels: NDArray[np.uint8]) -> Inference:
        """Infer on one (height, width, 3) BGR picture.  Raises `ItemError`."""
        watch = Stopwatch()
        pixels = checked_picture(pixels)
        self._lay_out(pixels.shape[1], pixels.shape[0])
        values = self._preprocess.values(self._fitted(pixels))
        watch.ready()
        # Cutting a batch is a copy of some kB beside its inference: it counts as part of it.
        scores = np.concatenate(
            [self._decoder.scores(self._network.run(batch)) for batch in self._batches(values)]
        )
        return self._inference(scores[: len(self._boxes)], watch)

    def _lay_out(self, width: int, height: int) -> None:
        """A camera's pictures are all of one size: their grid is kept."""
        if self._size != (width, height):
            self._grid = grid_of(self._tiles, width, height)
            self._boxes = boxes_of(self._grid, self._tiles, width, height)
            self._size = (width, height)

    def _fitted(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Scaled to the grid's picture; one smaller than a tile grows by its own border."""
        grid, tiles = self._grid, self._tiles
        scaled = self._preprocess.scaled(pixels, grid.width, grid.height)
        missing_w, missing_h = max(0, tiles.width - grid.width), max(0, tiles.height - grid.height)
        if missing_w or missing_h:
            return np.pad(scaled, ((0, missing_h), (0, missing_w), (0, 0)), mode="edge")
        return scaled

    def _batches(self, values: NDArray[np.generic]) -> Iterator[NDArray[np.generic]]:
        """The tiles in order, in one reused tensor; behind the last, what was there before."""
        width, height, batch = self._tiles.width, self._tiles.height, self._batch
        corners = [(y, x) for y in self._grid.rows for x in self._grid.columns]
        for first in range(0, len(corners), len(batch)):
            part = corners[first : first + len(batch)]
            for index, (y, x) in enumerate(part):
                if self._is_nchw:
                    batch[index] = values[:, y : y + height, x : x + width]
                else:
                    batch[index] = values[y : y + height, x : x + width]
            yield batch[: len(part)] if self._is_batch_open else batch

    def _inference(self, scores: NDArray[np.float32], watch: Stopwatch) -> Inference:
        positive: list[float] = scores[:, self._positive].tolist()
        regions = regions_of(
            self._boxes,
            positive,
            columns=len(self._grid.columns),
            threshold=self._threshold,
            label=self._tiles.positive,
        )
        worst = scores[int(scores[:, self._positive].argmax())]
        tiles = tuple((*box, score) for box, score in zip(self._boxes, positive, strict=True))
        answer = replace(self._decoder.answer(worst), regions=regions, tiles=tiles)
        return self._answering.inference(answer, watch)


def region_threshold(manifest: Manifest, positive: str) -> float:
    """The lowest score at which the manifest wants anything done."""
    named = [t[positive] for t in (manifest.reject, manifest.review) if positive in t]
    return min(named, default=REGION_THRESHOLD)
