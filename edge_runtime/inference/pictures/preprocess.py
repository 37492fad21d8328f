"""A BGR picture into the input tensor, exactly as the manifest says.

The 256 possible values of a pixel are computed once per channel,

    table[c][v] = float32((v - mean[c]) * scale[c])          and for a quantised input
    table[c][v] = clip(round_half_even(table[c][v] / q_scale) + q_zero)

(the first in double precision: a scale of 1/255 is a division by 255 to the last bit), so that a
frame costs a resize and a look-up, bit-identical to computing it pixel by pixel.  Buffers are
reused: a `Preprocess` belongs to one thread, and what it returns is valid until its next call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.inference.engines.tensors import Tensor, to_dtype
from edge_runtime.inference.engines.threads import limit_threads as limit_threads  # noqa: PLC0414
from edge_runtime.inference.pictures.antialias import Antialias
from edge_runtime.inference.pictures.placement import Placement

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_runtime.manifest import ImageInput

_LOOKED_UP_BY_CV2 = frozenset(np.dtype(t) for t in (np.float32, np.uint8, np.int8, np.int16))


class Preprocess:
    """One thread's way from pixels to tensor values."""

    def __init__(self, spec: ImageInput, tensor: Tensor) -> None:
        """Compute the tables; the buffers are made by the first picture of a size."""
        import cv2

        self._cv2: Any = cv2
        self._spec = spec
        self._tables = tables(spec, tensor)
        self._is_grey_as_it_is = spec.colour == "GRAY" and _is_identity(self._tables[0])
        self._interleaved = np.stack(self._tables, axis=-1)[None]
        self._dtype = tensor.dtype
        self._interpolation = {
            "nearest": cv2.INTER_NEAREST,
            "linear": cv2.INTER_LINEAR,
            "area": cv2.INTER_AREA,
            "cubic": cv2.INTER_CUBIC,
        }.get(spec.interpolation)
        self._antialias = Antialias() if spec.interpolation == "antialias" else None
        self._fit = {
            "stretch": self._stretched,
            "letterbox": self._letterboxed,
            "crop": self._cropped,
        }[spec.resize]
        self._bars = _bar_colour(spec)
        self._sized = np.empty((spec.height, spec.width, 3), np.uint8)
        self._scaled = np.empty((0, 0, 3), np.uint8)
        self._ordered = np.empty((0, 0), np.uint8)
        self._plane = np.empty((0, 0), np.uint8)
        self._values = np.empty((0, 0, 0), tensor.dtype)

    @property
    def channels(self) -> int:
        """Of the tensor: 1 for grey, else 3."""
        return len(self._tables)

    def image(self, pixels: NDArray[np.uint8]) -> NDArray[np.generic]:
        """Tensor of one (height, width, 3) BGR picture, resized: (1, C, H, W) or (1, H, W, C)."""
        return self.values(self._fit(pixels))[None]

    def values(self, pixels: NDArray[np.uint8]) -> NDArray[np.generic]:
        """Tensor values of a (height, width, 3) BGR picture as it is: (C, H, W) or (H, W, C)."""
        if self._spec.colour == "GRAY":
            return self._grey_values(pixels)
        out = self._values_of(pixels.shape[:2])
        if self._spec.layout == "NCHW":
            self._look_up_planes(pixels, out)
        else:
            self._look_up_pixels(pixels, out)
        return out

    def _grey_values(self, pixels: NDArray[np.uint8]) -> NDArray[np.generic]:
        plane: NDArray[np.uint8] = self._cv2.cvtColor(
            pixels, self._cv2.COLOR_BGR2GRAY, dst=self._gray(pixels)
        )
        if self._is_grey_as_it_is:
            return plane[None] if self._spec.layout == "NCHW" else plane[:, :, None]
        out = self._values_of(plane.shape)
        self._look_up(plane, self._tables[0], out.reshape(plane.shape))
        return out

    def placement(self, width: int, height: int) -> Placement:
        """Where `image` puts a picture of `width` x `height` pixels in the model's input."""
        spec = self._spec
        if spec.resize == "letterbox":
            inner_w, inner_h, x0, y0 = _letterbox(spec, width, height)
            return Placement(width, height, inner_w / width, inner_h / height, x0, y0)
        if spec.crop_from:
            sized_w, sized_h, x0, y0 = _middle(spec, width, height)
            return Placement(width, height, sized_w / width, sized_h / height, -x0, -y0)
        if spec.resize == "crop":
            part_w, part_h, x0, y0 = _centre(spec, width, height)
            scale_x, scale_y = spec.width / part_w, spec.height / part_h
            return Placement(width, height, scale_x, scale_y, -x0 * scale_x, -y0 * scale_y)
        return Placement(width, height, spec.width / width, spec.height / height, 0.0, 0.0)

    def scaled(self, pixels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
        """The picture stretched to this size by the manifest's interpolation."""
        if pixels.shape[:2] == (height, width):
            return pixels
        if self._scaled.shape[:2] != (height, width):
            self._scaled = np.empty((height, width, 3), np.uint8)
        return self._resize_into(pixels, self._scaled)

    def _look_up_planes(self, pixels: NDArray[np.uint8], out: NDArray[np.generic]) -> None:
        """NCHW: one plane after the other, in the order of `colour`."""
        if self._plane.shape != pixels.shape[:2]:
            self._plane = np.empty(pixels.shape[:2], np.uint8)
        order = (2, 1, 0) if self._spec.colour == "RGB" else (0, 1, 2)
        for channel, table in enumerate(self._tables):
            plane = self._cv2.extractChannel(pixels, order[channel], dst=self._plane)
            self._look_up(plane, table, out[channel])

    def _look_up_pixels(self, pixels: NDArray[np.uint8], out: NDArray[np.generic]) -> None:
        """NHWC: all channels of a pixel at once."""
        if self._spec.colour == "RGB":
            if self._ordered.shape != pixels.shape:
                self._ordered = np.empty(pixels.shape, np.uint8)
            pixels = self._cv2.cvtColor(pixels, self._cv2.COLOR_BGR2RGB, dst=self._ordered)
        if self._dtype in _LOOKED_UP_BY_CV2:
            self._look_up(pixels, self._interleaved, out)
            return
        for channel, table in enumerate(self._tables):
            out[:, :, channel] = table[pixels[:, :, channel]]

    def _look_up(
        self, pixels: NDArray[np.uint8], table: NDArray[np.generic], out: NDArray[np.generic]
    ) -> None:
        """Set `out` to ``table[pixels]``."""
        if self._dtype in _LOOKED_UP_BY_CV2:
            self._cv2.LUT(pixels, table, dst=out)
        else:
            np.take(table, pixels, out=out)

    def _stretched(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return self._resize_into(pixels, self._sized)

    def _letterboxed(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Scaled to fit whole, the rest filled with bars."""
        inner_w, inner_h, x0, y0 = _letterbox(self._spec, pixels.shape[1], pixels.shape[0])
        self._sized[:] = self._bars
        self._sized[y0 : y0 + inner_h, x0 : x0 + inner_w] = self.scaled(pixels, inner_w, inner_h)
        return self._sized

    def _cropped(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The middle of the picture, scaled before or after cutting."""
        if self._spec.crop_from:
            sized_w, sized_h, x0, y0 = _middle(self._spec, pixels.shape[1], pixels.shape[0])
            sized = self.scaled(pixels, sized_w, sized_h)
            return sized[y0 : y0 + self._spec.height, x0 : x0 + self._spec.width]
        part_w, part_h, x0, y0 = _centre(self._spec, pixels.shape[1], pixels.shape[0])
        return self._stretched(pixels[y0 : y0 + part_h, x0 : x0 + part_w])

    def _resize_into(self, pixels: NDArray[np.uint8], out: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = out.shape[:2]
        if pixels.shape[:2] == (height, width):
            return pixels
        if self._antialias is not None:
            out[:] = self._antialias.resize(pixels, width, height)
        else:
            self._cv2.resize(pixels, (width, height), dst=out, interpolation=self._interpolation)
        return out

    def _gray(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self._plane.shape != pixels.shape[:2]:
            self._plane = np.empty(pixels.shape[:2], np.uint8)
        return self._plane

    def _values_of(self, size: tuple[int, ...]) -> NDArray[np.generic]:
        shape = (len(self._tables), *size)
        if self._spec.layout == "NHWC":
            shape = (*size, len(self._tables))
        if self._values.shape != shape:
            self._values = np.empty(shape, self._dtype)
        return self._values


def _letterbox(spec: ImageInput, width: int, height: int) -> tuple[int, int, int, int]:
    """(inner width, inner height, left, top) of the whole picture between its bars."""
    factor = min(spec.width / width, spec.height / height)
    inner_w, inner_h = max(1, round(width * factor)), max(1, round(height * factor))
    if spec.pad_at == "after":
        return inner_w, inner_h, 0, 0
    # Of an odd number of bar pixels the one more is to the right and below, as in Ultralytics'
    # round(bars / 2 - 0.1).
    return inner_w, inner_h, (spec.width - inner_w) // 2, (spec.height - inner_h) // 2


def _middle(spec: ImageInput, width: int, height: int) -> tuple[int, int, int, int]:
    """(scaled width, scaled height, left, top): `crop_from` pixels are the scaled shorter side.

    The longer side is rounded down, the corner to the nearest even one, as torchvision's ``Resize``
    and ``CenterCrop`` do it.
    """
    short = min(width, height)
    sized_w, sized_h = spec.crop_from * width // short, spec.crop_from * height // short
    return sized_w, sized_h, round((sized_w - spec.width) / 2), round((sized_h - spec.height) / 2)


def _bar_colour(spec: ImageInput) -> tuple[int, int, int]:
    """BGR."""
    if not spec.pad_colour:
        return (spec.pad_value, spec.pad_value, spec.pad_value)
    first, second, third = spec.pad_colour
    return (third, second, first) if spec.colour == "RGB" else (first, second, third)


def _centre(spec: ImageInput, width: int, height: int) -> tuple[int, int, int, int]:
    """(width, height, left, top) of the largest centred part of the input's proportions."""
    factor = min(width / spec.width, height / spec.height)
    part_w, part_h = max(1, round(spec.width * factor)), max(1, round(spec.height * factor))
    return part_w, part_h, (width - part_w) // 2, (height - part_h) // 2


def tables(spec: ImageInput, tensor: Tensor) -> list[NDArray[np.generic]]:
    """One (256,) table a channel, in the tensor's dtype."""
    channels = 1 if spec.colour == "GRAY" else 3
    values = np.arange(256, dtype=np.float64)
    made = []
    for channel in range(channels):
        mean, scale = (v[channel % len(v)] for v in (spec.mean, spec.scale))
        made.append(to_dtype(((values - mean) * scale).astype(np.float32), tensor))
    return made


def _is_identity(table: NDArray[np.generic]) -> bool:
    """Whether looking up in it changes nothing."""
    return table.dtype == np.uint8 and bool((table == np.arange(256)).all())
