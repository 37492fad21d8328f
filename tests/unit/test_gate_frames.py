from __future__ import annotations

import numpy as np

from edge_runtime.gate.frames import IntervalGate
from edge_runtime.types import Frame, Stamp

PIXELS = np.zeros((1, 1, 3), np.uint8)


def at(second: float, *, position_s: float | None = None) -> Frame:
    stamp = Stamp(0, round(second * 1e9), "boot")
    return Frame("camera", 0, stamp, PIXELS, None, position_s)


def wanted(interval_s: float | None, seconds: list[float]) -> list[float]:
    gate = IntervalGate(interval_s)
    return [second for second in seconds if gate.wants(at(second))]


def test_without_an_interval_every_frame_goes_on() -> None:
    assert wanted(None, [0.0, 0.0, 0.1]) == [0.0, 0.0, 0.1]


def test_with_an_interval_the_first_frame_and_then_one_in_each() -> None:
    assert wanted(1.0, [n / 4 for n in range(13)]) == [0.0, 1.0, 2.0, 3.0]


def test_a_frame_that_comes_late_does_not_slow_the_rhythm() -> None:
    assert wanted(1.0, [0.0, 1.3, 2.0, 3.1, 3.9, 4.0]) == [0.0, 1.3, 2.0, 3.1, 4.0]


def test_after_a_long_absence_frames_do_not_come_in_a_burst() -> None:
    assert wanted(1.0, [0.0, 10.0, 10.1, 10.2, 11.0, 11.1]) == [0.0, 10.0, 11.0]


def test_a_recording_is_measured_by_its_own_time_however_fast_it_is_replayed() -> None:
    gate = IntervalGate(1.0)
    frames = [at(100.0 + n / 1000, position_s=n / 10) for n in range(50)]
    taken = [frame.position_s for frame in frames if gate.wants(frame)]
    assert taken == [0.0, 1.0, 2.0, 3.0, 4.0]
