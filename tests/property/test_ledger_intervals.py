"""IntervalSet against a plain set of numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.intervals import IntervalSet

NUMBERS = st.integers(1, 60)
RANGES = st.lists(st.tuples(NUMBERS, NUMBERS).map(lambda p: (min(p), max(p))), max_size=8)


def numbers(ranges: object) -> set[int]:
    return {n for first, last in ranges for n in range(first, last + 1)}  # type: ignore[attr-defined]


@given(RANGES)
def test_it_holds_what_was_put_in_and_is_normal(ranges: list[tuple[int, int]]) -> None:
    made = IntervalSet.of(ranges)
    assert numbers(made.ranges) == numbers(ranges)
    assert made.count() == len(numbers(ranges))
    assert all(b + 1 < c for (_, b), (c, _) in zip(made.ranges, made.ranges[1:], strict=False))
    assert all((n in made) == (n in numbers(ranges)) for n in range(62))


@given(RANGES, RANGES)
def test_union_is_union(left: list[tuple[int, int]], right: list[tuple[int, int]]) -> None:
    made = IntervalSet.of(left).union(IntervalSet.of(right))
    assert numbers(made.ranges) == numbers(left) | numbers(right)


@given(RANGES, NUMBERS, NUMBERS)
def test_without_and_missing_are_complements(ranges: list[tuple[int, int]], a: int, b: int) -> None:
    first, last = min(a, b), max(a, b)
    made, span = IntervalSet.of(ranges), set(range(first, last + 1))
    assert numbers(made.without(first, last).ranges) == numbers(ranges) - span
    assert numbers(made.missing(first, last)) == span - numbers(ranges)


@given(RANGES, NUMBERS)
def test_the_head_is_contiguous(ranges: list[tuple[int, int]], start: int) -> None:
    held = numbers(ranges)
    expected = start - 1
    while expected + 1 in held:
        expected += 1
    assert IntervalSet.of(ranges).head(start) == expected
