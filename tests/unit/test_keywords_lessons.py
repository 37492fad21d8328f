"""What the keywords learn from: words as they lie in the windows over a segment."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

bank: Any = importlib.import_module("tools.train.keywords_bank")
WINDOW = 16_000
DRAWS = 400


def lying(length: int) -> list[np.ndarray]:
    """A word whose samples are 1, 2, 3, ... in many windows."""
    rng = np.random.default_rng(3)
    word = np.arange(1, length + 1, dtype=np.float32)
    return [bank.windowed(rng, word) for _ in range(DRAWS)]


@pytest.mark.parametrize("length", [1, 300, 6_000, 15_990])
def test_a_window_lacks_at_most_a_tenth_of_a_second_and_a_quarter_of_its_word(length: int) -> None:
    most = min(WINDOW // 10, length // 4 + 1)
    assert all(np.count_nonzero(window) >= length - most for window in lying(length))


def test_a_word_is_cut_at_its_start_and_at_its_end_and_mostly_whole() -> None:
    length = 6_000
    windows = lying(length)
    no_start = sum(window[0] > 1 for window in windows)
    no_end = sum(0 < window[-1] < length for window in windows)
    whole = sum(np.count_nonzero(window) == length for window in windows)
    assert min(no_start, no_end) > DRAWS / 10
    assert whole > DRAWS / 3


def test_a_word_longer_than_the_window_fills_it() -> None:
    assert all(np.count_nonzero(window) >= WINDOW * 0.9 for window in lying(20_000))
