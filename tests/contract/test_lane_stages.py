"""What every stage of a lane promises: end of file, slow consumer, failure, stop in mid-item.

The whole lane runs, with a supervisor that can be slow or full; each stage in turn is the ill one.
"""

from __future__ import annotations

import functools
import threading
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.clock import NS_PER_MS, SYSTEM_CLOCK
from edge_runtime.errors import ItemError, NoInput, SourceUnavailable
from edge_runtime.lane import evidence
from edge_runtime.link.in_hand import read
from edge_runtime.types import Stamp, TombstoneReason, Trigger
from tests.support.lane_bench import FakeModel, LaneBench, Pictures, bad

BAD, GOOD = 200, 20


def acted(bench: LaneBench, count: int) -> bool:
    return len(bench.far.drives) == count


def took(pictures: Pictures, count: int) -> bool:
    return pictures.taken == count


def test_end_of_file_drains_every_stage_and_nothing_is_lost(tmp_path: Path) -> None:
    pictures = Pictures()
    with LaneBench(tmp_path, sources={"": pictures}) as bench:
        for number in range(40):
            pictures.put(BAD if number % 4 == 0 else GOOD, item=f"frame:{number}")
        pictures.end()
        bench.run_to_end()
    assert [result.item for result in bench.link.results] == [f"frame:{n}" for n in range(40)]
    assert bench.kinds().count("reject") == 10
    assert all(
        result.media or "evidence" in result.pending
        for result in bench.link.results
        if result.verdict.kind == "reject"
    )
    evidence_in_rows = sum(bool(result.media) for result in bench.link.results)
    later = sum(addition.kind == "evidence" for addition in bench.link.additions)
    assert evidence_in_rows + later == 10
    assert bench.lane.counters()["on_the_way"] == 0
    page = read(bench.page_path)
    assert page is not None
    assert (page.acted, page.aside, page.items) == (40, 0, {})


def test_a_stop_in_mid_item_still_closes_the_part_in_hand(tmp_path: Path) -> None:
    entered, go_on = threading.Event(), threading.Event()
    model = FakeModel()

    def slow(pixels: Any) -> Any:
        entered.set()
        assert go_on.wait(10)
        return model.score(0.0)

    model._answer = slow
    pictures = Pictures()
    with LaneBench(tmp_path, sources={"": pictures}, models=[model]) as bench:
        pictures.put(GOOD, item="frame:0")
        assert entered.wait(10)
        assert (read(bench.page_path) or pytest.fail("no page")).items["infer"] == "frame:0"
        bench.stop.set()
        go_on.set()
        bench.run_to_end()
    assert bench.kinds() == ["pass"]


@pytest.mark.parametrize("stage", ["capture", "evidence", "decide", "record"])
def test_a_stage_that_fails_fails_the_lane_and_nobody_waits_for_it(
    tmp_path: Path, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> Any:
        raise ZeroDivisionError(stage)

    pictures = Pictures()
    bench = LaneBench(tmp_path, sources={"": pictures})
    if stage == "capture":
        monkeypatch.setattr(pictures, "read", broken)
    elif stage == "evidence":
        monkeypatch.setattr(evidence, "encode_jpeg", broken)
    elif stage == "decide":
        monkeypatch.setattr(bench.far, "drive", broken)
    else:
        monkeypatch.setattr(bench.link, "send", broken)
    with bench:
        pictures.put(BAD, item="frame:0")
        with pytest.raises(ZeroDivisionError, match=stage):
            bench.run_to_end()


def test_a_model_that_raises_anything_is_one_part_that_cannot_be_judged(tmp_path: Path) -> None:
    def broken(_: object) -> Any:
        raise MemoryError("no memory left in the runtime")

    pictures = Pictures()
    with LaneBench(tmp_path, sources={"": pictures}, models=[FakeModel(answer=broken)]) as bench:
        pictures.put(GOOD, item="frame:0")
        pictures.end()
        bench.run_to_end()
    (result,) = bench.link.results
    assert result.verdict.kind == "no_read"
    assert "no memory left" in (result.verdict.reason or "")
    assert [verdict.kind for _, verdict in bench.far.drives] == ["no_read"]


def test_a_ledger_without_room_makes_a_replay_wait_and_loses_nothing(tmp_path: Path) -> None:
    pictures = Pictures()
    table = {"unstored_max": 3}
    with LaneBench(tmp_path, table, {"": pictures}) as bench:
        bench.link.full = True
        for number in range(30):
            pictures.put(GOOD, item=f"frame:{number}")
        pictures.end()
        bench.until(lambda: len(bench.link.results) >= 3, "the window is full")
        model = bench.models[0]
        seen = bench.until(lambda: model.seen if model.seen <= 4 else None, "the models wait")
        assert seen <= 4
        bench.link.has_room()
        bench.run_to_end()
    assert [result.item for result in bench.link.results] == [f"frame:{n}" for n in range(30)]
    assert bench.progress.heartbeat({}).counters.get("unstored_parts", 0) == 0


def test_a_ledger_without_room_lets_a_live_lane_judge_and_act_on(tmp_path: Path) -> None:
    pictures = Pictures(live=True)
    table = {"unstored_max": 3}
    with LaneBench(tmp_path, table, {"": pictures}) as bench:
        bench.link.full = True
        for number in range(30):
            pictures.put(BAD)
            bench.until(functools.partial(acted, bench, number + 1), "acted")
        unstored = bench.until(
            lambda: bench.progress.heartbeat({}).counters.get("unstored_parts"), "counted"
        )
        assert unstored == 27
        page = read(bench.page_path)
        assert page is not None
        assert page.unstored == 27
        bench.link.has_room()
        from edge_runtime.lane.events import RoomIs

        bench.stages.deciding.tell(RoomIs(full=False))
        bench.until(lambda: bench.link.tombstones, "a tombstone")
        bench.until(lambda: (read(bench.page_path) or page).unstored == 0, "accounted for")
    (tombstone,) = bench.link.tombstones
    assert (tombstone.reason, tombstone.count) == (TombstoneReason.STORE_FULL, 27)
    assert bench.link.once == ["unstored:top:0"]


def test_when_full_stop_takes_no_parts_and_holds_the_line(tmp_path: Path) -> None:
    from edge_runtime.lane.events import RoomIs

    pictures = Pictures(live=True)
    with LaneBench(tmp_path, sources={"": pictures}, ledger_table={"when_full": "stop"}) as bench:
        pictures.put(GOOD)
        bench.until(lambda: bench.kinds() == ["pass"], "judged")
        bench.stages.deciding.tell(RoomIs(full=True))
        bench.until(lambda: bench.far.holds, "held")
        bench.until(lambda: bench.far.handles[-1][0] is False, "the handle says so")
        pictures.put(GOOD)
        bench.until(lambda: bench.progress.heartbeat({}).counters.get("not_taken"), "not taken")
        assert bench.kinds() == ["pass"]
        bench.stages.deciding.tell(RoomIs(full=False))
        bench.until(lambda: bench.stages.deciding.takes_parts, "takes parts")
        pictures.put(GOOD)
        bench.until(lambda: bench.far.frees, "let go after a good part")


def test_a_far_side_that_is_slow_keeps_no_row_longer_than_it_may(tmp_path: Path) -> None:
    pictures = Pictures()
    with LaneBench(tmp_path, sources={"": pictures}) as bench:
        bench.far.waits = True
        pictures.put(BAD, item="frame:0")
        bench.until(lambda: bench.link.results, "the row left")
        assert "actuation" in bench.link.results[0].pending
        assert bench.link.results[0].actuations == ()
        from edge_runtime.types import Actuation

        late = Actuation(output="gate", action="drive", acknowledged=False, latency_ms=700.0)
        bench.far.waiting[0].set_result(late)
        bench.until(lambda: [a for a in bench.link.additions if a.actuation], "the late answer")
        pictures.end()
        bench.run_to_end()
    (addition,) = [a for a in bench.link.additions if a.actuation]
    assert (addition.about, addition.actuation) == (1, late)


def test_a_slow_disk_keeps_no_row_longer_than_it_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    real = evidence.encode_jpeg

    def slow(pixels: Any, quality: int) -> bytes:
        assert go_on.wait(10)
        return real(pixels, quality)

    monkeypatch.setattr(evidence, "encode_jpeg", slow)
    pictures = Pictures()
    with LaneBench(tmp_path, sources={"": pictures}) as bench:
        pictures.put(BAD, item="frame:0")
        bench.until(lambda: bench.link.results, "the row left")
        assert bench.link.results[0].pending == ("evidence",)
        go_on.set()
        bench.until(lambda: bench.link.additions, "the evidence came")
        pictures.end()
        bench.run_to_end()
    (addition,) = bench.link.additions
    assert addition.about == 1
    (media,) = addition.media
    assert (tmp_path / "media" / media.sha256[:2] / f"{media.sha256}.jpg").is_file()


def test_a_picture_that_cannot_be_decoded_acts_once_like_a_reject(tmp_path: Path) -> None:
    pictures = Pictures()
    with LaneBench(tmp_path, sources={"": pictures}) as bench:
        pictures.put(GOOD, item="frame:0")
        pictures.fail(bad("premature end of JPEG", "frame:1"))
        pictures.put(GOOD, item="frame:2")
        pictures.end()
        bench.run_to_end()
    assert bench.kinds() == ["pass", "no_read", "pass"]
    assert bench.link.results[1].item == "frame:1"
    assert [verdict.kind for _, verdict in bench.far.drives] == ["no_read"]
    assert bench.far.holds == []


def test_three_parts_running_that_cannot_be_judged_hold_the_line(tmp_path: Path) -> None:
    pictures = Pictures()
    with LaneBench(tmp_path, sources={"": pictures}) as bench:
        for number in range(4):
            pictures.fail(bad("dark", f"frame:{number}"))
        bench.until(lambda: bench.far.holds, "held")
        heartbeat = bench.progress.heartbeat({})
        assert (heartbeat.state, heartbeat.code) == ("degraded", "EDGE-L110")
        pictures.put(GOOD, item="frame:9")
        bench.until(lambda: bench.far.frees == 1, "let go")
        bench.until(lambda: bench.progress.heartbeat({}).state == "running", "well again")
        pictures.end()
        bench.run_to_end()
    assert len(bench.far.holds) == 1


def test_a_source_that_is_away_holds_the_line_and_what_came_before_is_stored_first(
    tmp_path: Path,
) -> None:
    entered, go_on = threading.Event(), threading.Event()
    model = FakeModel()

    def slow(_: object) -> Any:
        entered.set()
        assert go_on.wait(10)
        return model.score(0.0)

    model._answer = slow
    pictures = Pictures(live=True)
    with LaneBench(tmp_path, sources={"": pictures}, models=[model]) as bench:
        pictures.put(GOOD)
        assert entered.wait(10)
        pictures.put(GOOD)
        bench.until(lambda: pictures.taken == 2, "a second picture waits")
        pictures.fail(SourceUnavailable("unplugged"))
        bench.until(lambda: bench.far.holds, "held at once, whatever waits")
        go_on.set()
        bench.until(lambda: len(bench.link.results) == 3, "all stored")
        assert bench.kinds() == ["pass", "pass", "no_read"]
        assert bench.far.handles[-1][1] is False or bench.until(
            lambda: bench.far.handles[-1][1] is False, "the handle says that it does not see"
        )


def test_a_replay_whose_file_is_gone_ends_the_lane(tmp_path: Path) -> None:
    pictures = Pictures()
    with LaneBench(tmp_path, sources={"": pictures}) as bench:
        pictures.fail(SourceUnavailable("no such file"))
        with pytest.raises(NoInput, match="no such file"):
            bench.run_to_end()


def test_two_models_make_one_row_one_verdict_and_one_act(tmp_path: Path) -> None:
    strict, broken = FakeModel("strict"), FakeModel("broken")

    def fails(_: object) -> Any:
        raise ItemError("cannot look at this")

    broken._answer = fails
    pictures = Pictures()
    with LaneBench(tmp_path, sources={"": pictures}, models=[broken, strict]) as bench:
        pictures.put(BAD, item="frame:0")
        pictures.put(GOOD, item="frame:1")
        pictures.end()
        bench.run_to_end()
    assert bench.kinds() == ["reject", "no_read"]
    assert len(bench.far.drives) == 2
    rejected = bench.link.results[0]
    assert rejected.verdict.decided_by == "strict/1.0"
    assert rejected.model == "strict/1.0"
    assert {finding.model: finding.failure for finding in rejected.findings} == {
        "broken/1.0": "cannot look at this", "strict/1.0": None,
    }  # fmt: skip


def test_a_late_model_is_a_failure_at_the_deadline_and_its_finding_is_kept(tmp_path: Path) -> None:
    go_on = threading.Event()
    quick, slow = FakeModel("quick"), FakeModel("slow")

    def waits(_: object) -> Any:
        assert go_on.wait(10)
        return slow.score(0.9)

    slow._answer = waits
    pictures = Pictures()
    table = {"part": {"deadline_ms": 100}}
    with LaneBench(tmp_path, table, {"": pictures}, models=[quick, slow]) as bench:
        pictures.put(GOOD, item="frame:0")
        bench.until(lambda: bench.far.drives, "acted at the deadline")
        assert bench.far.drives[0][1].kind == "no_read"
        go_on.set()
        bench.until(lambda: [a for a in bench.link.additions if a.finding], "the late finding")
        pictures.end()
        bench.run_to_end()
    (result,) = bench.link.results
    assert {finding.model: finding.failure for finding in result.findings} == {
        "quick/1.0": None, "slow/1.0": "late",
    }  # fmt: skip
    (late,) = [a.finding for a in bench.link.additions if a.finding]
    assert late is not None
    assert late.scores[0].label == "defect"
    assert len(bench.far.drives) == 1, "what is late acts on nothing"


def test_a_shadow_is_recorded_and_decides_nothing(tmp_path: Path) -> None:
    serving, shadow = FakeModel("serving"), FakeModel("shadow")
    shadow._answer = lambda _: shadow.score(0.99)
    pictures = Pictures()
    with LaneBench(
        tmp_path, {"shadow": ["shadow"]}, {"": pictures}, models=[serving, shadow]
    ) as bench:
        pictures.put(GOOD, item="frame:0")
        pictures.end()
        bench.run_to_end()
    assert bench.kinds() == ["pass"]
    told = [f for f in bench.link.results[0].findings if f.model == "shadow/1.0"]
    told += [a.finding for a in bench.link.additions if a.finding]
    assert [finding.role for finding in told] == ["shadow"]
    assert told[0].opinion is not None
    assert told[0].opinion.kind == "reject"


def test_a_burst_that_the_first_queue_dropped_is_one_tombstone(tmp_path: Path) -> None:
    entered, go_on = threading.Event(), threading.Event()
    model = FakeModel()

    def slow(_: object) -> Any:
        entered.set()
        assert go_on.wait(10)
        return model.score(0.0)

    model._answer = slow
    pictures = Pictures(live=True)
    with LaneBench(tmp_path, sources={"": pictures}, models=[model]) as bench:
        pictures.put(GOOD)
        assert entered.wait(10)
        for number in range(6):
            pictures.put(GOOD)
            bench.until(functools.partial(took, pictures, number + 2), "offered")
        go_on.set()
        bench.until(lambda: bench.link.tombstones, "told")
        bench.until(lambda: len(bench.link.results) == 2, "the newest was judged")
    (tombstone,) = bench.link.tombstones
    assert (tombstone.reason, tombstone.count) == (TombstoneReason.CAPTURE_GAP, 5)
    assert tombstone.first.boottime_ns < tombstone.last.boottime_ns


def shifted(stamp: Stamp, ms: float) -> Stamp:
    ns = int(ms * NS_PER_MS)
    return Stamp(stamp.wall_ns + ns, stamp.boottime_ns + ns, stamp.boot_id)


def test_a_trigger_gets_the_picture_of_its_moment_and_its_name(tmp_path: Path) -> None:
    pictures = Pictures(live=True)
    table = {"trigger": {"kind": "command"}, "part": {"match_ms": 500}}
    with LaneBench(tmp_path, table, {"": pictures}) as bench:
        now = SYSTEM_CLOCK.stamp()
        pictures.put(GOOD, at=shifted(now, -40))
        pictures.put(BAD, at=shifted(now, 2))
        pictures.put(GOOD, at=shifted(now, 60))
        bench.until(lambda: pictures.taken == 3, "pictures are there")
        assert bench.stages.trigger(Trigger(id=1, at=now, part_name="P-7", origin="command")) == ""
        bench.until(lambda: bench.link.results, "judged")
    (result,) = bench.link.results
    assert (result.verdict.kind, result.part, result.trigger) == ("reject", "P-7", "command")
    assert bench.far.drives[0][0] == "P-7"


def test_a_trigger_without_a_picture_is_a_part_that_cannot_be_judged(tmp_path: Path) -> None:
    pictures = Pictures(live=True)
    table = {"trigger": {"kind": "command"}, "part": {"match_ms": 50}}
    with LaneBench(tmp_path, table, {"": pictures}) as bench:
        bench.stages.trigger(Trigger(id=1, at=SYSTEM_CLOCK.stamp()))
        bench.until(lambda: bench.link.results, "told")
        assert bench.lane.counters()["triggers_missed"] == 1
    assert bench.kinds() == ["no_read"]
    assert [verdict.kind for _, verdict in bench.far.drives] == ["no_read"]


def test_more_triggers_without_a_picture_than_anybody_keeps_pace_with_are_all_judged(
    tmp_path: Path,
) -> None:
    triggers = 300
    table = {
        "trigger": {"kind": "command", "debounce_ms": 0},
        "part": {"match_ms": 1, "frames": 64},
    }
    models = [FakeModel("one"), FakeModel("two")]
    with LaneBench(tmp_path, table, {"": Pictures(live=True)}, models=models) as bench:
        for number in range(triggers):
            bench.stages.trigger(Trigger(id=number, at=SYSTEM_CLOCK.stamp()))
        bench.until(lambda: len(bench.far.drives) == triggers, "every part", 30)
        bench.until(lambda: left_open(bench) == 0, "none is open")
    assert {verdict.kind for _, verdict in bench.far.drives} == {"no_read"}


def test_a_picture_whose_part_is_closed_as_late_does_not_make_the_next_ones_late(
    tmp_path: Path,
) -> None:
    go_on = threading.Event()
    model = FakeModel()

    def waits(_: object) -> Any:
        assert go_on.wait(10)
        return model.score(0.1)

    model._answer = waits
    pictures = Pictures()
    table = {"part": {"deadline_ms": 200}}
    with LaneBench(tmp_path, table, {"": pictures}, models=[model]) as bench:
        for number in range(4):
            pictures.put(GOOD, item=f"frame:{number}")
        bench.until(lambda: left_open(bench) == 1 and model.seen == 1, "the first is in the model")
        bench.until(lambda: bench.far.drives, "it is late")
        go_on.set()
        bench.until(lambda: len(bench.far.drives) == 4, "all are late")
        pictures.put(GOOD, item="frame:4")
        bench.until(lambda: model.seen == 2, "the next one")
        pictures.end()
        bench.run_to_end()
        assert left_open(bench) == 0
    assert bench.kinds() == ["no_read"] * 4 + ["pass"]
    assert [result.item for result in bench.link.results] == [f"frame:{n}" for n in range(5)]
    assert model.seen == 2


def left_open(bench: LaneBench) -> int:
    """Parts that the page says are begun and not decided."""
    page = read(bench.page_path)
    assert page is not None
    return page.open


def test_two_views_of_one_part_make_one_verdict(tmp_path: Path) -> None:
    left, right = Pictures(live=True), Pictures(live=True)
    with LaneBench(tmp_path, {}, {"left": left, "right": right}) as bench:
        now = SYSTEM_CLOCK.stamp()
        left.put(GOOD, at=now)
        bench.until(lambda: left.taken == 1, "left came")
        right.put(BAD, at=shifted(now, 5))
        bench.until(lambda: bench.link.results, "judged")
    (result,) = bench.link.results
    assert result.verdict.kind == "reject"
    assert result.verdict.decided_by == "right:parts/1.0"
    assert {finding.view for finding in result.findings} == {"left", "right"}


def test_the_handle_is_squeezed_while_nothing_comes(tmp_path: Path) -> None:
    pictures = Pictures(live=True)
    with LaneBench(tmp_path, sources={"": pictures}, dead_man_s=0.4) as bench:
        bench.until(lambda: bench.far.handles, "squeezed")
        assert bench.far.handles[0] == (True, False), "nobody has seen anything yet"
        pictures.put(GOOD)
        bench.until(lambda: bench.far.handles[-1] == (True, True), "sees")
        before = len(bench.far.handles)
        bench.until(lambda: len(bench.far.handles) > before + 4, "goes on without parts")


def test_a_model_that_hangs_lets_the_handle_go(tmp_path: Path) -> None:
    go_on = threading.Event()
    model = FakeModel()

    def hangs(_: object) -> Any:
        assert go_on.wait(20)
        return model.score(0.0)

    model._answer = hangs
    pictures = Pictures(live=True)
    with LaneBench(tmp_path, sources={"": pictures}, models=[model], dead_man_s=0.3) as bench:
        pictures.put(GOOD)
        bench.until(lambda: (False, True) in bench.far.handles, "the handle is let go")
        bench.until(lambda: bench.far.holds, "and the safe state is asked for")
        go_on.set()
        bench.until(lambda: bench.far.handles[-1] == (True, True), "it decides again")
        pictures.put(GOOD)
        bench.until(lambda: bench.far.frees, "a judged part lets go of it")
