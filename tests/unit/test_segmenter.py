from __future__ import annotations

import numpy as np
import pytest

from edge_runtime.config import Gate
from edge_runtime.gate.segmenter import Cut, Segmenter, SegmenterPolicy
from edge_runtime.types import SegmentEnd

POLICY = SegmenterPolicy(pre_roll=3, min_speech=2, hang_over=4, max_length=12, pause=1)
NOTHING = np.empty(0, np.int16)


def cuts(
    text: str, policy: SegmenterPolicy = POLICY, *, flush: str = "ended"
) -> list[tuple[str, str]]:
    """``.`` is a window without speech, a letter one with; out come (what is inside, why cut)."""
    segmenter = Segmenter(policy)
    found: list[Cut | None] = []
    for char in text:
        window = np.full(2, ord(char), np.int16)
        found.append(segmenter.feed(window, is_speech=char != "."))
    if flush != "no":
        found.append(segmenter.flush(NOTHING, lost=flush == "lost"))
    return [
        ("".join(chr(value) for value in cut.samples[::2]), cut.end.value) for cut in found if cut
    ]


def test_a_word_comes_with_its_pre_roll_and_hang_over() -> None:
    assert cuts(".....abc........") == [("...abc....", "ended")]


def test_speech_that_is_shorter_than_the_minimum_is_no_segment() -> None:
    assert cuts(".....a.......b......") == []


def test_a_hole_as_long_as_a_pause_does_not_end_the_beginning_of_a_word() -> None:
    assert cuts("....a.b.....") == [("...a.b....", "ended")]


def test_a_longer_hole_before_the_minimum_is_reached_starts_anew() -> None:
    assert cuts("....a..bc.....") == [("a..bc....", "ended")]


def test_the_pre_roll_is_what_there_is_when_the_stream_has_just_begun() -> None:
    assert cuts(".ab.....") == [(".ab....", "ended")]


def test_a_segment_does_not_reach_back_into_the_one_before() -> None:
    assert cuts("....ab....cd......") == [("...ab....", "ended"), ("cd....", "ended")]


def test_speech_within_the_hang_over_goes_on_in_the_same_segment() -> None:
    assert cuts("...ab...c....", SegmenterPolicy(3, 2, 4, 20, 1)) == [("...ab...c....", "ended")]


def test_at_its_maximum_length_a_segment_is_cut_and_goes_on_without_a_hole() -> None:
    assert cuts("...abcdefghijklmno.....") == [
        ("...abcdefghi", "max_length"),
        ("jklmno....", "ended"),
    ]


def test_silence_behind_a_cut_at_the_maximum_length_is_no_segment_but_may_be_pre_roll() -> None:
    assert cuts("...abcdefghi....jk....") == [
        ("...abcdefghi", "max_length"),
        ("...jk....", "ended"),
    ]


def test_one_window_of_speech_behind_a_cut_is_not_lost_though_it_is_short() -> None:
    assert cuts("...abcdefghij.....") == [("...abcdefghi", "max_length"), ("j....", "ended")]


def test_at_the_end_of_the_stream_open_speech_is_truncated() -> None:
    assert cuts("....abc") == [("...abc", "truncated")]


def test_at_the_end_of_the_stream_a_word_that_is_over_has_ended() -> None:
    assert cuts("....abc..") == [("...abc..", "ended")]


def test_what_is_lost_may_have_been_speech_so_the_segment_before_it_is_truncated() -> None:
    assert cuts("....abc..", flush="lost") == [("...abc..", "truncated")]


def test_less_than_a_window_at_the_end_belongs_to_the_open_segment() -> None:
    segmenter = Segmenter(POLICY)
    for _ in range(3):
        segmenter.feed(np.ones(2, np.int16), is_speech=True)
    cut = segmenter.flush(np.full(1, 7, np.int16), lost=False)
    assert cut is not None
    assert cut.samples.tolist() == [1, 1, 1, 1, 1, 1, 7]


def test_nothing_is_joined_across_a_reset() -> None:
    segmenter = Segmenter(POLICY)
    segmenter.feed(np.ones(2, np.int16), is_speech=True)
    segmenter.reset()
    assert segmenter.feed(np.ones(2, np.int16), is_speech=True) is None
    assert segmenter.flush(NOTHING, lost=False) is None


def test_the_place_of_a_segment_is_counted_from_the_last_reset() -> None:
    segmenter = Segmenter(POLICY)
    for _ in range(5):
        segmenter.feed(np.zeros(2, np.int16), is_speech=False)
    segmenter.reset()
    for n in range(6):
        segmenter.feed(np.zeros(2, np.int16), is_speech=n >= 4)
    cut = segmenter.flush(NOTHING, lost=False)
    assert cut is not None
    assert cut.first == 1
    assert cut.end is SegmentEnd.TRUNCATED


def test_the_config_in_milliseconds_becomes_windows_that_are_never_more_than_asked() -> None:
    policy = SegmenterPolicy.of(
        Gate(pre_roll_ms=310, min_speech_ms=130, hang_over_ms=510, max_segment_s=1.99), 20
    )
    assert policy == SegmenterPolicy(
        pre_roll=15, min_speech=6, hang_over=25, max_length=99, pause=5
    )


def test_a_short_maximum_length_leaves_less_room_for_holes_in_the_beginning_of_a_word() -> None:
    policy = SegmenterPolicy.of(
        Gate(pre_roll_ms=300, min_speech_ms=200, hang_over_ms=100, max_segment_s=0.7), 20
    )
    assert policy.pause < 5
    assert policy.max_length == 35


def test_a_policy_whose_beginning_does_not_fit_into_a_segment_is_refused() -> None:
    with pytest.raises(ValueError, match="max_length"):
        SegmenterPolicy(pre_roll=10, min_speech=2, hang_over=1, max_length=12, pause=1)
    with pytest.raises(ValueError, match="too small"):
        SegmenterPolicy(pre_roll=0, min_speech=0, hang_over=1, max_length=12, pause=1)
