"""A view's capture loop with what it hands to: its sink, the first queue and the condition."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from edge_runtime import codes
from edge_runtime.capture.named import NamedSource
from edge_runtime.channel import Closed
from edge_runtime.config import Rules
from edge_runtime.errors import ItemError, NoInput, SourceUnavailable
from edge_runtime.lane.capturing import LOOK_UP_S, REOPEN_MAX_S, Capturing
from edge_runtime.lane.condition import Condition, ConditionSettings
from edge_runtime.lane.events import AnyEvent, Away, Back, Lost
from edge_runtime.lane.intake import REPLAY_FRAMES, FirstQueue, Unreadable, Wanted
from edge_runtime.lane.safety import Safety
from edge_runtime.lane.sinks import ViewSink
from edge_runtime.progress import Progress
from edge_runtime.protocols import LeftOut
from edge_runtime.types import Frame, TombstoneReason, Verdict, VerdictKind
from tests.support.fakes import FakeClock, ScriptedSource, frame
from tests.support.lane_bench import FakeFar

GOOD = Verdict(VerdictKind.PASS)


class Bench:
    """A capture loop with everything around it; what it tells is taken in at once."""

    def __init__(
        self,
        script: list[Any],
        *,
        live: bool = True,
        retry: bool = True,
        takes: Callable[[], bool] = lambda: True,
        wanted: Callable[[Frame], bool] = lambda _: True,
    ) -> None:
        self.clock = FakeClock()
        self.stop = threading.Event()
        self.far = FakeFar()
        self.no_reads: list[str] = []
        self.lost: list[Lost] = []
        self.progress = Progress(self.clock)
        self.source: ScriptedSource[Frame] = ScriptedSource(script, live=live)
        self.first = FirstQueue(
            live=live,
            wanted=Wanted(frozenset(), frozenset(), None),
            clock=self.clock,
        )
        self.condition = Condition(
            ConditionSettings({"": "fake"}, 1.0, 1.0, False, frozenset(), frozenset()),
            far=self.far,
            safety=Safety(Rules()),
            progress=self.progress,
        )
        self.sink = ViewSink(
            "",
            self.first,
            address="fake",
            live=live,
            takes=takes,
            tell=self._hear,
            progress=self.progress,
            clock=self.clock,
            stop=self.stop,
        )
        self.loop: Capturing[Frame] = Capturing(
            "",
            self.source,
            self.sink,
            tell=self._hear,
            progress=self.progress,
            clock=self.clock,
            stop=self.stop,
            wanted=wanted,
            retry=retry,
        )

    def _hear(self, event: AnyEvent) -> None:
        """As the ``decide`` thread does."""
        if isinstance(event, Away):
            if self.condition.source_away(event) is not None:
                self.no_reads.append(event.reason)
        elif isinstance(event, Back):
            self.condition.source_back(event)
        elif isinstance(event, Lost):
            self.lost.append(event)

    def taken(self) -> list[Frame | Unreadable]:
        self.first.close()
        pictures: list[Frame | Unreadable] = []
        while True:
            try:
                job = self.first.take(0)
            except Closed:
                return pictures
            assert job is not None
            pictures.append(job.picture)

    def numbers(self) -> list[int]:
        return [picture.seq for picture in self.taken() if isinstance(picture, Frame)]

    def counter(self, name: str) -> int:
        return self.progress.heartbeat(self.first.stats()).counters.get(name, 0)

    def state(self) -> tuple[str, str]:
        heartbeat = self.progress.heartbeat({})
        return heartbeat.state, heartbeat.code


def test_a_replay_is_handed_over_whole_and_in_order() -> None:
    bench = Bench([frame(n) for n in range(REPLAY_FRAMES)], live=False)
    bench.loop.run()
    assert bench.numbers() == list(range(REPLAY_FRAMES))
    assert bench.source.closed == 1


def test_a_replay_waits_for_room_and_drops_nothing() -> None:
    many = 5 * REPLAY_FRAMES
    bench = Bench([frame(n) for n in range(many)], live=False)
    thread = threading.Thread(target=bench.loop.run, daemon=True)
    thread.start()
    numbers: list[int] = []
    while len(numbers) < many:
        job = bench.first.take(10)
        assert job is not None
        assert isinstance(job.picture, Frame)
        numbers.append(job.picture.seq)
    thread.join(10)
    assert numbers == list(range(many))
    assert bench.counter("dropped") == 0


def test_a_live_source_drops_the_oldest_frame_when_nobody_takes_it_and_counts_it() -> None:
    bench = Bench([frame(n) for n in range(5)], live=True)
    bench.loop.run()
    assert bench.numbers() == [4]
    assert bench.counter("dropped") == 4
    (burst,) = bench.first.drain()
    assert burst.count == 4, "and what is told of it is the same number"


def test_a_camera_that_is_away_says_no_read_drives_the_safe_state_and_comes_back() -> None:
    bench = Bench([SourceUnavailable("unplugged"), frame(0)])
    bench.loop.run()
    assert bench.no_reads == ["unplugged"]
    assert bench.far.holds == ["unplugged"]
    assert bench.source.opened == 2
    assert bench.numbers() == [0]


def test_a_camera_that_is_back_lets_go_of_the_safe_state_only_when_a_part_was_judged() -> None:
    bench = Bench([SourceUnavailable("unplugged"), frame(0)])
    bench.loop.run()
    assert bench.far.frees == 0
    assert bench.state() == ("degraded", codes.LANE_AWAITS_PART)  # nothing is away
    bench.condition.judged(GOOD)
    assert bench.far.frees == 1
    assert bench.state() == ("running", "")


def test_while_a_camera_is_away_a_part_that_was_judged_lets_go_of_nothing() -> None:
    bench = Bench([frame(0), SourceUnavailable("unplugged")])
    bench.loop.run()
    bench.condition.judged(GOOD)
    assert bench.far.frees == 0
    assert bench.state() == ("degraded", codes.SOURCE_AWAY)


def test_the_handle_says_that_nothing_was_seen_until_a_frame_came_and_while_it_is_away() -> None:
    sees: list[bool] = []

    def squeeze() -> None:
        bench.clock.advance(1.0)
        bench.condition.squeeze(bench.clock.boottime_ns(), None)
        sees.append(bench.far.handles[-1][1])

    bench = Bench([squeeze, frame(0), squeeze, SourceUnavailable("away"), squeeze, frame(1)])
    bench.loop.run()
    squeeze()
    assert sees == [False, True, False, True]


def test_while_a_camera_stays_away_no_read_is_told_once_and_again_when_it_is_away_again() -> None:
    bench = Bench([SourceUnavailable("away")] * 12)
    bench.loop.run()
    assert len(bench.far.holds) == 1
    assert bench.no_reads == ["away"]
    bench = Bench([SourceUnavailable("away"), frame(0), SourceUnavailable("away again")])
    bench.loop.run()
    assert bench.no_reads == ["away", "away again"]


def test_the_wait_before_reopening_grows_to_its_limit_and_starts_anew_after_a_frame() -> None:
    bench = Bench([*[SourceUnavailable("away")] * 10, frame(0), SourceUnavailable("away again")])
    bench.loop.run()
    growing = bench.clock.waits[:10]
    assert growing == sorted(growing)
    assert max(growing) == REOPEN_MAX_S
    assert bench.clock.waits[-1] == growing[0] < REOPEN_MAX_S


def test_a_recording_that_is_not_there_is_an_error_and_not_waited_for() -> None:
    bench = Bench([SourceUnavailable("belt.mp4: no such file")], live=False, retry=False)
    with pytest.raises(NoInput, match=r"belt\.mp4"):
        bench.loop.run()
    assert bench.taken() == []
    assert bench.clock.waits == []


def test_a_picture_that_cannot_be_decoded_is_a_part_in_its_place_and_the_next_one_is_taken() -> (
    None
):
    error = ItemError("part_7.jpg: not an image", item="part_7.jpg")
    bench = Bench([frame(0), error, frame(1)], live=False)
    bench.loop.run()
    before, unreadable, after = bench.taken()
    assert isinstance(before, Frame)
    assert isinstance(after, Frame)
    assert isinstance(unreadable, Unreadable)
    assert (unreadable.item, unreadable.why) == ("part_7.jpg", "part_7.jpg: not an image")
    assert bench.lost == []


def test_a_live_picture_that_cannot_be_decoded_is_a_part_too() -> None:
    bench = Bench([ItemError("premature end of JPEG")])
    bench.loop.run()
    (unreadable,) = bench.taken()
    assert isinstance(unreadable, Unreadable)
    assert unreadable.why == "premature end of JPEG"


def test_what_is_wrong_with_a_live_camera_is_logged_once_a_minute_and_each_picture_is_a_part(
    caplog: pytest.LogCaptureFixture,
) -> None:
    torn, lost = "12 extraneous bytes", "packets were lost"
    again = "7 extraneous bytes"  # the same reason with another number
    bench = Bench([ItemError(reason) for reason in (torn, lost, again, lost) * 5])
    with caplog.at_level("WARNING"):
        bench.loop.run()
        assert [each.message for each in caplog.records] == [
            f"bad_item reason={torn}",
            f"bad_item reason={lost}",
        ]
        bench.clock.advance(61)
        bench.sink.bad(ItemError(torn))
    assert caplog.records[2].message.endswith("and 9 like it since the last line")
    assert (
        bench.first.stats()["dropped"] == 20
    )  # one place, the newest wins: none is left out unseen


def test_what_is_wrong_with_a_replay_is_logged_each_time(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench([ItemError("hole"), ItemError("hole")], live=False)
    with caplog.at_level("WARNING"):
        bench.loop.run()
    assert len(caplog.records) == 2


def test_a_hole_in_a_recording_is_no_part_but_told_and_the_next_one_is_taken() -> None:
    bench = Bench([frame(0), ItemError("belt.mp4: damaged at 3 s"), frame(1)], live=False)
    bench.loop.run()
    assert bench.numbers() == [0, 1]
    (lost,) = bench.lost
    assert (lost.reason, lost.count) == (TombstoneReason.BAD_ITEM, 1)
    assert lost.detail == "belt.mp4: damaged at 3 s"
    assert bench.counter("bad_items") == 1


def test_stop_ends_the_loop_though_the_source_would_go_on() -> None:
    stop: list[Callable[[], None]] = []
    bench = Bench([frame(0), lambda: stop[0](), frame(1)])
    stop.append(bench.stop.set)
    bench.loop.run()
    assert bench.numbers() == [0]


def test_a_stop_ends_a_replay_that_waits_for_room_and_its_item_was_not_taken() -> None:
    bench = Bench([frame(n) for n in range(REPLAY_FRAMES + 2)], live=False)
    thread = threading.Thread(target=bench.loop.run, daemon=True)
    thread.start()
    while bench.counter("captured") < REPLAY_FRAMES + 1:
        thread.join(0.001)
    bench.stop.set()
    thread.join(10)
    assert not thread.is_alive()
    assert bench.numbers() == list(range(REPLAY_FRAMES))


def test_the_frame_gate_decides_before_the_queue_so_unwanted_frames_displace_nothing() -> None:
    bench = Bench([frame(n) for n in range(6)], wanted=lambda item: item.seq < 1)
    bench.loop.run()
    assert bench.numbers() == [0]
    assert (bench.counter("skipped"), bench.counter("dropped")) == (5, 0)


def test_a_lane_that_takes_no_parts_takes_no_frame_and_counts_it() -> None:
    bench = Bench([frame(n) for n in range(3)], takes=lambda: False)
    bench.loop.run()
    assert bench.taken() == []
    assert (bench.counter("captured"), bench.counter("not_taken")) == (3, 3)


def test_a_source_that_comes_and_goes_does_not_rattle_the_outputs() -> None:
    def judge() -> None:
        bench.condition.judged(GOOD)

    once = [frame(0), judge, SourceUnavailable("hung up")]
    bench = Bench(once * 40)
    bench.loop.run()
    # Each time the outputs are let go of and held again is a pulse of the safe coil.
    assert bench.far.frees <= 2
    assert len(bench.far.holds) <= 3
    assert bench.state() == ("degraded", codes.SOURCE_AWAY)
    assert max(bench.clock.waits) == REOPEN_MAX_S


def test_a_source_that_came_and_went_is_back_once_it_has_given_for_a_while() -> None:
    def later() -> None:
        bench.clock.advance(1.0)
        bench.condition.judged(GOOD)

    once = [frame(0), later, SourceUnavailable("hung up")]
    bench = Bench([*once * 10, *[frame(0), later] * 20])
    bench.loop.run()
    assert bench.state() == ("running", "")


def test_where_one_picture_in_an_interval_is_looked_at_a_damaged_one_between_acts_on_nothing() -> (
    None
):
    damaged = ItemError("premature end of JPEG")
    bench = Bench([frame(0), damaged, damaged, frame(1)])
    gated = iter([True, False, True, False])
    bench.loop = Capturing(
        "",
        bench.source,
        bench.sink,
        tell=lambda _: None,
        progress=bench.progress,
        clock=bench.clock,
        stop=bench.stop,
        wanted=lambda _: next(gated),
        retry=True,
        is_gated=True,
    )
    bench.loop.run()
    assert bench.counter("skipped") == 2
    (unreadable,) = bench.taken()
    assert isinstance(unreadable, Unreadable)  # the newest of what the gate took
    assert bench.counter("dropped") == 1


class Leaving(ScriptedSource[Frame]):
    """A camera that had newer pictures, and parts that were none."""

    def left_out(self) -> LeftOut:
        stamps = tuple(FakeClock().stamp() for _ in range(3))
        return LeftOut(stamps, 2) if len(self._script) == 1 else LeftOut()


@pytest.mark.parametrize("is_gated", [False, True])
def test_what_the_source_left_out_by_itself_is_counted(is_gated: bool) -> None:
    bench = Bench([])
    source = Leaving([frame(0), frame(1)], live=True)
    Capturing(
        "",
        NamedSource("left", source),
        bench.sink,
        tell=lambda _: None,
        progress=bench.progress,
        clock=bench.clock,
        stop=bench.stop,
        wanted=lambda item: item.seq < 1,
        retry=True,
        is_gated=is_gated,
    ).run()
    assert bench.counter("parts_skipped") == 2
    # Where one in an interval is looked at, the newer one was as good.
    told = (bench.counter("dropped"), bench.counter("skipped"))
    assert told == ((0, 4) if is_gated else (3, 1))


def test_when_the_workers_have_failed_the_loop_ends_and_closes_its_source() -> None:
    bench = Bench([frame(0), frame(1)])
    bench.first.close()
    bench.loop.run()
    assert bench.source.closed == 1
    assert bench.progress.heartbeat({}).loops == {}


def test_a_loop_that_waits_within_the_sources_time_outs_turns_and_beyond_them_it_hangs() -> None:
    ages: list[float] = []

    def wait(seconds: float) -> Callable[[], None]:
        def waiting() -> None:
            bench.clock.advance(seconds)
            ages.append(bench.progress.heartbeat({}).loops["capture"])

        return waiting

    bench = Bench([wait(29.0), frame(0), wait(42.0), frame(1)])
    bench.loop.allow(open_s=30.0, read_s=30.0)
    bench.loop.run()
    assert ages == [0.0, 12.0]
    assert bench.numbers() == [1]


def test_a_source_that_opens_slowly_does_not_look_like_a_loop_that_hangs() -> None:
    ages: list[float] = []

    class Slow(ScriptedSource[Frame]):
        def open(self) -> None:
            for seconds in (59.0, 40.0):
                bench.clock.advance(seconds)
                ages.append(bench.progress.heartbeat({}).loops["capture"])
            super().open()

    bench = Bench([])
    source = Slow([frame(0)], live=True)
    loop: Capturing[Frame] = Capturing(
        "",
        source,
        bench.sink,
        tell=lambda _: None,
        progress=bench.progress,
        clock=bench.clock,
        stop=bench.stop,
        wanted=lambda _: True,
        retry=True,
    )
    loop.allow(open_s=30.0, read_s=2.0)
    loop.run()
    # Twice the time-out (another reader may try it), and a look-up; not for ever.
    assert ages == [0.0, 99.0 - (2 * 30.0 + LOOK_UP_S)]


def test_a_loop_that_waits_to_open_anew_turns() -> None:
    bench = Bench([SourceUnavailable("away")] * 6)
    bench.loop.run()
    assert max(bench.clock.waits) == REOPEN_MAX_S
    slow: list[float] = []
    bench = Bench([SourceUnavailable("away"), frame(0)])
    told = bench.clock.wait

    def waits(stop: threading.Event, seconds: float) -> bool:
        done = told(stop, seconds)
        slow.append(bench.progress.heartbeat({}).loops["capture"])
        return done

    bench.clock.wait = waits  # type: ignore[method-assign]
    bench.loop.run()
    assert slow == [0.0]
