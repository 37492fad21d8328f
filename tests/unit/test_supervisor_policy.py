from __future__ import annotations

from edge_runtime.clock import NS_PER_S
from edge_runtime.supervisor.policy import CrashHistory, RestartPolicy, stalled


def test_restarts_back_off_from_the_minimum_to_the_maximum_and_never_overflow() -> None:
    policy = RestartPolicy(min_s=0.2, max_s=30.0)
    delays = [policy.delay_s(n) for n in range(1, 12)]
    assert delays[0] == 0.2
    assert delays == sorted(delays)
    assert delays[-1] == 30.0
    assert policy.delay_s(10_000) == 30.0


def test_crashes_that_lie_back_longer_than_the_window_are_forgiven() -> None:
    history = CrashHistory()
    assert [history.add(n * NS_PER_S) for n in (0, 10, 20)] == [1, 2, 3]
    assert history.is_loop(20 * NS_PER_S)
    assert not history.is_loop(75 * NS_PER_S)
    assert history.total == 3


def test_a_loop_that_does_not_turn_is_named() -> None:
    reason = stalled({"capture": 0.1, "infer-0": 12.0}, heartbeat_age_s=0.4, stall_s=10.0)
    assert reason is not None
    assert "infer-0" in reason


def test_a_child_that_turns_all_its_loops_is_left_alone() -> None:
    assert stalled({"capture": 1.0}, heartbeat_age_s=0.5, stall_s=10.0) is None


def test_a_child_without_heartbeats_is_stuck_whatever_its_last_one_said() -> None:
    assert stalled({}, heartbeat_age_s=11.0, stall_s=10.0) == "no heartbeat for 11.0 s"
