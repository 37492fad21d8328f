"""Which pictures are new, and which were queued somewhere."""

from __future__ import annotations

import pytest

from edge_runtime.capture.newest import Cadence, Compressed, Newest
from edge_runtime.clock import NS_PER_MS, SYSTEM_CLOCK
from edge_runtime.errors import SourceUnavailable


def picture(data: bytes, **more: bool) -> Compressed:
    return Compressed(data, SYSTEM_CLOCK.stamp(), **more)


def settled(times_ms: list[int]) -> list[bool]:
    """Which of the pictures that came at these times may be followed by newer ones at once."""
    cadence = Cadence()
    return [cadence.settle_ns(ms * NS_PER_MS) > 0 for ms in times_ms]


def test_a_steady_camera_is_never_waited_for() -> None:
    assert not any(settled([40 * n + n % 3 for n in range(50)]))
    assert not any(settled([1000 * n for n in range(20)]))


def test_what_comes_behind_a_pause_and_in_a_burst_is_old() -> None:
    steady = [40 * n for n in range(20)]
    stopped = steady[-1] + 3000
    burst = [stopped + 4 * n for n in range(10)]
    after = [burst[-1] + 40 * n for n in range(1, 6)]
    assert settled([*steady, *burst, *after]) == [False] * 20 + [True] * 10 + [False] * 5


def test_a_camera_that_is_triggered_now_and_then_is_waited_for_by_a_moment_at_most() -> None:
    cadence = Cadence()
    told = [cadence.settle_ns(s * 1000 * NS_PER_MS) for s in (0, 3, 4, 11, 12, 30)]
    assert max(told) <= 100 * NS_PER_MS


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
