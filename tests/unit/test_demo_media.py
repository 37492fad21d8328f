"""The demo's pictures and sounds: drawn from a seed, and true to what they claim."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_runtime.sample_station import media
from edge_runtime.sample_station.belt import PART, SIZE, draw_part

if TYPE_CHECKING:
    from numpy.typing import NDArray


def _part(seed: int, number: int, *, scratched: bool) -> NDArray[np.uint8]:
    return draw_part(np.random.default_rng(seed), number, scratched=scratched).pixels


def test_a_picture_has_the_size_and_type_that_a_camera_gives() -> None:
    picture = _part(1, 0, scratched=True)
    assert picture.shape == (SIZE[1], SIZE[0], 3)
    assert picture.dtype == np.uint8


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_same_seed_draws_the_same_picture(number: int) -> None:
    first, again = (_part(5, number, scratched=True) for _ in range(2))
    assert np.array_equal(first, again)


def test_another_seed_draws_another_picture() -> None:
    assert not np.array_equal(_part(5, 0, scratched=False), _part(6, 0, scratched=False))


def test_a_clean_part_has_no_boxes() -> None:
    assert draw_part(np.random.default_rng(3), 0, scratched=False).scratches == ()


@pytest.mark.parametrize("seed", range(12))
def test_every_box_lies_on_the_part_and_holds_a_bright_line(seed: int) -> None:
    drawn = draw_part(np.random.default_rng(seed), seed, scratched=True)
    assert 1 <= len(drawn.scratches) <= 3
    left, top = (SIZE[0] - PART[0]) / 2 - 16, (SIZE[1] - PART[1]) / 2 - 12
    grey = drawn.pixels[:, :, 1].astype(int)
    for x0, y0, x1, y1 in drawn.scratches:
        assert left < x0 < x1 < left + PART[0] + 32
        assert top < y0 < y1 < top + PART[1] + 24
        inside = grey[y0:y1, x0:x1]
        assert inside.max() - np.median(inside) > 25


def test_the_words_of_the_voice_follow_each_other_with_pauses_that_end_a_segment() -> None:
    words = media.voice_words()
    assert len(words) >= 10
    for before, after in itertools.pairwise(words):
        assert before.start_s < before.end_s
        assert after.start_s - before.end_s > 0.5 + 0.3  # hang-over and pre-roll of the gate


def test_the_voice_says_some_word_that_is_no_keyword() -> None:
    labels = {word.label for word in media.voice_words()}
    assert "_unknown_" in labels
    assert {"stop", "go"} <= labels


def test_the_noise_of_the_hall_has_unit_deviation_and_comes_from_its_seed() -> None:
    one, same, other = (media.hall_noise(np.random.default_rng(seed), 64_000) for seed in (1, 1, 2))
    assert one.std() == pytest.approx(1.0, abs=0.01)
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
