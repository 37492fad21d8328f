"""Which pictures are new, and which were queued somewhere."""

from __future__ import annotations

import pytest

from edge_runtime.capture.newest import Cadence, Compressed, Newest
from edge_runtime.clock import NS_PER_MS, SYSTEM_CLOCK
from edge_runtime.errors import SourceUnavailable


def picture(data: bytes, **more: bool) -> Compressed:
    return Compressed(data, SYSTEM_CLOCK.stamp(), **more)


def told(times_ms: list[int]) -> str:
    """Of the pictures that came at these times: `.` is new, `w` is waited with, `o` is old."""
    cadence = Cadence()
    found = [cadence.settle_ns(ms * NS_PER_MS) for ms in times_ms]
    return "".join("o" if ns is None else "w" if ns else "." for ns in found)


STEADY = [40 * n for n in range(20)]


def test_a_steady_camera_is_never_waited_for() -> None:
    assert told([40 * n + n % 3 for n in range(50)]) == 50 * "."
    assert told([1000 * n for n in range(20)]) == 20 * "."


@pytest.mark.parametrize("hiccup", [0, 30])
def test_what_comes_behind_a_pause_and_in_a_burst_is_old(hiccup: int) -> None:
    """A queue of 2 s: 50 pictures, the last ones of which are new."""
    stopped = STEADY[-1] + 2000
    burst = [stopped + 4 * n + (hiccup if n > 20 else 0) for n in range(57)]
    after = [burst[-1] + 40 * n for n in range(1, 6)]
    found = told([*STEADY, *burst, *after])
    assert found[:20] == 20 * "."
    assert found[20:65] == 45 * "o"
    assert found[-5:] == 5 * "."


def test_a_camera_that_left_out_what_it_could_not_send_is_seen_again_soon() -> None:
    after = [STEADY[-1] + 2000 + 40 * n for n in range(20)]
    found = told([*STEADY, *after])[20:]
    assert found == "o" * 5 + "." * 15


def test_a_camera_with_another_rhythm_behind_a_pause_is_seen_again() -> None:
    after = [STEADY[-1] + 2000 + 100 * n for n in range(40)]
    assert told([*STEADY, *after])[-15:] == 15 * "."


def test_a_slow_camera_is_seen_again_with_its_second_picture() -> None:
    steady = [1000 * n for n in range(10)]
    assert told([*steady, 13_000, 14_000, 15_000])[-3:] == "o.."


def test_a_camera_that_is_triggered_now_and_then_is_waited_for_by_a_moment_at_most() -> None:
    cadence = Cadence()
    waits = [cadence.settle_ns(s * 1000 * NS_PER_MS) for s in (0, 3, 4, 11, 12, 30, 31, 50)]
    assert None not in waits
    assert max(ns or 0 for ns in waits) <= 100 * NS_PER_MS


def test_the_newest_picture_takes_the_place_of_the_one_that_waits() -> None:
    newest = Newest(SYSTEM_CLOCK)
    for data in (b"1", b"2", b"3"):
        newest.put(picture(data))
    taken = newest.take(0)
    assert taken is not None
    assert taken.data == b"3"
    assert len(newest.replaced()) == 2
    assert newest.replaced() == ()
    assert newest.take(0) is None


def test_a_picture_that_was_cut_is_told_though_the_next_one_came_with_it() -> None:
    newest = Newest(SYSTEM_CLOCK)
    newest.put(picture(b"cut", is_cut=True))
    newest.put(picture(b"whole"))
    taken = [newest.take(0), newest.take(0), newest.take(0)]
    assert [one and one.data for one in taken] == [b"cut", b"whole", None]
    assert newest.replaced() == ()


def test_what_came_before_the_end_is_taken_before_the_end_is_told() -> None:
    newest = Newest(SYSTEM_CLOCK)
    newest.put(picture(b"last"))
    newest.fail(SourceUnavailable("hung up"))
    newest.fail(SourceUnavailable("something that follows from it"))
    assert newest.wait(0)
    taken = newest.take(0)
    assert taken is not None
    assert taken.data == b"last"
    for _ in range(2):
        with pytest.raises(SourceUnavailable, match="hung up"):
            newest.take(0)
