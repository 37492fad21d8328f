from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.config import Gate, check_roi
from edge_runtime.errors import ItemError
from edge_runtime.inference.pictures.region_of_interest import RegionOfInterest, of_region
from edge_runtime.types import Inference, Region, Score

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Eye:
    """Answers with the white part of what it is shown."""

    def __init__(self) -> None:
        self.shown: list[tuple[int, ...]] = []

    def frame(self, pixels: NDArray[np.uint8]) -> Inference:
        self.shown.append(pixels.shape)
        rows, columns = np.nonzero(pixels[:, :, 0])
        box = (int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)
        return Inference(
            model="m",
            model_sha256="",
            scores=(Score("white", 1.0),),
            regions=(Region("white", 1.0, *box),),
            tiles=((*box, 0.5),),
            heat=(pixels[::2, ::2, 0] / np.float32(255)).astype(np.float32),
        )


def picture() -> NDArray[np.uint8]:
    pixels = np.zeros((60, 100, 3), np.uint8)
    pixels[30:40, 50:70] = 255
    return pixels


@pytest.mark.parametrize("roi", [(40, 20, 80, 60), (0.4, 1 / 3, 0.8, 1.0)])
def test_the_model_sees_the_part_and_answers_about_the_whole(roi: tuple[float, ...]) -> None:
    eye = Eye()
    found = of_region(eye, roi).frame(picture())
    assert eye.shown == [(40, 40, 3)]
    assert found.regions == (Region("white", 1.0, 50, 30, 70, 40),)
    assert found.tiles == ((50, 30, 70, 40, 0.5),)
    assert found.heat is not None
    assert found.heat.shape == (30, 50)
    np.testing.assert_array_equal(found.heat, picture()[::2, ::2, 0] / 255)


def test_without_a_region_of_interest_the_runner_is_the_same() -> None:
    eye = Eye()
    assert of_region(eye, None) is eye


@pytest.mark.parametrize("roi", [(40, 20, 101, 60), (40, 20, 100, 61), (200, 20, 240, 60)])
def test_a_region_outside_the_picture_is_a_bad_item_not_a_smaller_region(
    roi: tuple[int, ...],
) -> None:
    eye = Eye()
    told = re.escape(f"the region {list(roi)} lies outside the picture of 100x60")
    with pytest.raises(ItemError, match=f"^{told}$"):
        of_region(eye, roi).frame(picture())
    assert eye.shown == []


def test_a_camera_back_in_another_resolution_is_judged_again_once_it_has_the_old_one() -> None:
    runner = of_region(Eye(), (40, 20, 80, 60))
    with pytest.raises(ItemError, match="lies outside the picture of 50x30"):
        runner.frame(picture()[::2, ::2])
    assert runner.frame(picture()).regions == (Region("white", 1.0, 50, 30, 70, 40),)


@given(st.tuples(*(st.floats(0, 1) for _ in range(4))), st.integers(1, 5000), st.integers(1, 5000))
def test_fractions_are_a_part_of_any_picture(
    four: tuple[float, ...], width: int, height: int
) -> None:
    x0, x1 = sorted((four[0], four[2]))
    y0, y1 = sorted((four[1], four[3]))
    if x0 == x1 or y0 == y1 or round(x0 * width) == width or round(y0 * height) == height:
        return
    left, top, right, bottom = RegionOfInterest(x0, y0, x1, y1).box_px(width, height)
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height


@pytest.mark.parametrize(
    "roi",
    [
        (0.5, 0, 0.5, 1),
        (0, 9, 10, 5),
        (-1, 0, 5, 5),
        (0, 0, float("inf"), 5),
        (0, 0, float("nan"), 1),
    ],
)
def test_a_region_without_a_size_is_refused_in_the_config(roi: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"roi: found .* with 0 <= x0 < x1 and 0 <= y0 < y1"):
        Gate(roi=roi)  # type: ignore[arg-type]


def test_pixels_and_fractions_are_not_mixed() -> None:
    check_roi((0.25, 0.0, 1.0, 1.0))
    check_roi((0, 0, 640, 480))
    with pytest.raises(ValueError, match="either all four are fractions"):
        check_roi((0.25, 0.0, 640, 480))
