"""Whose place it is while requests are unfinished."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.collector.patience import Unfinished


def test_beyond_an_addresss_share_the_one_that_waited_longest_goes() -> None:
    unfinished: Unfinished[int] = Unfinished(most=10, most_of_address=3)
    assert [unfinished.enter(who, "a") for who in range(4)] == [[], [], [], [0]]
    assert unfinished.enter(9, "b") == []
    assert not unfinished.holds(0)


def test_beyond_what_there_is_room_for_the_oldest_of_all_goes() -> None:
    unfinished: Unfinished[int] = Unfinished(most=3, most_of_address=3)
    assert [unfinished.enter(who, f"{who}") for who in range(4)] == [[], [], [], [0]]


def test_who_has_finished_makes_room() -> None:
    unfinished: Unfinished[int] = Unfinished(most=2, most_of_address=2)
    for who in range(20):
        assert unfinished.enter(who, "a") == []
        unfinished.leave(who)
        unfinished.leave(who)
    assert len(unfinished) == 0


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from("abc"), st.booleans())))
def test_there_are_never_more_than_there_is_room_for_and_the_newest_always_is(
    story: list[tuple[int, str, bool]],
) -> None:
    unfinished: Unfinished[int] = Unfinished(most=5, most_of_address=3)
    for who, address, enters in story:
        if not enters:
            unfinished.leave(who)
            continue
        gone = unfinished.enter(who, address)
        assert unfinished.holds(who)
        assert not any(unfinished.holds(one) for one in gone)
        assert len(unfinished) <= 5
