"""A loaded model, and one thread's way into it: preprocess → engine → decode → `Inference`."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge_runtime.errors import ItemError
from edge_runtime.inference import tiles as tiling
from edge_runtime.inference.audio_features import FrontEnd
from edge_runtime.inference.decoders import activated, aggregated, ranked
from edge_runtime.inference.preprocess import Preprocess
from edge_runtime.inference.tensors import Tensor, to_dtype, to_real
from edge_runtime.types import Inference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_runtime.inference.onnx_engine import OnnxEngine
    from edge_runtime.inference.tflite_engine import TfliteEngine
    from edge_runtime.manifest import Manifest

REGION_THRESHOLD = 0.5
"""Tiles from here on are shown as part of a region when the manifest names no threshold."""
_MS = 1000.0


class LoadedModel:
    """A checked bundle.  `runner`: any thread; each runner then belongs to the thread that uses it."""

    def __init__(self, manifest: Manifest, sha256: str, engine: OnnxEngine | TfliteEngine) -> None:
        """Made by `loading.load`."""
        self.manifest = manifest
        self.sha256 = sha256
        """Of the model file."""
        self._engine = engine
        self._lock = threading.Lock()
        self._first_is_free = True

    def runner(self) -> ModelRunner:
        """A runner for one thread.  ONNX: all share the session; TFLite: an interpreter each."""
        with self._lock:
            engine = self._engine if self._first_is_free else self._engine.for_thread()
            self._first_is_free = False
        return ModelRunner(self.manifest, self.sha256, engine)

    def close(self) -> None:
        """Free the model; its runners must not be used any more."""
        self._engine.close()


class ModelRunner:
    """Satisfies `protocols.Runner`.  Owned by one thread."""

    def __init__(self, manifest: Manifest, sha256: str, engine: OnnxEngine | TfliteEngine) -> None:
        """Allocate this thread's buffers."""
        self._manifest = manifest
        self._sha256 = sha256
        self._engine = engine
        self._given: Tensor = engine.inputs[0]
        self._made: Tensor = engine.outputs[0]
        self._front_end = FrontEnd(manifest.audio) if manifest.audio else None
        self._preprocess = Preprocess(manifest.image, self._given) if manifest.image else None

    def frame(self, pixels: NDArray[np.uint8]) -> Inference:
        """Infer on one (height, width, 3) BGR picture.  Raises `ItemError`."""
        if self._preprocess is None:
            raise ItemError(f"model {self._manifest.id} takes sound, not pictures")
        if pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
            raise ItemError(f"a picture is (height, width, 3), not {pixels.shape}")
        if self._manifest.tiles is not None:
            return self._tiled(pixels, self._preprocess)
        begin = time.perf_counter()
        tensor = self._preprocess.image(pixels)
        ready = time.perf_counter()
        scores = self._scores([tensor])[0]
        return self._inference(scores, begin, ready)

    def segment(self, samples: NDArray[np.int16], rate_hz: int) -> Inference:
        """Infer on mono samples of any length: windows slide over it.  Raises `ItemError`."""
        if self._front_end is None or self._manifest.audio is None:
            raise ItemError(f"model {self._manifest.id} takes pictures, not sound")
        spec = self._manifest.audio
        begin = time.perf_counter()
        x = resampled(samples, rate_hz, spec.rate_hz)
        hop = spec.rate_hz * spec.hop_ms // 1000
        size = self._front_end.window_samples
        tensors = [
            self._as_input(self._front_end.features(padded(x[at : at + size], size)))
            for at in window_starts(len(x), size, hop)
        ]
        ready = time.perf_counter()
        found = np.stack([self._scores([tensor])[0] for tensor in tensors])
        ignored = [label in self._manifest.ignore for label in self._manifest.labels]
        return self._inference(aggregated(found, ignored), begin, ready)

    def _tiled(self, pixels: NDArray[np.uint8], preprocess: Preprocess) -> Inference:
        spec, manifest = self._manifest.tiles, self._manifest
        assert spec is not None
        height, width = pixels.shape[:2]
        begin = time.perf_counter()
        grid = tiling.grid_of(spec, width, height)
        planes = preprocess.planes(_fitted(pixels, grid, spec.width, spec.height))
        batches = _batches(planes, grid, self._given, (spec.width, spec.height, spec.batch))
        ready = time.perf_counter()
        count = len(grid.rows) * len(grid.columns)
        scores = np.concatenate([self._scores([batch]) for batch in batches])[:count]
        positive = manifest.labels.index(spec.positive)
        return self._tiled_inference(scores, positive, grid, (width, height), begin, ready)

    def _tiled_inference(  # noqa: PLR0913 - one call, one place
        self,
        scores: NDArray[np.float32],
        positive: int,
        grid: tiling.Grid,
        size: tuple[int, int],
        begin: float,
        ready: float,
    ) -> Inference:
        spec = self._manifest.tiles
        assert spec is not None
        found = [float(score) for score in scores[:, positive]]
        boxes = tiling.boxes_of(grid, spec, *size)
        thresholds = {**self._manifest.reject, **self._manifest.review}
        regions = tiling.regions_of(
            boxes,
            found,
            columns=len(grid.columns),
            threshold=thresholds.get(spec.positive, REGION_THRESHOLD),
            label=spec.positive,
        )
        worst = scores[int(np.argmax(scores[:, positive]))]
        return self._inference(
            worst,
            begin,
            ready,
            regions=regions,
            tiles=tuple((*box, score) for box, score in zip(boxes, found, strict=True)),
        )

    def _as_input(self, features: NDArray[np.float32]) -> NDArray[np.generic]:
        shape = tuple(1 if size is None else size for size in self._given.shape)
        return to_dtype(features, self._given).reshape(shape)

    def _scores(self, tensors: Sequence[NDArray[np.generic]]) -> NDArray[np.float32]:
        """(batch, labels) real scores."""
        found = to_real(self._engine.infer(tensors)[0], self._made)
        labels = len(self._manifest.labels)
        return activated(found.reshape(-1, labels), self._manifest.output.activation)

    def _inference(
        self,
        scores: NDArray[np.float32],
        begin: float,
        ready: float,
        **more: object,
    ) -> Inference:
        done = time.perf_counter()
        return Inference(
            model=self._manifest.id,
            model_sha256=self._sha256,
            scores=ranked(scores, self._manifest.labels),
            preprocess_ms=(ready - begin) * _MS,
            infer_ms=(done - ready) * _MS,
            **more,  # type: ignore[arg-type]
        )


def resampled(samples: NDArray[np.int16], rate_hz: int, wanted_hz: int) -> NDArray[np.int16]:
    """(n,) int16 at another rate."""
    if rate_hz == wanted_hz:
        return samples
    import soxr

    return np.asarray(soxr.resample(samples, rate_hz, wanted_hz), np.int16)


def window_starts(length: int, size: int, hop: int) -> list[int]:
    """Where windows of `size` begin in `length` samples: every `hop`, the last at the very end."""
    if length <= size:
        return [0]
    edges = list(range(0, length - size, hop))
    return [*edges, length - size]


def padded(samples: NDArray[np.int16], size: int) -> NDArray[np.int16]:
    """Samples in the middle of `size`, zeros around: a word sits in the middle of its second."""
    room = size - len(samples)
    if room <= 0:
        return samples
    return np.pad(samples, (room // 2, room - room // 2))


def _fitted(
    pixels: NDArray[np.uint8], grid: tiling.Grid, tile_w: int, tile_h: int
) -> NDArray[np.uint8]:
    """Resized to the grid's picture, and padded to at least one tile."""
    height, width = pixels.shape[:2]
    if (width, height) != (grid.width, grid.height):
        pixels = np.asarray(
            cv2.resize(pixels, (grid.width, grid.height), interpolation=cv2.INTER_AREA), np.uint8
        )
    missing_w, missing_h = max(0, tile_w - grid.width), max(0, tile_h - grid.height)
    if missing_w or missing_h:
        pixels = np.asarray(
            cv2.copyMakeBorder(pixels, 0, missing_h, 0, missing_w, cv2.BORDER_REPLICATE), np.uint8
        )
    return pixels


def _batches(
    planes: NDArray[np.generic], grid: tiling.Grid, given: Tensor, shape: tuple[int, int, int]
) -> list[NDArray[np.generic]]:
    """The tiles as tensors of the model's batch; the last is filled with zeros."""
    width, height, batch = shape
    corners = [(y, x) for y in grid.rows for x in grid.columns]
    made = []
    for first in range(0, len(corners), batch):
        tensor = np.zeros((batch, planes.shape[0], height, width), planes.dtype)
        for index, (y, x) in enumerate(corners[first : first + batch]):
            tensor[index] = planes[:, y : y + height, x : x + width]
        if given.shape[-1] == planes.shape[0] and given.shape[1] != planes.shape[0]:  # NHWC
            tensor = np.ascontiguousarray(tensor.transpose(0, 2, 3, 1))
        made.append(tensor)
    return made
