"""Invariants of cutting sound: nothing lost, nothing twice, nothing too long."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.config import Gate
from edge_runtime.gate.rechunk import Rechunk
from edge_runtime.gate.segmenter import Cut, Segmenter, SegmenterPolicy
from edge_runtime.types import SegmentEnd

GAP = None


@given(st.lists(st.integers(0, 50), max_size=30), st.integers(1, 20))
def test_windows_and_the_rest_are_what_came_in(sizes: list[int], size: int) -> None:
    rechunk = Rechunk(size)
    everything = np.arange(sum(sizes), dtype=np.int16)
    windows = []
    at = 0
    for count in sizes:
        windows += rechunk.feed(everything[at : at + count])
        at += count
    rest = rechunk.take_rest()
    assert all(len(window) == size for window in windows)
    assert len(rest) < size
    assert np.concatenate([*windows, rest]).tolist() == everything.tolist()
    assert len(rechunk.take_rest()) == 0


@st.composite
def policies(draw: st.DrawFn) -> SegmenterPolicy:
    pre_roll = draw(st.integers(0, 6))
    min_speech = draw(st.integers(1, 5))
    pause = draw(st.integers(0, 4))
    longest = pre_roll + (min_speech - 1) * (pause + 1) + 1
    return SegmenterPolicy(
        pre_roll=pre_roll,
        min_speech=min_speech,
        hang_over=draw(st.integers(1, 6)),
        max_length=longest + draw(st.integers(1, 12)),
        pause=pause,
    )


streams = st.lists(
    st.one_of(
        st.tuples(st.booleans(), st.integers(1, 25)),  # so many windows of speech or of none
        st.just((GAP, 1)),
    ),
    max_size=25,
).map(lambda runs: [flag for flag, count in runs for _ in range(count)])


def cut_up(flags: list[bool | None], policy: SegmenterPolicy) -> list[tuple[int, int, SegmentEnd]]:
    """(first, end, why) of every segment, in windows of the whole stream."""
    segmenter = Segmenter(policy)
    found = []
    base = at = 0

    def keep(cut: Cut | None) -> None:
        if cut is not None:
            # Each window holds its own number, so that what is inside can be checked too.
            numbers = cut.samples.tolist()
            assert numbers == list(range(base + cut.first, base + cut.first + len(numbers)))
            found.append((numbers[0], numbers[-1] + 1, cut.end))

    for flag in flags:
        if flag is None:
            keep(segmenter.flush(np.empty(0, np.int16), lost=True))
            segmenter.reset()
            base = at
            continue
        keep(segmenter.feed(np.array([at], np.int16), is_speech=flag))
        at += 1
    keep(segmenter.flush(np.empty(0, np.int16), lost=False))
    return found


def gaps_and_speech(flags: list[bool | None]) -> tuple[list[int], list[bool]]:
    gaps: list[int] = []
    speech: list[bool] = []
    for flag in flags:
        if flag is None:
            gaps.append(len(speech))
        else:
            speech.append(flag)
    return gaps, speech


@given(streams, policies())
def test_segments_are_in_order_apart_and_not_too_long(
    flags: list[bool | None], policy: SegmenterPolicy
) -> None:
    segments = cut_up(flags, policy)
    assert all(first < end for first, end, _ in segments)
    assert all(end - first <= policy.max_length for first, end, _ in segments)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(segments))


@given(streams, policies())
def test_no_segment_reaches_over_a_gap(flags: list[bool | None], policy: SegmenterPolicy) -> None:
    gaps, _ = gaps_and_speech(flags)
    for first, end, _why in cut_up(flags, policy):
        assert not [gap for gap in gaps if first < gap < end]


@given(streams, policies())
def test_every_long_enough_run_of_speech_is_inside_segments_each_window_once(
    flags: list[bool | None], policy: SegmenterPolicy
) -> None:
    gaps, speech = gaps_and_speech(flags)
    covered = np.zeros(len(speech), int)
    for first, end, _ in cut_up(flags, policy):
        covered[first:end] += 1
    run: list[int] = []
    for at in range(len(speech) + 1):
        if at in gaps or at == len(speech) or not speech[at]:
            if len(run) >= policy.min_speech:
                assert (covered[run] == 1).all()
            run = []
        if at < len(speech) and speech[at]:
            run.append(at)


@given(streams, policies())
def test_a_segment_holds_speech_and_no_more_than_pre_roll_before_and_hang_over_behind(
    flags: list[bool | None], policy: SegmenterPolicy
) -> None:
    _, speech = gaps_and_speech(flags)
    previous_end = None
    for first, end, why in cut_up(flags, policy):
        said = np.flatnonzero(speech[first:end])
        assert len(said)
        goes_on = previous_end == first  # behind a cut at the maximum length there is no pre-roll
        assert goes_on or said[0] <= policy.pre_roll
        assert end - first - 1 - said[-1] <= policy.hang_over
        assert why is not SegmentEnd.MAX_LENGTH or end - first == policy.max_length
        previous_end = end


@given(
    st.integers(0, 5000),
    st.integers(10, 5000),
    st.integers(0, 10_000),
    st.floats(0.21, 120),
    st.sampled_from([10, 20, 30, 32]),
)
def test_every_config_that_is_accepted_makes_a_policy(
    pre_roll_ms: int, min_speech_ms: int, hang_over_ms: int, max_segment_s: float, window_ms: int
) -> None:
    try:
        settings = Gate(
            pre_roll_ms=pre_roll_ms,
            min_speech_ms=min_speech_ms,
            hang_over_ms=hang_over_ms,
            max_segment_s=max_segment_s,
        )
    except ValueError:
        assert max_segment_s * 1000 < pre_roll_ms + min_speech_ms + 100.1
        return
    policy = SegmenterPolicy.of(settings, window_ms)
    assert policy.max_length * window_ms <= max_segment_s * 1000
    assert policy.pre_roll * window_ms <= pre_roll_ms
