"""Preprocessing by table gives, bit for bit, what computing every pixel gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.inference.engines.tensors import Tensor
from edge_runtime.inference.pictures.preprocess import Preprocess
from edge_runtime.manifest import ImageInput
from tests.support.plain_resize import antialiased

if TYPE_CHECKING:
    from numpy.typing import NDArray

OPENCV = {
    "nearest": cv2.INTER_NEAREST,
    "linear": cv2.INTER_LINEAR,
    "area": cv2.INTER_AREA,
    "cubic": cv2.INTER_CUBIC,
}
QUANTISED = {
    "uint8": (0, 255),
    "int8": (-128, 127),
    "uint16": (0, 65535),
    "int16": (-32768, 32767),
}

sides = st.integers(1, 40)
means = st.floats(-300, 300, width=32)
scales = st.floats(-100, 100, width=32)  # (255 + 300) * 100 is within a half float


@st.composite
def inputs(draw: st.DrawFn) -> tuple[ImageInput, Tensor]:
    colour: Literal["RGB", "BGR", "GRAY"] = draw(st.sampled_from(["RGB", "BGR", "GRAY"]))
    count = draw(st.sampled_from([1, 1 if colour == "GRAY" else 3]))
    width, height = draw(sides), draw(sides)
    resize: Literal["stretch", "letterbox", "crop"]
    resize = draw(st.sampled_from(["stretch", "letterbox", "crop"]))
    crop_from = draw(st.sampled_from([0, max(width, height) + draw(st.integers(0, 9))]))
    levels = st.lists(st.integers(0, 255), min_size=3, max_size=3)
    spec = ImageInput(
        width=width,
        height=height,
        layout=draw(st.sampled_from(["NCHW", "NHWC"])),
        colour=colour,
        resize=resize,
        crop_from=crop_from if resize == "crop" else 0,
        interpolation=draw(st.sampled_from(["antialias", *sorted(OPENCV)])),
        pad_value=draw(st.integers(0, 255)),
        pad_colour=() if colour == "GRAY" else tuple(draw(st.one_of(st.just([]), levels))),
        pad_at=draw(st.sampled_from(["around", "after"])),
        mean=tuple(draw(st.lists(means, min_size=count, max_size=count))),
        scale=tuple(draw(st.lists(scales, min_size=count, max_size=count))),
    )
    dtype = draw(st.sampled_from(["float32", "float16", *QUANTISED]))
    quantisation = None
    if dtype in QUANTISED:
        low, high = QUANTISED[dtype]
        zero = draw(st.integers(max(low, -500), min(high, 500)))
        quantisation = draw(st.sampled_from([None, (draw(st.floats(1e-4, 10.0)), zero)]))
    return spec, Tensor("x", (), np.dtype(dtype), quantisation)


@st.composite
def pictures(draw: st.DrawFn) -> NDArray[np.uint8]:
    seed = draw(st.integers(0, 2**32 - 1))
    shape = (draw(st.integers(1, 60)), draw(st.integers(1, 60)), 3)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def shrunk(
    spec: ImageInput, picture: NDArray[np.uint8], width: int, height: int
) -> NDArray[np.uint8]:
    """To this size, as the interpolation's author does it."""
    if spec.interpolation == "antialias":
        return antialiased(picture, width, height)
    how = OPENCV[spec.interpolation]
    return np.asarray(cv2.resize(picture, (width, height), interpolation=how), np.uint8)


def resized(spec: ImageInput, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What the manifest's words say, without a buffer that is used twice."""
    height, width = picture.shape[:2]
    if spec.resize == "letterbox":
        factor = min(spec.width / width, spec.height / height)
        w, h = max(1, round(width * factor)), max(1, round(height * factor))
        canvas = np.full((spec.height, spec.width, 3), spec.pad_value, np.uint8)
        if spec.pad_colour:
            canvas[:] = spec.pad_colour[::-1] if spec.colour == "RGB" else spec.pad_colour
        # Half of the bars to the left and on top, as Ultralytics' exports were trained with.
        x, y = round((spec.width - w) / 2 - 0.1), round((spec.height - h) / 2 - 0.1)
        if spec.pad_at == "after":
            x, y = 0, 0
        canvas[y : y + h, x : x + w] = shrunk(spec, picture, w, h)
        return canvas
    if spec.resize == "crop" and spec.crop_from:
        # As torchvision's Resize and CenterCrop say it.
        w = spec.crop_from if width <= height else int(spec.crop_from * width / height)
        h = spec.crop_from if height <= width else int(spec.crop_from * height / width)
        picture = shrunk(spec, picture, w, h)
        x, y = round((w - spec.width) / 2.0), round((h - spec.height) / 2.0)
        return picture[y : y + spec.height, x : x + spec.width]
    if spec.resize == "crop":
        factor = min(width / spec.width, height / spec.height)
        w, h = max(1, round(spec.width * factor)), max(1, round(spec.height * factor))
        x, y = (width - w) // 2, (height - h) // 2
        picture = picture[y : y + h, x : x + w]
    return shrunk(spec, picture, spec.width, spec.height)


def plainly(spec: ImageInput, tensor: Tensor, picture: NDArray[np.uint8]) -> NDArray[np.generic]:
    """(pixel - mean) * scale in double, to float32, then quantised, then laid out."""
    pixels: NDArray[Any] = resized(spec, picture)
    if spec.colour == "GRAY":
        pixels = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY))[:, :, None]
    elif spec.colour == "RGB":
        pixels = pixels[:, :, ::-1]
    real = ((pixels - np.array(spec.mean)) * np.array(spec.scale)).astype(np.float32)
    made: NDArray[Any]
    if tensor.dtype.name in QUANTISED:
        step, zero = tensor.quantisation or (1.0, 0)
        q = np.rint(real / np.float32(step)) + np.float32(zero)
        made = np.clip(q, *QUANTISED[tensor.dtype.name]).astype(tensor.dtype)
    else:
        made = real.astype(tensor.dtype)
    if spec.layout == "NCHW":
        made = made.transpose(2, 0, 1)
    return made[None]


@settings(max_examples=400, deadline=None)
@given(inputs(), st.lists(pictures(), min_size=1, max_size=3))
def test_tensors_are_bit_identical_to_the_plain_float_computation(
    wanted: tuple[ImageInput, Tensor], shown: list[NDArray[np.uint8]]
) -> None:
    spec, tensor = wanted
    preprocess = Preprocess(spec, tensor)
    for picture in shown:  # one after the other: nothing of the last may remain in the buffers
        made = preprocess.image(picture)
        expected = plainly(spec, tensor, picture)
        assert made.dtype == expected.dtype
        assert made.shape == expected.shape
        assert np.array_equal(made, expected)


@settings(max_examples=100, deadline=None)
@given(inputs(), pictures())
def test_values_without_resizing_are_bit_identical_too(
    wanted: tuple[ImageInput, Tensor], picture: NDArray[np.uint8]
) -> None:
    spec, tensor = wanted
    height, width = picture.shape[:2]
    as_it_is = ImageInput(
        width=width,
        height=height,
        layout=spec.layout,
        colour=spec.colour,
        mean=spec.mean,
        scale=spec.scale,
    )
    made = Preprocess(spec, tensor).values(picture)
    assert np.array_equal(made[None], plainly(as_it_is, tensor, picture))
