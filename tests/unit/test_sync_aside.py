"""What was not taken, and what of it is a verdict."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.clock import NS_PER_S
from edge_runtime.intervals import IntervalSet
from edge_runtime.sync.aside import Aside, all_but


def put(aside: Aside, seq: int, *, own: bool = True, alone: bool = True, now_s: float = 0) -> bool:
    return aside.put(seq, "refused", "no", own=own, alone=alone, now_ns=int(now_s * NS_PER_S))


def one(*seqs: int) -> IntervalSet:
    return IntervalSet.of((seq, seq) for seq in seqs)


def test_the_collectors_own_word_given_twice_with_others_taken_in_between_is_a_verdict() -> None:
    aside = Aside(1.0, 300.0)
    assert not put(aside, 7)
    aside.taken(one(8))
    assert aside.due(0, most=10) == (7,)  # it is asked again at once
    assert put(aside, 7)
    assert len(aside) == 0


def test_without_a_neighbour_that_was_taken_it_is_none_however_often_it_is_said() -> None:
    aside = Aside(1.0, 300.0)
    for number in range(20):
        assert not put(aside, 7, now_s=1000 * number)
    assert len(aside) == 1


def test_what_somebody_else_says_is_never_a_verdict() -> None:
    aside = Aside(1.0, 300.0)
    for number in range(20):
        assert not put(aside, 7, own=False, now_s=1000 * number)
        aside.taken(one(100 + number))
    assert not put(aside, 7, own=True)  # the first of the collector's own
    aside.taken(one(300))
    assert put(aside, 7, own=True)


def test_waiting_times_double_up_to_the_longest() -> None:
    aside = Aside(1.0, 30.0)
    now_s = 0.0
    for wait_s in (2, 4, 8, 16, 30, 30):
        put(aside, 7, own=False, now_s=now_s)
        assert aside.due(int((now_s + wait_s - 0.1) * NS_PER_S), most=10) == ()
        assert aside.due(int((now_s + wait_s) * NS_PER_S), most=10) == (7,)
        now_s += wait_s


def test_once_a_stranger_lets_one_go_all_that_it_refused_are_due() -> None:
    aside = Aside(1.0, 300.0)
    for seq in (3, 5, 9):
        put(aside, seq, own=False)
    aside.taken(one(5))
    assert aside.due(0, most=10) == (3,)  # alone, one after the other
    assert aside.seqs().ranges == ((3, 3), (9, 9))


def test_what_was_told_apart_is_tried_again_together() -> None:
    aside = Aside(1.0, 300.0)
    for seq in range(1, 8):
        put(aside, seq, alone=False)
    assert aside.due(0, most=5) == ()
    assert aside.due(0, most=5, idle=True) == (1, 2, 3, 4, 5)


@given(st.sets(st.integers(1, 200), min_size=1))
def test_all_but_leaves_exactly_those(seqs: set[int]) -> None:
    left_out = all_but(seqs)
    assert {seq for seq in range(1, 300) if seq not in left_out} == seqs


@given(
    st.lists(st.tuples(st.integers(1, 5), st.booleans(), st.booleans()), min_size=1, max_size=60)
)
def test_there_is_no_verdict_without_two_refusals_of_the_collectors_own(
    story: list[tuple[int, bool, bool]],
) -> None:
    """Each step: (seq, refused by the collector itself, or taken)."""
    aside = Aside(1.0, 300.0)
    own_refusals: dict[int, int] = {}
    taken_since: dict[int, bool] = {}
    for seq, own, is_taken in story:
        if is_taken:
            aside.taken(one(seq))
            own_refusals.pop(seq, None)
            taken_since = dict.fromkeys(own_refusals, True)
        elif put(aside, seq, own=own):
            assert own
            assert own_refusals[seq] >= 1
            assert taken_since[seq]
            own_refusals.pop(seq)
        else:
            own_refusals[seq] = own_refusals.get(seq, 0) + own
            taken_since[seq] = False
