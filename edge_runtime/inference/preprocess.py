"""A BGR picture into the input tensor, exactly as the manifest says.

The 256 possible values of a pixel are computed once per channel,

    table[c][v] = (float32(v) - mean[c]) * scale[c]          and for a quantised input
    table[c][v] = clip(round_half_even(table[c][v] / q_scale) + q_zero)

so that a frame costs a resize and a look-up, bit-identical to computing it pixel by pixel.  Buffers are
reused: a `Preprocess` belongs to one thread, and what it returns is valid until its next call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge_runtime.inference.tensors import Tensor, to_dtype

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from edge_runtime.manifest import ImageInput

_INTERPOLATION = {
    "nearest": cv2.INTER_NEAREST,
    "linear": cv2.INTER_LINEAR,
    "area": cv2.INTER_AREA,
    "cubic": cv2.INTER_CUBIC,
}


class Preprocess:
    """One thread's way from pixels to tensor values."""

    def __init__(self, spec: ImageInput, tensor: Tensor) -> None:
        """Compute the tables; nothing is allocated per frame after the first."""
        self._spec = spec
        self._channels = 1 if spec.colour == "GRAY" else 3
        self._tables = tables(spec, tensor)
        self._dtype = tensor.dtype
        self._fit: Callable[[NDArray[np.uint8]], NDArray[np.uint8]] = {
            "stretch": self._stretched,
            "letterbox": self._letterboxed,
            "crop": self._cropped,
        }[spec.resize]
        self._sized = np.empty((spec.height, spec.width, 3), np.uint8)

    def image(self, pixels: NDArray[np.uint8]) -> NDArray[np.generic]:
        """(1, ...) tensor of one (height, width, 3) BGR picture, resized."""
        planes = self.planes(self._fit(pixels))
        if self._spec.layout == "NCHW":
            return planes[None]
        return np.ascontiguousarray(planes.transpose(1, 2, 0))[None]

    def planes(self, pixels: NDArray[np.uint8]) -> NDArray[np.generic]:
        """(channels, height, width) tensor values of a picture, not resized."""
        ordered = coloured(pixels, self._spec.colour)
        made = np.empty((self._channels, *ordered.shape[:2]), self._dtype)
        for channel, table in enumerate(self._tables):
            plane = ordered if ordered.ndim == 2 else ordered[:, :, channel]
            looked_up(plane, table, made[channel])
        return made

    def _stretched(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        size = (self._spec.width, self._spec.height)
        return _resized(pixels, size, self._spec.interpolation, self._sized)

    def _letterboxed(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Scaled to fit whole, centred, the rest filled with `pad_value`."""
        spec, (height, width) = self._spec, pixels.shape[:2]
        factor = min(spec.width / width, spec.height / height)
        inner_w, inner_h = max(1, round(width * factor)), max(1, round(height * factor))
        x0, y0 = (spec.width - inner_w) // 2, (spec.height - inner_h) // 2
        self._sized[:] = spec.pad_value
        inner = _resized(pixels, (inner_w, inner_h), spec.interpolation, None)
        self._sized[y0 : y0 + inner_h, x0 : x0 + inner_w] = inner
        return self._sized

    def _cropped(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The largest centred part of the input's proportions, scaled."""
        spec, (height, width) = self._spec, pixels.shape[:2]
        factor = min(width / spec.width, height / spec.height)
        part_w, part_h = max(1, round(spec.width * factor)), max(1, round(spec.height * factor))
        x0, y0 = (width - part_w) // 2, (height - part_h) // 2
        return self._stretched(pixels[y0 : y0 + part_h, x0 : x0 + part_w])


def tables(spec: ImageInput, tensor: Tensor) -> list[NDArray[np.generic]]:
    """One (256,) table a channel, in the tensor's dtype."""
    channels = 1 if spec.colour == "GRAY" else 3
    values = np.arange(256, dtype=np.float32)
    made = []
    for channel in range(channels):
        mean, scale = (np.float32(v[channel % len(v)]) for v in (spec.mean, spec.scale))
        made.append(to_dtype((values - mean) * scale, tensor))
    return made


def coloured(pixels: NDArray[np.uint8], colour: str) -> NDArray[np.uint8]:
    """BGR into the manifest's order; GRAY as OpenCV weighs it (0.299 R + 0.587 G + 0.114 B)."""
    if colour == "GRAY":
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), np.uint8)
    return pixels[:, :, ::-1] if colour == "RGB" else pixels


def looked_up(
    plane: NDArray[np.uint8], table: NDArray[np.generic], out: NDArray[np.generic]
) -> None:
    """out = table[plane], by OpenCV where it knows the dtype."""
    if table.dtype in (np.float32, np.uint8, np.int8, np.int16):
        cv2.LUT(np.ascontiguousarray(plane), table, out)  # type: ignore[call-overload]
    else:
        np.take(table, plane, out=out)


def limit_threads() -> None:
    """Keep OpenCV to the calling thread: a lane's threads are counted, and its own pool is not."""
    cv2.setNumThreads(1)


def _resized(
    pixels: NDArray[np.uint8],
    size: tuple[int, int],
    interpolation: str,
    out: NDArray[np.uint8] | None,
) -> NDArray[np.uint8]:
    if pixels.shape[1::-1] == size:
        return pixels
    return np.asarray(
        cv2.resize(pixels, size, dst=out, interpolation=_INTERPOLATION[interpolation]), np.uint8
    )
