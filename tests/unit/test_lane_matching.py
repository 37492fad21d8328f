"""Which picture answers which trigger: the nearest in time, never the first to arrive."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.clock import NS_PER_MS
from edge_runtime.lane.matching import Matching, Placed
from edge_runtime.types import Frame, Stamp

PIXELS = np.zeros((2, 2, 3), np.uint8)


def picture(ms: float, seq: int = 0) -> Frame:
    ns = int(ms * NS_PER_MS)
    return Frame("camera", seq, Stamp(ns, ns, "boot"), PIXELS, is_exposure=True)


def ms(value: float) -> int:
    return int(value * NS_PER_MS)


def taken(placed: list[Placed]) -> list[tuple[int, str, int, float | None]]:
    return [
        (one.part, one.view, one.frame, one.picture.captured.boottime_ns / NS_PER_MS if one.picture else None)
        for one in placed
    ]


def matching(views: str = "a", frames: int = 1, match_ms: int = 100) -> Matching:
    return Matching(dict.fromkeys(views, 0), frames=frames, match_ms=match_ms)


def test_the_picture_that_was_exposed_nearest_answers_not_the_first_to_arrive() -> None:
    match = matching()
    assert match.begin(0, ms(100)) == []
    assert match.offer("a", picture(70)) == [], "a nearer one may still come"
    assert taken(match.offer("a", picture(103))) == [(0, "a", 0, 103)]


def test_a_trigger_that_is_told_late_finds_its_picture_in_the_past() -> None:
    match = matching()
    for at in (0, 33, 66, 100):
        match.offer("a", picture(at))
    assert taken(match.begin(0, ms(40))) == [(0, "a", 0, 33)]


def test_a_picture_answers_one_trigger_only() -> None:
    match = matching(match_ms=20)
    match.offer("a", picture(100))
    match.offer("a", picture(133))
    assert taken(match.begin(0, ms(99))) == [(0, "a", 0, 100)]
    assert match.begin(1, ms(101)) == []
    (missed,) = match.due(ms(200))
    assert missed.part == 1
    assert missed.picture is None
    assert "no picture within 20 ms" in missed.why


def test_each_view_of_a_part_gets_its_own_nearest_picture() -> None:
    match = matching("ab")
    match.begin(0, ms(50))
    assert taken(match.offer("a", picture(52))) == [(0, "a", 0, 52)]
    assert match.offer("b", picture(40)) == []
    assert taken(match.offer("b", picture(73))) == [(0, "b", 0, 40)]


def test_several_pictures_of_a_part_follow_the_nearest_in_order() -> None:
    match = matching(frames=3)
    placed = match.begin(0, ms(50))
    for at in (30, 60, 90, 120):
        placed += match.offer("a", picture(at))
    assert taken(placed) == [(0, "a", 0, 60), (0, "a", 1, 90), (0, "a", 2, 120)]


def test_a_part_without_pictures_says_so_when_its_time_is_over() -> None:
    match = matching("ab")
    match.begin(0, ms(10))
    assert match.due(ms(100)) == []
    assert taken(match.due(ms(111))) == [(0, "a", 0, None), (0, "b", 0, None)]
    assert match.due(ms(500)) == []


def test_an_old_picture_never_answers() -> None:
    match = matching(match_ms=50)
    match.offer("a", picture(0))
    match.begin(0, ms(100))
    assert taken(match.due(ms(151))) == [(0, "a", 0, None)]


def test_a_network_camera_is_taken_for_as_late_as_it_may_be() -> None:
    match = Matching({"a": 40}, frames=1, match_ms=100)
    late = Frame("camera", 0, Stamp(ms(120), ms(120), "boot"), PIXELS)
    exact = Frame("camera", 1, Stamp(ms(150), ms(150), "boot"), PIXELS)
    match.begin(0, ms(100))
    placed = match.offer("a", late) + match.offer("a", exact)
    assert taken(placed) == [(0, "a", 0, 120)]  # 100 in the middle, not 130


@given(
    st.lists(st.integers(0, 2000), min_size=1, max_size=40, unique=True),
    st.lists(st.integers(0, 2000), max_size=20, unique=True),
    st.integers(1, 200),
    st.integers(0, 100),
)
def test_each_place_is_filled_once_and_within_its_time(
    pictures: list[int], triggers: list[int], match_ms: int, lag: int
) -> None:
    match = matching(match_ms=match_ms)
    happenings = [(at, "picture", number) for number, at in enumerate(sorted(pictures))]
    happenings += [(at + lag, "trigger", number) for number, at in enumerate(sorted(triggers))]
    placed: list[Placed] = []
    for at, what, number in sorted(happenings):
        if what == "picture":
            placed += match.offer("a", picture(at, number))
        else:
            placed += match.begin(number, ms(at - lag))
        placed += match.due(ms(at))
    placed += match.due(ms(10_000))
    assert sorted(one.part for one in placed) == list(range(len(triggers)))
    used = [one.picture.seq for one in placed if one.picture]
    assert len(used) == len(set(used))
    ordered = sorted(triggers)
    for one in placed:
        if one.picture:
            far = abs(one.picture.captured.boottime_ns - ms(ordered[one.part]))
            assert far <= match_ms * NS_PER_MS
