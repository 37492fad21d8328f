"""The uploader step by step, over an in-memory collector and ledger."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.clock import NS_PER_S
from edge_runtime.errors import AuthFailed, BatchRefused, BatchTooLarge, Offline, Throttled
from edge_runtime.link.messages import Acked, Rewind
from edge_runtime.sync.backoff import AUTH_PROBE_S
from edge_runtime.sync.progress import SyncStatus
from edge_runtime.sync.uploader import MAX_PENDING, MAX_UNEXPLAINED
from edge_runtime.types import Stamp
from edge_runtime.wire.conversation import Limits, Receipt, Reject
from tests.support.direct_transport import DirectTransport
from tests.support.fake_ledger import FakeLedger
from tests.support.memory_store import MemoryStore
from tests.support.sync_rows import result, tombstone
from tests.support.uploading import Rig, make_rig

NOWHERE = Path("/nonexistent")


class Scene:
    def __init__(self, rows: int = 0, *, max_batch: int = 10) -> None:
        self.ledger = FakeLedger()
        self.store = MemoryStore(NOWHERE)
        self.transport = DirectTransport(self.store)
        for number in range(1, rows + 1):
            self.ledger.put(tombstone(number) if number % 5 == 0 else result(number))
        self.rig: Rig = make_rig(self.ledger, self.transport, max_batch=max_batch)

    def steps(self, count: int) -> None:
        for _ in range(count):
            self.rig.uploader.step()
            self.rig.apply_all()

    def sent(self) -> list[list[str]]:
        return [
            [event["id"] for event in json.loads(gzip.decompress(body))]
            for body in self.transport.batches
        ]

    @property
    def counters(self) -> dict[str, int]:
        return Counter(self.rig.progress.heartbeat({}).counters)


def test_it_says_hello_before_anything_else_and_sends_the_oldest_first() -> None:
    scene = Scene(25)
    scene.rig.drain()
    assert scene.transport.calls == ["hello", "send_events", "send_events", "send_events"]
    assert scene.sent()[0] == [f"epoch1/{n}" for n in range(1, 11)]
    assert scene.sent()[2] == [f"epoch1/{n}" for n in range(21, 26)]
    assert len(scene.store.state.rows) == 25


def test_with_nothing_to_send_it_says_hello_and_is_idle() -> None:
    scene = Scene()
    assert scene.rig.uploader.step().seconds == 0
    pause = scene.rig.uploader.step()
    assert pause.is_idle
    assert pause.for_rows
    assert pause.seconds > 0
    assert scene.rig.progress.status is SyncStatus.CONNECTED


def test_rows_whose_ack_is_not_applied_yet_are_not_sent_again() -> None:
    scene = Scene(25)
    for _ in range(6):
        scene.rig.uploader.step()
    assert len(scene.sent()) == 3
    assert len({event for batch in scene.sent() for event in batch}) == 25
    assert not scene.rig.uploader.step().is_idle  # the acks are still on their way
    scene.rig.apply_all()
    assert scene.rig.uploader.step().is_idle


def test_it_waits_for_a_ledger_that_does_not_apply_instead_of_running_ahead() -> None:
    scene = Scene(200)
    for _ in range(50):
        pause = scene.rig.uploader.step()
    assert len(scene.sent()) == MAX_PENDING
    assert pause.seconds > 0
    scene.rig.apply_all()
    scene.rig.drain()
    assert len(scene.store.state.rows) == 200


def test_an_answer_that_got_lost_costs_a_resend_and_nothing_else() -> None:
    scene = Scene(10)
    scene.steps(1)
    scene.transport.after.append(Offline("reset"))
    pause = scene.rig.uploader.step()
    assert pause.seconds >= 1
    assert not pause.for_rows
    assert not scene.rig.reports
    scene.rig.drain()
    assert len(scene.store.state.rows) == 10
    assert scene.counters["events_resent"] == 10
    assert scene.counters["events_acked"] == 10


def test_after_a_failure_it_says_hello_again() -> None:
    scene = Scene(10)
    scene.transport.before.append(Offline("refused"))
    scene.steps(3)
    assert scene.transport.calls[:2] == ["hello", "hello"]


def test_waiting_times_grow_while_the_collector_is_away_and_start_over_when_it_is_back() -> None:
    scene = Scene(10)
    scene.transport.before.extend([Offline("away")] * 12)
    delays = [scene.rig.uploader.step().seconds for _ in range(12)]
    assert delays == sorted(delays)
    assert delays[0] < 2
    assert delays[-1] > 100
    assert scene.rig.progress.status is SyncStatus.OFFLINE
    assert scene.rig.progress.detail == "away"
    scene.rig.drain()
    scene.ledger.put(result(99))
    scene.transport.before.append(Offline("away"))
    assert scene.rig.uploader.step().seconds < 2


def test_a_collector_that_greets_but_never_stores_is_not_hammered() -> None:
    scene = Scene(10)
    delays = []
    for _ in range(10):
        scene.rig.uploader.step()
        scene.transport.before.append(Offline("500"))
        delays.append(scene.rig.uploader.step().seconds)
    assert delays == sorted(delays)
    assert delays[-1] > 100


def test_a_throttled_uploader_waits_as_long_as_it_is_told_and_needs_no_new_hello() -> None:
    scene = Scene(10)
    scene.steps(1)
    scene.transport.before.append(Throttled("busy", 60.0))
    assert scene.rig.uploader.step().seconds >= 60
    scene.steps(1)
    assert scene.transport.calls == ["hello", "send_events", "send_events"]


def test_a_refused_token_is_a_state_of_its_own_and_probed_slowly() -> None:
    scene = Scene(10)
    scene.transport.before.append(AuthFailed("401"))
    pause = scene.rig.uploader.step()
    assert pause.seconds > 0.8 * AUTH_PROBE_S
    assert scene.rig.progress.status is SyncStatus.AUTH_FAILED


def test_a_batch_that_is_too_large_is_halved_until_it_passes_and_grows_again() -> None:
    scene = Scene(40, max_batch=16)
    scene.steps(1)
    scene.transport.before.extend([BatchTooLarge("413")] * 2)
    scene.rig.drain()
    assert [len(batch) for batch in scene.sent()] == [4, 8, 16, 12]
    assert len(scene.store.state.rows) == 40


def test_the_collectors_own_limits_are_kept_to() -> None:
    scene = Scene(20, max_batch=500)
    scene.transport.limits = Limits(max_events=6)
    scene.rig.drain()
    assert [len(batch) for batch in scene.sent()] == [6, 6, 6, 2]


def test_one_event_that_is_never_taken_is_found_by_halving_and_quarantined() -> None:
    scene = Scene(16, max_batch=16)
    poison = "epoch1/11"
    refused: list[str] = []
    send = scene.transport.send_events

    def picky(batch: bytes) -> Receipt:
        ids = [event["id"] for event in json.loads(gzip.decompress(batch))]
        if poison in ids:
            refused.append(poison)
            raise BatchRefused("400 no idea what you mean")
        return send(batch)

    scene.transport.send_events = picky  # type: ignore[method-assign]
    scene.rig.drain()
    assert scene.ledger.image.quarantined == {11: "refused"}
    assert len(scene.store.state.rows) == 15
    assert len(refused) <= 6


def test_a_server_that_refuses_everything_without_a_reason_does_not_empty_the_ledger() -> None:
    """A proxy in the way must not talk the whole backlog into quarantine."""
    scene = Scene(100, max_batch=16)
    scene.transport.send_events = refuse_all  # type: ignore[method-assign]
    for _ in range(400):
        pause = scene.rig.uploader.step()
        scene.rig.apply_all()
    assert len(scene.ledger.image.quarantined) <= MAX_UNEXPLAINED
    assert pause.seconds > 1
    assert "every event is refused" in scene.rig.progress.detail


def test_an_event_that_no_request_can_carry_is_quarantined_without_being_sent() -> None:
    scene = Scene(5)
    scene.ledger.image.rows[3] = replace(result(3), text="x" * 100_000)
    scene.rig.drain()
    assert scene.ledger.image.quarantined == {3: "too_large"}
    assert len(scene.store.state.rows) == 4
    scene.rig.clock.advance(1000)
    scene.rig.drain()
    (report,) = scene.store.completeness("box")
    assert report.explained == ((3, 3),)
    assert report.complete


def test_a_restored_collector_gets_back_what_it_lost() -> None:
    scene = Scene(30)
    scene.steps(2)
    backup = scene.store.state.copy()
    scene.rig.drain()
    scene.store.state = backup
    scene.store.instance = "second"
    scene.ledger.put(result(31))
    scene.rig.drain()
    assert len(scene.store.state.rows) == 31
    assert scene.counters["rewinds"] == 1


def test_a_collector_restored_while_nothing_happens_is_found_out_within_minutes() -> None:
    scene = Scene(30)
    scene.rig.drain()
    scene.store.state.rows.clear()
    scene.rig.clock.advance(301)
    scene.rig.drain()
    assert len(scene.store.state.rows) == 30


def test_rows_are_not_read_before_a_rewind_is_applied() -> None:
    scene = Scene(30)
    scene.rig.drain()
    scene.store.state.rows.clear()
    scene.rig.clock.advance(301)
    scene.rig.uploader.step()
    assert [type(report) for report in scene.rig.reports] == [Rewind]
    for _ in range(3):
        assert scene.rig.uploader.step().seconds > 0
    scene.rig.apply_all()
    scene.rig.drain()
    assert len(scene.store.state.rows) == 30


def test_a_restored_device_rotates_its_epoch_after_what_both_sides_have() -> None:
    """The collector has 1..30; the old image has 1..20, of which 10 count as sent."""
    scene = Scene(20)
    scene.steps(2)
    image = scene.ledger.image.copy()
    for number in range(21, 31):
        scene.ledger.put(result(number))
    scene.rig.drain()
    assert len(scene.store.state.rows) == 30

    scene.ledger.image = image
    scene.rig = make_rig(scene.ledger, scene.transport)
    for number in range(101, 106):
        scene.ledger.put(result(number))
    scene.rig.drain()
    assert scene.counters["rotations"] == 1
    assert scene.counters["events_refused"] == 0
    by_epoch = [(epoch, seq) for _, epoch, seq in scene.store.state.rows]
    assert sorted(by_epoch) == sorted(
        [("epoch1", n) for n in range(1, 31)] + [("epoch2", n) for n in range(21, 26)]
    )
    assert all(report.complete for report in scene.store.completeness("box"))


def test_a_fork_that_shows_only_in_the_content_rotates_the_epoch_too() -> None:
    """The restored device wrote more than the collector has before they met again."""
    scene = Scene(10)
    image = scene.ledger.image.copy()
    scene.rig.drain()
    scene.ledger.image = image
    scene.ledger.image.rows = {n: result(200 + n) for n in range(1, 11)}
    for number in range(211, 216):
        scene.ledger.put(result(number))
    scene.rig = make_rig(scene.ledger, scene.transport)
    scene.rig.drain()
    assert scene.counters["rotations"] == 1
    epochs = [epoch for _, epoch, _ in scene.store.state.rows]
    assert epochs.count("epoch1") == 10
    assert epochs.count("epoch2") == 15


def test_a_collector_that_finds_conflicts_everywhere_does_not_make_epochs_without_end() -> None:
    scene = Scene(10)

    def conflicts(batch: bytes) -> Receipt:
        return Receipt(acked=(), rejected=(Reject(index=0, code="epoch_conflict"),))

    scene.transport.send_events = conflicts  # type: ignore[method-assign]
    for _ in range(60):
        pause = scene.rig.uploader.step()
        scene.rig.apply_all()
    assert scene.counters["rotations"] <= 2
    assert pause.seconds > 1
    assert "did not help" in scene.rig.progress.detail


def test_unsent_rows_of_an_older_epoch_go_under_their_own() -> None:
    scene = Scene(12)
    scene.ledger.image.epochs[9] = "later"
    scene.rig.drain()
    assert scene.sent() == [
        [f"epoch1/{n}" for n in range(1, 9)],
        [f"later/{n}" for n in range(9, 13)],
    ]
    assert [report.first_seq for report in scene.store.completeness("box")] == [1, 9]
    assert all(report.complete for report in scene.store.completeness("box"))


def media_file(folder: Path, name: str) -> tuple[str, Path]:
    import hashlib

    data = name.encode() * 100
    sha256 = hashlib.sha256(data).hexdigest()
    path = folder / sha256
    path.write_bytes(data)
    return sha256, path


def test_media_go_after_the_results_that_refer_to_them(tmp_path: Path) -> None:
    scene = Scene(3)
    scene.store._folder = tmp_path / "shown"
    scene.store._folder.mkdir()
    sha256, path = media_file(tmp_path, "a")
    scene.ledger.put(result(4), {sha256: path})
    scene.rig.drain()
    assert scene.transport.calls == ["hello", "send_events", "has_media", "put_media"]
    assert scene.store.state.media[sha256] == ("image/jpeg", path.read_bytes())
    assert scene.ledger.image.media[sha256].state == "stored"


def test_media_that_the_collector_has_are_not_sent(tmp_path: Path) -> None:
    scene = Scene()
    scene.store._folder = tmp_path / "shown"
    scene.store._folder.mkdir()
    sha256, path = media_file(tmp_path, "a")
    scene.store.state.media[sha256] = ("image/jpeg", path.read_bytes())
    scene.ledger.put(result(1), {sha256: path})
    scene.rig.drain()
    assert "put_media" not in scene.transport.calls
    assert scene.ledger.image.media[sha256].state == "stored"


def test_media_that_cannot_be_read_are_left_alone_and_do_not_block_the_others(
    tmp_path: Path,
) -> None:
    scene = Scene()
    gone, path = media_file(tmp_path, "gone")
    scene.ledger.put(result(1), {gone: path})
    path.unlink()
    there, other = media_file(tmp_path, "there")
    scene.ledger.put(result(2), {there: other})
    scene.rig.drain()
    assert scene.counters["media_refused"] == 1
    assert scene.ledger.image.media[gone].state == "local"
    assert there in scene.store.state.media


def test_media_larger_than_the_collector_takes_are_not_sent(tmp_path: Path) -> None:
    scene = Scene()
    scene.transport.limits = Limits(max_media_bytes=10)
    sha256, path = media_file(tmp_path, "large")
    scene.ledger.put(result(1), {sha256: path})
    scene.rig.drain()
    assert "put_media" not in scene.transport.calls
    assert scene.counters["media_refused"] == 1


def test_a_stop_ends_at_once_and_with_time_to_drain_only_when_all_is_sent() -> None:
    scene = Scene(50)
    scene.rig.orders.stop(0.0)
    scene.rig.uploader.run()
    assert scene.transport.calls == []

    scene = Scene(50)
    scene.rig.orders.stop(1000.0)
    apply_each_time_it_rests(scene.rig)
    scene.rig.uploader.run()
    assert len(scene.store.state.rows) == 50
    assert not scene.rig.reports


def test_a_drain_gives_up_when_its_time_is_over() -> None:
    scene = Scene(50)
    scene.transport.before.extend([Offline("away")] * 10_000)
    scene.rig.orders.stop(30.0)
    begin = scene.rig.clock.boottime_ns()
    scene.rig.uploader.run()
    assert scene.store.state.rows == {}
    took_s = (scene.rig.clock.boottime_ns() - begin) / 1e9
    assert 29 <= took_s <= 32


def test_a_drain_tries_again_soon_even_after_days_offline() -> None:
    scene = Scene(5)
    scene.transport.before.extend([Offline("away")] * 30)
    for _ in range(25):
        scene.rig.uploader.step()
    scene.rig.orders.stop(30.0)
    apply_each_time_it_rests(scene.rig)
    scene.rig.uploader.run()
    assert len(scene.store.state.rows) == 5


def test_the_reports_are_what_the_supervisor_expects() -> None:
    scene = Scene(3)
    scene.rig.uploader.step()
    scene.rig.uploader.step()
    assert list(scene.rig.reports) == [Acked("epoch1", [(1, 3)])]


def refuse_all(batch: bytes) -> Receipt:
    raise BatchRefused("400")


def apply_each_time_it_rests(rig: Rig) -> None:
    wait = rig.clock.wait

    def waiting(stop: Any, seconds: float) -> bool:
        rig.apply_all()
        return wait(stop, seconds)

    rig.clock.wait = waiting  # type: ignore[method-assign]


@pytest.mark.parametrize("seconds", [0.0, 5.0])
def test_a_loop_inside_a_call_with_a_time_limit_counts_as_turning(seconds: float) -> None:
    scene = Scene(1)
    scene.rig.progress.busy(100.0)
    scene.rig.clock.advance(99.0)
    assert scene.rig.progress.heartbeat({}).loops == {"uploader": 0.0}
    scene.rig.clock.advance(1.0 + seconds)
    assert scene.rig.progress.heartbeat({}).loops == {"uploader": pytest.approx(seconds)}


def test_a_wall_clock_that_is_set_ends_the_wait_for_the_collector() -> None:
    """From 1970 no certificate was valid; nobody should have to wait five minutes more."""
    scene = Scene(5)
    scene.transport.before.extend([Offline("certificate is not yet valid")] * 12)
    for _ in range(12):
        pause = scene.rig.uploader.step()
    assert pause.seconds > 100
    clock = scene.rig.clock
    began_ns, stamp = clock.boottime_ns(), clock.stamp

    def set_after_10_s() -> Stamp:
        late = clock.boottime_ns() - began_ns > 10 * NS_PER_S
        return replace(stamp(), wall_ns=stamp().wall_ns + late * 10**18)

    clock.stamp = set_after_10_s  # type: ignore[method-assign]
    scene.rig.uploader._rest(pause)
    assert (clock.boottime_ns() - began_ns) / NS_PER_S < 15
