"""Which pictures are new, and which were queued somewhere."""

from __future__ import annotations

from itertools import pairwise

import pytest

from edge_runtime.capture.newest import Cadence, Compressed, Newest
from edge_runtime.clock import NS_PER_MS, NS_PER_S, SYSTEM_CLOCK
from edge_runtime.errors import SourceUnavailable
from tests.support.fakes import FakeClock


def picture(data: bytes, **more: bool) -> Compressed:
    return Compressed(data, SYSTEM_CLOCK.stamp(), **more)


def told(times_ms: list[int], waited_ms: list[int] | None = None) -> str:
    """Of the pictures that came at these times: `.` is new, `o` has a newer one in its place.

    `waited_ms`: how long each was waited for; all of its spacing where it is not said.
    """
    cadence = Cadence()
    spacings = [0, *(after - before for before, after in pairwise(times_ms))]
    waits = waited_ms or spacings
    settles = [
        cadence.settle_ns(ms * NS_PER_MS, waited * NS_PER_MS)
        for ms, waited in zip(times_ms, waits, strict=True)
    ]
    lasts = [*(spacing * NS_PER_MS for spacing in spacings[1:]), 10**12]
    assert max(settles) <= 500 * NS_PER_MS
    return "".join("o" if ns > last else "." for ns, last in zip(settles, lasts, strict=True))


def shots(count: int, gap_ms: int, pause_ms: int, times: int) -> list[int]:
    """`count` pictures at a pace, then a pause, again and again."""
    round_ms = (count - 1) * gap_ms + pause_ms
    return [round_ms * turn + gap_ms * n for turn in range(times) for n in range(count)]


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


@pytest.mark.parametrize("count", [2, 3, 5, 10])
@pytest.mark.parametrize("gap_ms", [20, 50, 100, 500])
def test_every_picture_of_a_line_that_stops_between_its_parts_is_new(
    gap_ms: int, count: int
) -> None:
    for pause_ms in (1100, 3000, 10_000):
        assert told(shots(count, gap_ms, pause_ms, 12)) == 12 * count * "."


def test_a_camera_that_loses_a_picture_now_and_then_loses_no_more_here() -> None:
    times = [100 * n + 400 * (n // 7) for n in range(70)]
    assert told(times) == 70 * "."


def test_a_camera_that_left_out_what_it_could_not_send_is_seen_at_once() -> None:
    after = [STEADY[-1] + 2000 + 40 * n for n in range(20)]
    assert told([*STEADY, *after]) == 40 * "."


def test_a_camera_that_sends_a_part_of_its_queue_is_seen_again_once_it_is_at_its_rhythm() -> None:
    """The last of a burst may be as old as the first: its buffer was full."""
    queued = [STEADY[-1] + 2000 + 2 * n for n in range(15)]
    after = [queued[-1] + 40 * n for n in range(1, 20)]
    found = told([*STEADY, *queued, *after])[20:]
    assert found[:19] == 19 * "o"
    assert found[20:] == 14 * "."


def test_the_last_picture_of_a_burst_is_new_where_no_other_follows() -> None:
    stopped = STEADY[-1] + 3000
    assert told([*STEADY, stopped, stopped + 2, stopped + 4])[-3:] == "oo."


@pytest.mark.parametrize(("before_ms", "after_ms"), [(40, 500), (500, 40), (100, 40), (40, 100)])
def test_a_camera_that_changes_its_rate_has_no_queue(before_ms: int, after_ms: int) -> None:
    one = [before_ms * n for n in range(20)]
    other = [one[-1] + 500 + after_ms * n for n in range(20)]
    back = [other[-1] + 500 + before_ms * n for n in range(20)]
    times = [*one, *other, *back]
    assert told(times) == 60 * "."


def test_a_camera_with_another_rhythm_behind_a_pause_is_seen_again() -> None:
    after = [STEADY[-1] + 2000 + 100 * n for n in range(40)]
    assert told([*STEADY, *after])[-15:] == 15 * "."


def test_a_slow_camera_is_seen_with_its_first_picture_behind_a_pause() -> None:
    steady = [1000 * n for n in range(10)]
    assert told([*steady, 13_000, 14_000, 15_000])[-3:] == "..."


def test_a_picture_of_a_slow_network_that_was_queued_is_old_though_it_takes_its_time() -> None:
    """One a second, 160 ms each to send: nothing is waited for but bytes."""
    steady = [1000 * n for n in range(10)]
    queued = [13_000 + 160 * n for n in range(4)]
    waits = [*(10 * [800]), 4000, 5, 5, 5]
    assert told([*steady, *queued], waits)[-3:] == "oo."


def test_a_camera_that_is_triggered_now_and_then_is_waited_for_by_a_moment_at_most() -> None:
    cadence = Cadence()
    waits = [cadence.settle_ns(s * 1000 * NS_PER_MS, NS_PER_S) for s in (0, 3, 4, 11, 12, 30, 50)]
    assert max(waits) <= 100 * NS_PER_MS


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


def test_behind_a_picture_that_was_cut_the_next_one_is_waited_for_and_not_spun_for() -> None:
    clock = FakeClock()
    newest = Newest(clock)
    newest.put(Compressed(b"cut", clock.stamp(), 0, is_cut=True))
    assert newest.take(0.5) is not None
    for _ in range(3):
        began_ns = clock.now_ns
        assert newest.take(0.5) is None
        assert clock.now_ns - began_ns == NS_PER_S // 2
    assert clock.waits == [0.5, 0.5, 0.5]


def test_a_picture_that_settles_is_taken_once_it_has_and_not_later() -> None:
    clock = FakeClock()
    newest = Newest(clock)
    newest.put(Compressed(b"1", clock.stamp(), 400 * NS_PER_MS))
    assert newest.take(0.3) is None
    assert newest.take(0.3) is not None
    assert sum(clock.waits) == pytest.approx(0.4)


def test_a_picture_that_is_passed_over_shows_that_the_camera_lives() -> None:
    clock = FakeClock()
    newest = Newest(clock)
    assert newest.last_ns is None
    newest.put(Compressed(b"1", clock.stamp()))
    clock.advance(1.0)
    newest.pass_over(clock.stamp())
    assert newest.last_ns == clock.now_ns
