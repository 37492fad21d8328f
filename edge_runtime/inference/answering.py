"""A network's answer with the model's name and times: what all runners share.

Owned by the runner's thread.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.errors import ItemError
from edge_runtime.types import Inference

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_runtime.inference.decoders import Answer
    from edge_runtime.inference.network import Network
    from edge_runtime.manifest import Manifest

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
    """One runner's network, and the model's name on its answers."""

    def __init__(self, manifest: Manifest, sha256: str, network: Network) -> None:
        """`network` is this runner's own."""
        self.manifest = manifest
        self.network = network
        self._sha256 = sha256

    def inference(self, answer: Answer, watch: Stopwatch) -> Inference:
        """`answer`, signed and timed."""
        preprocess_ms, infer_ms = watch.read_ms()
        return Inference(
            model=self.manifest.id,
            model_sha256=self._sha256,
            scores=answer.scores,
            regions=answer.regions,
            tiles=answer.tiles,
            spans=answer.spans,
            values=answer.values,
            heat=answer.heat,
            preprocess_ms=preprocess_ms,
            infer_ms=infer_ms,
        )


def checked_picture(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`pixels` when they are (height, width, 3) uint8, contiguous.  Raises `ItemError`."""
    if pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape or pixels.dtype != np.uint8:
        raise ItemError(f"a picture is (height, width, 3) uint8, not {pixels.shape} {pixels.dtype}")
    return np.ascontiguousarray(pixels)
