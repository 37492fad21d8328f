"""What the interval set promises, in small cases; tests/property has the general ones."""

from __future__ import annotations

import pytest

from edge_runtime.intervals import IntervalSet


def test_touching_and_overlapping_ranges_become_one() -> None:
    assert IntervalSet.of([(5, 9), (1, 2), (3, 4), (8, 12)]).ranges == ((1, 12),)


def test_ranges_with_a_gap_stay_apart() -> None:
    assert IntervalSet.of([(1, 2), (4, 5)]).ranges == ((1, 2), (4, 5))


def test_an_empty_range_is_refused() -> None:
    with pytest.raises(ValueError, match="from 3 to 2"):
        IntervalSet.of([(3, 2)])


def test_head_is_the_end_of_what_is_whole_from_the_start() -> None:
    held = IntervalSet.of([(1, 10), (12, 20)])
    assert held.head() == 10
    assert held.head(12) == 20
    assert held.head(11) == 10  # nothing from 11 on
    assert IntervalSet().head() == 0


def test_head_looks_at_the_start_even_inside_a_range() -> None:
    assert IntervalSet.of([(1, 10)]).head(4) == 10


def test_missing_names_every_gap_of_a_span() -> None:
    held = IntervalSet.of([(3, 4), (8, 9)])
    assert list(held.missing(1, 10)) == [(1, 2), (5, 7), (10, 10)]
    assert list(held.missing(3, 4)) == []
    assert list(IntervalSet().missing(1, 0)) == []


def test_without_cuts_a_range_in_two() -> None:
    assert IntervalSet.of([(1, 10)]).without(4, 6).ranges == ((1, 3), (7, 10))


def test_without_nothing_is_the_same_again() -> None:
    held = IntervalSet.of([(1, 10)])
    assert held.without(6, 5) == held.without(12, 3) == held


def test_two_sets_with_the_same_numbers_are_equal() -> None:
    assert IntervalSet.of([(1, 2), (3, 4)]) == IntervalSet.of([(1, 4)])
