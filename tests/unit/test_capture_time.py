from __future__ import annotations

import numpy as np
import pytest

from edge_runtime.capture.frozen import FrozenPicture
from edge_runtime.capture.listing import can_capture
from edge_runtime.capture.pace import WAIT_AT_MOST_S, Pace
from edge_runtime.capture.sound import next_sample
from edge_runtime.capture.timeline import Timeline
from edge_runtime.capture.video import next_frame
from edge_runtime.types import Stamp
from tests.support.fakes import FakeClock

NS = 1_000_000_000


def stamp(second: float) -> Stamp:
    return Stamp(0, round(second * NS), "boot")


def test_blocks_that_follow_each_other_are_counted_whatever_the_clock_says() -> None:
    timeline = Timeline(16_000)
    places = [timeline.place(480, stamp(10 + late)) for late in (0.03, 0.2, 0.09)]
    assert places == [(False, 0), (False, 480), (False, 960)]


def test_behind_a_loss_the_clock_tells_how_many_samples_are_missing() -> None:
    timeline = Timeline(16_000)
    timeline.place(480, stamp(10.03))
    timeline.lost()
    assert timeline.place(480, stamp(11.03)) == (True, 16_000)
    assert timeline.place(480, stamp(11.06)) == (False, 16_480)


def test_a_loss_never_moves_time_backwards() -> None:
    timeline = Timeline(16_000)
    for n in range(10):
        timeline.place(480, stamp(10.03 + n * 0.02))  # the card runs ahead of the clock
    timeline.lost()
    assert timeline.place(480, stamp(10.23)) == (True, 4800)


def test_the_first_opening_is_no_gap_and_each_later_one_is() -> None:
    timeline = Timeline(16_000)
    timeline.reopened(16_000)
    assert timeline.place(480, stamp(10.03)) == (False, 0)
    timeline.reopened(16_000)
    assert timeline.place(480, stamp(20.03)) == (True, 160_000)


def test_a_device_that_comes_back_with_another_rate_keeps_its_time() -> None:
    timeline = Timeline(16_000)
    timeline.place(480, stamp(10.03))
    timeline.reopened(48_000)
    assert timeline.place(1440, stamp(15.03)) == (True, 5 * 48_000)


def test_a_replay_in_real_time_waits_until_each_position_is_due() -> None:
    clock = FakeClock()
    pace = Pace(clock)
    assert [pace.is_due(position) for position in (5.0, 5.25, 5.5)] == [True] * 3
    assert clock.waits == [pytest.approx(0.25), pytest.approx(0.25)]


def test_a_replay_that_is_late_does_not_wait() -> None:
    clock = FakeClock()
    pace = Pace(clock)
    pace.is_due(0.0)
    clock.advance(3.0)
    assert pace.is_due(1.0)
    assert clock.waits == []


def test_a_long_wait_is_cut_up_so_that_the_loop_turns() -> None:
    clock = FakeClock()
    pace = Pace(clock)
    pace.is_due(0.0)
    assert [pace.is_due(1.2), pace.is_due(1.2), pace.is_due(1.2)] == [False, False, True]
    assert max(clock.waits) <= WAIT_AT_MOST_S


def test_at_another_rate_time_goes_on_from_where_it_was_though_the_clock_is_behind() -> None:
    timeline = Timeline(16_000)
    for n in range(100):
        timeline.place(480, stamp(10.03 + n * 0.02))  # the card runs ahead: 3 s in 2 s
    timeline.reopened(48_000)
    assert timeline.place(1440, stamp(12.5)) == (True, 3 * 48_000)


def picture(seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 255, (48, 32, 3), np.uint8)


def test_a_picture_is_frozen_for_as_long_as_every_bit_is_the_same() -> None:
    frozen = FrozenPicture()
    seconds = [frozen.seconds(picture(1), n * NS) for n in range(4)]
    assert seconds == [0.0, 1.0, 2.0, 3.0]


def test_one_bit_anywhere_is_a_new_picture() -> None:
    frozen = FrozenPicture()
    frozen.seconds(picture(1), 0)
    changed = picture(1)
    changed[17, 3, 1] ^= 1
    assert frozen.seconds(changed, 5 * NS) == 0.0


def test_a_camera_that_comes_back_with_the_picture_it_hung_on_still_hangs() -> None:
    frozen = FrozenPicture()
    frozen.seconds(picture(1), 0)
    frozen.seconds(picture(1), 9 * NS)
    assert frozen.seconds(picture(1).copy(), 12 * NS) == 12.0


def test_a_replay_goes_on_behind_the_item_and_at_the_start_for_any_other() -> None:
    assert next_frame("frame:41") == 42
    assert next_frame(None) == 0
    assert next_sample("samples:100-250") == 250
    for other in ("part.jpg:3:4", "frame:", "frame:-2", "samples:5", "nonsense"):
        assert next_frame(other) == 0
        assert next_sample(other) == 0


def answer(capabilities: int, device_caps: int) -> bytes:
    return (
        b"\0" * 84
        + capabilities.to_bytes(4, "little")
        + device_caps.to_bytes(4, "little")
        + (b"\0" * 12)
    )


def test_a_node_is_a_camera_by_what_it_can_itself_not_by_what_its_card_can() -> None:
    card_captures_and_tells_per_node = 0x8000_0000 | 0x1
    assert can_capture(answer(card_captures_and_tells_per_node, 0x0420_0001))
    assert not can_capture(answer(card_captures_and_tells_per_node, 0x0080_0000))  # metadata
    assert can_capture(answer(0x0500_0001, 0))  # an old driver tells once for all
    assert can_capture(answer(0x8000_1000, 0x0000_1000))  # multi-planar
