from __future__ import annotations

import pytest

from edge_runtime.link.messages import Heartbeat
from edge_runtime.supervisor.states import ChildHealth, ChildState
from edge_runtime.supervisor.watching import CHECK_S, Patience, Watch
from tests.support.fakes import FakeClock

PATIENCE = Patience(start_s=60.0, stall_s=10.0, backoff_min_s=0.2, backoff_max_s=30.0)


class Scene:
    def __init__(self, state: ChildState = ChildState.RUNNING) -> None:
        self.clock = FakeClock()
        now = self.clock.boottime_ns()
        self.health = ChildHealth(state=state, started_ns=now, heartbeat_ns=now)
        self.watch = Watch(self.health, PATIENCE, self.clock)

    def after(self, seconds: float) -> str | None:
        """Look each `CHECK_S` for so long, or until there is a reason."""
        for _ in range(round(seconds / CHECK_S)):
            self.clock.advance(CHECK_S)
            if (reason := self.watch.look()) is not None:
                return reason
        return None

    def beat(self, **loops: float) -> None:
        self.health.heartbeat = Heartbeat("running", loops, {})
        self.health.heartbeat_ns = self.clock.boottime_ns()


def test_a_child_that_loads_has_its_time_to_start() -> None:
    scene = Scene(ChildState.STARTING)
    assert scene.after(59.0) is None
    assert scene.after(2.0) == "not ready after 60 s"


def test_a_child_that_falls_silent_is_stuck() -> None:
    scene = Scene()
    scene.beat(decide=0.0)
    assert scene.after(9.0) is None
    assert scene.after(2.0) == "no heartbeat for 10.2 s"


def test_a_loop_that_does_not_turn_is_stuck_and_one_that_is_busy_says_0() -> None:
    scene = Scene()
    scene.beat(infer=0.0, decide=10.5)
    assert scene.after(1.0) == "loop 'decide' has not turned for 10.5 s"


def test_a_child_that_is_told_to_drain_has_its_time_and_no_more() -> None:
    scene = Scene()
    scene.watch.drain_within(3.0)
    assert scene.after(3.0) is None
    assert scene.after(1.0) == "does not drain"


@pytest.mark.parametrize("state", [ChildState.RUNNING, ChildState.STARTING])
def test_when_it_is_we_who_stood_still_nobody_is_blamed(state: ChildState) -> None:
    scene = Scene(state)
    scene.beat(decide=0.0)
    scene.clock.advance(600.0)
    assert scene.watch.look() is None
    assert scene.after(9.0) is None
