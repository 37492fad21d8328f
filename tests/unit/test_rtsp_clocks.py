"""An RTSP camera whose clock is wrong: when its pictures were taken, and which of them count."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import NamedTuple

import pytest

from edge_runtime.capture.rtsp.ages import STALE_INTERVALS, STALE_NS, Pace, StreamTime
from edge_runtime.clock import NS_PER_MS, NS_PER_S

HZ = 90_000
STEP_S = 0.04


class Seen(NamedTuple):
    """Of one picture."""

    real_s: float
    age_s: float
    """As it is stamped, when it arrives."""
    is_steady: bool
    note: str


def watched(
    tells: Callable[[float], float],
    seconds: float,
    *,
    step_s: float = STEP_S,
    waits: Callable[[float], float] = lambda _: 0.0,
    reports: bool = False,
) -> list[Seen]:
    """`tells`: what the camera's clock says by the real time; `waits`: on the way, by the same."""
    time, pace, dice, seen = StreamTime(HZ), Pace(), random.Random(8), []
    arrived_s = 0.0
    for number in range(int(seconds / step_s)):
        real_s = number * step_s
        arrived_s = max(arrived_s, 100 + real_s + waits(real_s) + dice.uniform(0.001, 0.006))
        arrived_ns = int(arrived_s * NS_PER_S)
        at_ns = time.arrived(int(tells(real_s) * HZ) % 2**32, arrived_ns)
        if reports and number % 50 == 49:
            time.reported(int((tells(real_s) + 0.001) * HZ) % 2**32, arrived_ns + NS_PER_MS)
        pace.came(time)
        age_s = (arrived_ns - time.taken_ns(at_ns, arrived_ns)) / NS_PER_S
        seen.append(Seen(real_s, age_s, pace.is_steady, time.note))
    return seen


def oldest_s(seen: Iterable[Seen]) -> float:
    return max(each.age_s for each in seen)


@pytest.mark.parametrize("wrong", [-0.03, -0.01, -0.005, -0.001, -0.0001, 0.001, 0.01])
@pytest.mark.parametrize("reports", [False, True])
def test_a_clock_that_is_a_little_wrong_makes_no_picture_old_however_long_it_runs(
    wrong: float, reports: bool
) -> None:
    seen = watched(lambda real_s: real_s * (1 + wrong), 900.0, reports=reports)
    assert oldest_s(seen) < 0.15
    assert all(each.is_steady for each in seen[100:])


@pytest.mark.parametrize("rate", [0.95, 0.8, 0.5, 0.3])
def test_a_slow_clock_is_followed_within_seconds_and_told(rate: float) -> None:
    seen = watched(lambda real_s: real_s * rate, 120.0)
    assert oldest_s(seen) < 5 * (1 - rate)
    assert oldest_s(each for each in seen if each.real_s > 6) < 0.1
    assert f"{rate:.2f} times" in seen[-1].note


@pytest.mark.parametrize("rate", [1.05, 1.2, 2.0, 4.0])
def test_a_fast_clock_costs_pictures_for_seconds_only_once_it_is_known(rate: float) -> None:
    seen = watched(lambda real_s: real_s * rate, 120.0)
    assert all(each.is_steady for each in seen if each.real_s > 15)
    assert oldest_s(seen) < 0.1


def test_in_the_dark_a_camera_that_gives_half_the_pictures_at_its_usual_steps_is_followed() -> None:
    def tells(real_s: float) -> float:
        return real_s if real_s < 60 else 60 + (real_s - 60) * 0.4

    seen = watched(tells, 180.0)
    assert oldest_s(seen) < 2.6
    assert oldest_s(each for each in seen if each.real_s > 66) < 0.1


def test_times_that_stand_still_are_not_believed() -> None:
    seen = watched(lambda _: 0.0, 60.0)
    assert oldest_s(each for each in seen if each.real_s > 5) == 0
    assert "stamped as they arrive" in seen[-1].note


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0, -2.0, 2.0])
def test_times_that_jump_and_jump_back_make_no_picture_old(jump_s: float) -> None:
    seen = watched(lambda real_s: 9000 + real_s + jump_s * (real_s % 8 >= 4), 120.0)
    assert oldest_s(seen) < 0.1


@pytest.mark.parametrize("fps", [0.08, 0.5, 2.0])
@pytest.mark.parametrize("rate", [1.0, 0.99, 0.5])
def test_a_slow_cameras_pictures_are_not_old_either(fps: float, rate: float) -> None:
    seen = watched(lambda real_s: real_s * rate, 400 / fps, step_s=1 / fps)
    assert oldest_s(seen[20:]) < 0.1 + 0.02 / fps


@pytest.mark.parametrize("rate", [1.0, 0.99, 0.5, 1.2])
@pytest.mark.parametrize("pause_s", [0.5, 3.0, 9.0])
@pytest.mark.parametrize("catches_up", [0.0, 0.5])
def test_behind_a_pause_no_old_picture_looks_new_whatever_the_clock(
    rate: float, pause_s: float, catches_up: float
) -> None:
    """`catches_up`: so much of the time that it is behind it is still, a second later."""

    def waits(real_s: float) -> float:
        behind_s = real_s - 60.0
        if behind_s < 0:
            return 0.0
        if catches_up == 0:
            return max(0.0, pause_s - behind_s)
        return max(0.0, pause_s - behind_s * (1 - catches_up))

    seen = watched(lambda real_s: real_s * rate, 120.0, waits=waits)
    limit_s = STALE_INTERVALS * STEP_S + STALE_NS / NS_PER_S
    wrong = [
        each
        for each in seen[500:]
        if waits(each.real_s) > 2 * limit_s and each.age_s < waits(each.real_s) - limit_s
    ]
    assert wrong == []
