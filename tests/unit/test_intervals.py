from __future__ import annotations

import pytest

from edge_runtime.intervals import IntervalSet


def test_ranges_that_touch_become_one() -> None:
    assert IntervalSet.of([(5, 7), (1, 2), (3, 4)]).ranges == ((1, 7),)


def test_the_head_is_where_the_first_gap_begins() -> None:
    assert IntervalSet.of([(1, 4), (6, 9)]).head() == 4
    assert IntervalSet.of([(2, 4)]).head() == 0
    assert IntervalSet().head(5) == 4


def test_an_empty_range_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        IntervalSet.of([(3, 2)])
