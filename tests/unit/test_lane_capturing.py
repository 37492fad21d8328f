from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from edge_runtime.channel import Channel, OnFull
from edge_runtime.errors import ItemError, NoInput, SourceUnavailable
from edge_runtime.lane.capturing import REOPEN_MAX_S, Capturing
from edge_runtime.lane.faults import REPEAT_S, FaultLine
from edge_runtime.progress import Progress
from edge_runtime.types import Actuation, Frame
from tests.support.fakes import FakeClock, FakeOutput, ScriptedSource, frame


class Bench:
    """A capture loop with everything around it."""

    def __init__(
        self,
        script: list[Any],
        *,
        live: bool = True,
        retry: bool = True,
        capacity: int = 64,
        wanted: Callable[[Frame], bool] = lambda _: True,
    ) -> None:
        self.clock = FakeClock()
        self.stop = threading.Event()
        self.output = FakeOutput()
        self.reasons: list[str] = []
        self.bad: list[str] = []
        self.first: Channel[Frame] = Channel(capacity, OnFull.DROP_OLDEST if live else OnFull.BLOCK)
        self.progress = Progress(self.clock)
        self.source: ScriptedSource[Frame] = ScriptedSource(script, live=live)
        faults = FaultLine(
            [self.output],
            self._report,
            drive_outputs=True,
            progress=self.progress,
            clock=self.clock,
        )
        self.loop: Capturing[Frame] = Capturing(
            self.source,
            self.first,
            faults=faults,
            progress=self.progress,
            clock=self.clock,
            stop=self.stop,
            wanted=wanted,
            retry=retry,
            on_bad_item=self.bad.append,
        )

    def _report(self, reason: str, futures: tuple[Future[Actuation], ...]) -> None:
        self.reasons.append(reason)

    def taken(self) -> list[int]:
        return [item.seq for item in self.first]


def test_a_replay_is_handed_over_whole_and_in_order_and_then_the_queue_is_closed() -> None:
    bench = Bench([frame(n) for n in range(5)], live=False)
    bench.loop.run()
    assert bench.taken() == [0, 1, 2, 3, 4]
    assert bench.source.closed == 1


def test_a_live_source_drops_the_oldest_frame_when_nobody_takes_it_and_counts_it() -> None:
    bench = Bench([frame(n) for n in range(5)], live=True, capacity=1)
    bench.loop.run()
    assert bench.taken() == [4]
    assert bench.first.stats().dropped == 4


def test_a_camera_that_is_away_says_no_read_drives_the_safe_state_and_comes_back() -> None:
    bench = Bench([SourceUnavailable("unplugged"), frame(0)])
    bench.loop.run()
    assert bench.reasons == ["unplugged"]
    assert bench.output.faults == [True, False]
    assert bench.source.opened == 2
    assert bench.taken() == [0]


def test_while_a_camera_stays_away_no_read_is_repeated_but_not_at_every_attempt() -> None:
    bench = Bench([SourceUnavailable("away")] * 12)
    bench.loop.run()
    away_s = sum(bench.clock.waits)
    assert bench.output.faults == [True]
    assert 2 <= len(bench.reasons) <= 1 + away_s / REPEAT_S


def test_the_wait_before_reopening_grows_to_its_limit_and_starts_anew_after_a_frame() -> None:
    bench = Bench([*[SourceUnavailable("away")] * 10, frame(0), SourceUnavailable("away again")])
    bench.loop.run()
    assert max(bench.clock.waits) == REOPEN_MAX_S
    assert bench.clock.waits[-1] == bench.clock.waits[0] < REOPEN_MAX_S


def test_a_recording_that_is_not_there_is_an_error_and_not_waited_for() -> None:
    bench = Bench([SourceUnavailable("belt.mp4: no such file")], live=False, retry=False)
    with pytest.raises(NoInput, match=r"belt\.mp4"):
        bench.loop.run()
    assert bench.taken() == []


def test_a_bad_item_is_reported_and_the_next_one_is_taken() -> None:
    bench = Bench([frame(0), ItemError("part_7.jpg: not an image"), frame(1)], live=False)
    bench.loop.run()
    assert bench.taken() == [0, 1]
    assert bench.bad == ["part_7.jpg: not an image"]


def test_stop_ends_the_loop_though_the_source_would_go_on() -> None:
    stop: list[Callable[[], None]] = []
    bench = Bench([frame(0), lambda: stop[0](), frame(1)])
    stop.append(bench.stop.set)
    bench.loop.run()
    assert bench.taken() == [0]


def test_the_frame_gate_decides_before_the_queue_so_unwanted_frames_displace_nothing() -> None:
    bench = Bench([frame(n) for n in range(6)], capacity=2, wanted=lambda item: item.seq < 2)
    bench.loop.run()
    assert bench.taken() == [0, 1]
    assert bench.first.stats().dropped == 0
