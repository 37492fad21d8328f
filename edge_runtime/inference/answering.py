"""Tensors into an `Inference`: what all runners share.  Owned by the runner's thread."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.errors import ItemError
from edge_runtime.inference.decoders import Classification
from edge_runtime.types import Inference

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_runtime.inference.engines import ThreadEngine
    from edge_runtime.inference.tensors import Tensor
    from edge_runtime.manifest import Manifest
    from edge_runtime.types import Region

_MS = 1000.0


class Stopwatch:
    """Times of one item: preprocessing until `ready`, inference after it."""

    def __init__(self) -> None:
        """Starts now."""
        self._begin = self._ready = time.perf_counter()

    def ready(self) -> None:
        """The tensors are made."""
        self._ready = time.perf_counter()

    def read_ms(self) -> tuple[float, float]:
        """(preprocessing, inference and decoding) until now."""
        return (self._ready - self._begin) * _MS, (time.perf_counter() - self._ready) * _MS


class Answering:
    """One runner's engine and decoder, and the model's name on the answer."""

    def __init__(self, manifest: Manifest, sha256: str, engine: ThreadEngine) -> None:
        """`engine` is this runner's own, or one that threads may share."""
        self.manifest = manifest
        self._sha256 = sha256
        self._engine = engine
        self._decoder = Classification(
            tuple(manifest.labels), manifest.output.activation, engine.outputs[0]
        )

    @property
    def input(self) -> Tensor:
        """What the model takes."""
        return self._engine.inputs[0]

    def scores(self, tensor: NDArray[np.generic]) -> NDArray[np.float32]:
        """Infer once: (batch, labels).  Raises `ItemError`."""
        return self._decoder.scores(self._engine.infer([tensor])[0])

    def cells(self, tensor: NDArray[np.generic], *, is_labels_first: bool) -> NDArray[np.float32]:
        """Infer once on a whole picture: (rows, columns, labels).  Raises `ItemError`."""
        (made,) = self._engine.infer([tensor])[0]
        if is_labels_first:
            made = np.moveaxis(made, 0, -1)
        return self._decoder.scores(made).reshape(made.shape)

    def inference(
        self,
        scores: NDArray[np.float32],
        watch: Stopwatch,
        *,
        regions: tuple[Region, ...] = (),
        tiles: tuple[tuple[int, int, int, int, float], ...] = (),
    ) -> Inference:
        """The answer of (labels,) scores."""
        ranked = self._decoder.ranked(scores)
        preprocess_ms, infer_ms = watch.read_ms()
        return Inference(
            model=self.manifest.id,
            model_sha256=self._sha256,
            scores=ranked,
            regions=regions,
            tiles=tiles,
            preprocess_ms=preprocess_ms,
            infer_ms=infer_ms,
        )


def checked_picture(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`pixels` when they are (height, width, 3) uint8, contiguous.  Raises `ItemError`."""
    if pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape or pixels.dtype != np.uint8:
        raise ItemError(f"a picture is (height, width, 3) uint8, not {pixels.shape} {pixels.dtype}")
    return np.ascontiguousarray(pixels)
