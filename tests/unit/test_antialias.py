from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.inference.pictures.antialias import Antialias, taps_of
from tests.support.plain_resize import antialiased

sides = st.integers(1, 48)


@settings(max_examples=150, deadline=None)
@given(sides, sides, sides, sides, st.integers(0, 2**32 - 1), st.booleans())
def test_any_size_into_any_other_is_what_a_plain_loop_gives(
    height: int, width: int, made_h: int, made_w: int, seed: int, is_hard: bool
) -> None:
    shown = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    if is_hard:  # black and white: sums lie on the edge of rounding more often
        shown = (shown > 127).astype(np.uint8) * np.uint8(255)
    made = Antialias().resize(shown, made_w, made_h)
    np.testing.assert_array_equal(made, antialiased(shown, made_w, made_h))


@pytest.mark.parametrize(
    ("made", "first", "values"), [(33, 14, [43, 212, 128]), (10, 4, [85, 32]), (5, 1, [7, 52])]
)
def test_a_white_line_among_22_becomes_what_pillow_12_made_of_it(
    made: int, first: int, values: list[int]
) -> None:
    shown = np.zeros((1, 22, 3), np.uint8)
    shown[0, 10] = 255
    found = Antialias().resize(shown, made, 1)[0, :, 0]
    assert np.flatnonzero(found).tolist() == list(range(first, first + len(values)))
    assert found[found > 0].tolist() == values


def test_one_object_takes_pictures_of_many_sizes() -> None:
    rng = np.random.default_rng(3)
    used = Antialias()
    for size in range(1, 30):
        shown = rng.integers(0, 256, (size, 31 - size, 3), np.uint8)
        np.testing.assert_array_equal(used.resize(shown, 7, 5), Antialias().resize(shown, 7, 5))


@pytest.mark.parametrize(("given", "made"), [(1280, 224), (720, 224), (7, 9), (1, 1), (1, 50)])
def test_the_weights_of_a_pixel_are_one(given: int, made: int) -> None:
    taps = taps_of(given, made)
    sums = taps.weights.sum(axis=0)
    assert np.abs(sums - (1 << 22)).max() <= len(taps.weights)
    assert taps.places.max() < given
