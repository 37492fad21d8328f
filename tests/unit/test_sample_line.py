"""The sample station's line: a schedule by arithmetic, pictures that say which part they show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.sample_station.line import EMPTY, Scenery, is_bad, make_schedule, read_number

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MS = 1_000_000


@pytest.fixture(scope="module")
def scenery() -> Scenery:
    return Scenery(seed=3, bad_share=0.3)


def _as_sent(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    jpeg = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
    return np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8)


@given(st.integers(0, 10**6), st.integers(0, 499))
def test_a_part_is_there_from_its_time_on_and_gone_when_its_time_is_over(
    number: int, after_ms: int
) -> None:
    schedule = make_schedule(10**15, every_ms=500, visible_ms=200)
    seen = schedule.part_at(10**15 + number * 500 * _MS + after_ms * _MS)
    assert seen == (number if after_ms < 200 else None)


def test_nothing_comes_before_the_first_part_and_after_the_last() -> None:
    schedule = make_schedule(1000 * _MS, every_ms=100, visible_ms=100, parts=3)
    assert schedule.part_at(999 * _MS) is None
    assert schedule.part_at(1299 * _MS) == 2
    assert schedule.part_at(1300 * _MS) is None
    assert schedule.end_ns == 1300 * _MS


def test_a_part_is_never_seen_after_the_next_one_has_come() -> None:
    assert make_schedule(0, every_ms=100, visible_ms=900).span_ns(4) == (400 * _MS, 500 * _MS)


@pytest.mark.parametrize("size", [(960, 540), (640, 480), (320, 240)])
def test_a_picture_says_which_part_it_shows_also_as_a_jpeg_of_another_size(
    scenery: Scenery, size: tuple[int, int]
) -> None:
    scenery.resize(*size)
    for number in (0, 1, 17, 4999, 65_535, EMPTY - 1):
        pixels = scenery.picture(number)
        assert pixels.shape == (size[1], size[0], 3)
        assert read_number(_as_sent(pixels)) == number
    assert read_number(_as_sent(scenery.picture(None))) == EMPTY


def test_a_picture_that_is_not_of_the_line_has_no_number() -> None:
    for grey in (0, 110, 130, 255):
        assert read_number(np.full((540, 960, 3), grey, np.uint8)) is None


def test_two_pictures_of_one_part_are_never_the_same(scenery: Scenery) -> None:
    assert not np.array_equal(scenery.picture(5), scenery.picture(5))


def test_the_share_of_bad_parts_is_the_one_asked_for_and_the_same_each_time() -> None:
    bad = [is_bad(7, number, 0.25) for number in range(2000)]
    assert 0.22 < sum(bad) / 2000 < 0.28
    assert bad == [is_bad(7, number, 0.25) for number in range(2000)]


def test_a_plain_bad_part_has_white_and_a_good_one_has_none() -> None:
    scenery = Scenery(seed=1, bad_share=0.5, look="plain")
    for number in range(20):
        assert (scenery.picture(number).max() > 220) == scenery.is_bad(number)
