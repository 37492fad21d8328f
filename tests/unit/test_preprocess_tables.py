from __future__ import annotations

import numpy as np
import pytest

from edge_runtime.errors import ItemError
from edge_runtime.inference.answering import checked_picture
from edge_runtime.inference.engines.tensors import Tensor, to_dtype, to_real
from edge_runtime.inference.pictures.preprocess import tables
from edge_runtime.manifest import ImageInput


def tensor(dtype: str, quantisation: tuple[float, int] | None = None) -> Tensor:
    return Tensor("x", (1, 3, 4, 4), np.dtype(dtype), quantisation)


def image(**more: object) -> ImageInput:
    return ImageInput(width=4, height=4, layout="NCHW", **more)  # type: ignore[arg-type]


def test_a_table_holds_the_manifests_formula_for_each_of_256_values() -> None:
    [red, green, blue] = tables(
        image(mean=(123.7, 116.3, 103.5), scale=(0.017, 0.018, 0.0175)), tensor("float32")
    )
    values = np.arange(256, dtype=np.float64)
    assert np.array_equal(red, ((values - 123.7) * 0.017).astype(np.float32))
    assert np.array_equal(green, ((values - 116.3) * 0.018).astype(np.float32))
    assert np.array_equal(blue, ((values - 103.5) * 0.0175).astype(np.float32))


def test_the_usual_scale_is_a_division_by_255_to_the_last_bit() -> None:
    [table, *_] = tables(image(), tensor("float32"))
    assert np.array_equal(table, np.arange(256, dtype=np.float32) / np.float32(255))


def test_one_mean_and_scale_hold_for_every_channel() -> None:
    first, second, third = tables(image(mean=(10.0,), scale=(2.0,)), tensor("float32"))
    assert np.array_equal(first, second)
    assert np.array_equal(second, third)


def test_a_pixel_over_255_into_an_input_quantised_by_255_is_the_pixel_itself() -> None:
    [table, *_] = tables(image(), tensor("int8", (1 / 255, -128)))
    assert table.dtype == np.int8
    assert table.tolist() == list(range(-128, 128))


def test_an_integer_input_without_a_scale_counts_steps_of_one() -> None:
    [table, *_] = tables(image(mean=(0.0,), scale=(1.0,)), tensor("uint8"))
    assert table.tolist() == list(range(256))


def test_quantising_rounds_halves_to_even_and_stops_at_the_dtypes_ends() -> None:
    real = np.array([-1e9, -0.75, -0.25, 0.25, 0.75, 1.25, 1e9], np.float32)
    made = to_dtype(real, tensor("int8", (0.5, 3)))
    assert made.tolist() == [-128, 1, 3, 3, 5, 5, 127]


def test_dequantising_undoes_quantising_within_half_a_step() -> None:
    real = np.linspace(-3, 3, 101, dtype=np.float32)
    spec = tensor("int16", (0.01, -7))
    assert np.abs(to_real(to_dtype(real, spec), spec) - real).max() <= 0.005 + 1e-6


def test_a_half_float_input_gets_half_floats() -> None:
    [table, *_] = tables(image(), tensor("float16"))
    assert table.dtype == np.float16
    assert table[255] == 1.0


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 4, 3), np.float32),
    ],
)
def test_what_is_no_bgr_picture_is_refused_by_its_shape_and_dtype(
    pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
) -> None:
    with pytest.raises(ItemError, match=r"a picture is \(height, width, 3\) uint8, not"):
        checked_picture(pixels)
