"""The real sync process, a real ledger, a real collector, and what goes wrong between them.

Every test ends with the same count: what the ledger holds is at the collector, nothing twice.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.errors import ExitCode
from edge_runtime.ledger.queries import LedgerReader
from edge_runtime.link.messages import Done, Failed, Hello
from tests.support.collector_process import CollectorProcess
from tests.support.fault_proxy import Fault, FaultProxy
from tests.support.raw_server import RawServer, drips, says_nothing
from tests.support.sync_box import Box, assert_all_there_and_nothing_twice
from tests.support.sync_child import SyncChild


def test_a_backlog_with_media_arrives_whole(box: Box, collector: CollectorProcess) -> None:
    box.write(500, media_every=7)
    child = box.sync(collector.url)
    child.wait_until_drained(box.folder)
    child.wait_for(lambda: "connected" in child.states())
    assert child.stop() == 0
    assert isinstance(child.messages[0], Hello)
    assert isinstance(child.ended(), Done)
    assert child.states()[-1] == "done"
    assert child.counters()["events_acked"] == 500
    assert child.counters()["events_resent"] == 0
    assert child.counters()["media_sent"] == len(box.media) == 64
    assert len(collector.keys()) == 500
    assert_all_there_and_nothing_twice(box, collector)


def test_new_rows_are_sent_when_the_supervisor_says_so(
    box: Box, collector: CollectorProcess
) -> None:
    child = box.sync(collector.url)
    child.wait_for(lambda: "connected" in child.states())
    for count in range(1, 4):
        box.write(7)
        child.wake()
        child.wait_until_drained(box.folder, 4.0)  # less than the uploader's own idle time
        assert len(collector.keys()) == 7 * count
    assert child.stop() == 0
    assert_all_there_and_nothing_twice(box, collector)


def test_a_collector_killed_in_mid_stream_and_started_again_has_everything(
    box: Box, collector: CollectorProcess
) -> None:
    box.write(1500, media_every=33)
    child = box.sync(collector.url)
    for kills in range(1, 4):
        child.wait_for(lambda kills=kills: child.reports >= kills * 5)  # type: ignore[misc]
        collector.kill()
        box.write(50)
        child.wake()
        collector.start()
    child.wait_until_drained(box.folder)
    assert child.stop() == 0
    assert len(collector.keys()) == 1650
    assert_all_there_and_nothing_twice(box, collector)


def test_a_sync_process_killed_at_random_moments_loses_and_doubles_nothing(
    box: Box, collector: CollectorProcess
) -> None:
    chance = random.Random(20)
    box.write(1000)
    for _ in range(6):
        child = box.sync(collector.url)
        enough = chance.randrange(1, 4)
        child.wait_for(lambda child=child, enough=enough: child.reports >= enough)  # type: ignore[misc]
        child.kill()
    child = box.sync(collector.url)
    child.wait_until_drained(box.folder)
    assert child.stop() == 0
    assert len(collector.keys()) == 1000
    assert_all_there_and_nothing_twice(box, collector)


def test_lost_answers_cost_resends_and_nothing_else(box: Box, collector: CollectorProcess) -> None:
    chance = random.Random(7)
    proxy = FaultProxy(("127.0.0.1", collector.port))
    try:
        kinds = [Fault.NONE] * 6 + [Fault.LOSE_ANSWER] * 3 + [Fault.REFUSE, Fault.CUT_REQUEST]
        proxy.faults.extend(chance.choice(kinds) for _ in range(80))
        box.write(1000, media_every=33)
        child = box.sync(proxy.url)
        child.wait_until_drained(box.folder)
        assert child.stop() == 0
    finally:
        proxy.close()
    assert child.counters()["events_resent"] > 0
    assert child.counters()["failures"] > 0
    assert len(collector.keys()) == 1000
    assert_all_there_and_nothing_twice(box, collector)


def test_a_link_that_comes_and_goes_leaves_no_connections_behind(
    box: Box, collector: CollectorProcess
) -> None:
    proxy = FaultProxy(("127.0.0.1", collector.port))
    try:
        child = box.sync(proxy.url)
        child.wait_for(lambda: "connected" in child.states())
        descriptors = open_descriptors(child)
        for _ in range(12):
            proxy.is_up = False
            proxy.cut()
            box.write(20)
            child.wake()
            proxy.is_up = True
        child.wait_until_drained(box.folder)
        assert open_descriptors(child) <= descriptors + 1
        assert child.stop() == 0
    finally:
        proxy.close()
    assert len(collector.keys()) == 240
    assert_all_there_and_nothing_twice(box, collector)


def open_descriptors(child: SyncChild) -> int:
    return len(list(Path(f"/proc/{child.process.pid}/fd").iterdir()))


@pytest.mark.parametrize("misbehaves", [says_nothing, drips])
def test_a_far_side_that_hangs_is_not_taken_for_a_stuck_loop_and_is_given_up(
    box: Box, collector: CollectorProcess, misbehaves: object
) -> None:
    box.write(100)
    with RawServer(misbehaves) as server:  # type: ignore[arg-type]
        proxy = FaultProxy(("127.0.0.1", server.port))
        try:
            child = box.sync(proxy.url)
            child.wait_for(lambda: child.counters().get("failures", 0) >= 1)
            beat = child.heartbeat()
            assert beat is not None
            assert beat.loops["uploader"] < 1.0
            assert beat.state == "offline"
            assert "no answer" in beat.detail
            proxy.target = ("127.0.0.1", collector.port)  # the far side has recovered
            child.wait_until_drained(box.folder)
            assert child.stop() == 0
        finally:
            proxy.close()
    assert len(collector.keys()) == 100
    assert_all_there_and_nothing_twice(box, collector)


def test_a_wrong_token_is_a_state_of_its_own_and_nothing_is_lost(
    box: Box, collector: CollectorProcess
) -> None:
    box.write(10)
    child = box.sync(collector.url, token="wrong")
    child.wait_for(lambda: "auth_failed" in child.states())
    beat = child.heartbeat()
    assert beat is not None
    assert "sync.token" in beat.detail
    assert child.stop() == 0
    assert collector.keys() == []
    with LedgerReader(box.folder) as reader:
        assert reader.backlog().rows == 10
    child = box.sync(collector.url)
    child.wait_until_drained(box.folder)
    assert child.stop() == 0
    assert_all_there_and_nothing_twice(box, collector)


def test_a_restored_collector_gets_back_what_it_lost(
    box: Box, collector: CollectorProcess, tmp_path: Path
) -> None:
    box.write(200, media_every=11)
    child = box.sync(collector.url)
    child.wait_until_drained(box.folder)
    collector.stop()
    shutil.copytree(collector.data_dir, tmp_path / "backup")
    collector.start()
    box.write(300, media_every=11)
    child.wake()
    child.wait_until_drained(box.folder)

    collector.kill()
    shutil.rmtree(collector.data_dir)
    shutil.copytree(tmp_path / "backup", collector.data_dir)
    collector.start()
    assert len(collector.keys()) == 200
    box.write(1)
    child.wake()
    child.wait_for(lambda: child.counters().get("rewinds", 0) == 1)
    child.wait_until_drained(box.folder)
    assert child.stop() == 0
    assert len(collector.keys()) == 501
    assert_all_there_and_nothing_twice(box, collector)


def test_a_ledger_put_back_from_an_old_image_gets_a_new_epoch(
    box: Box, collector: CollectorProcess, tmp_path: Path
) -> None:
    """1..100 sent, 101..150 unsent in the image; then all of 1..200 sent; then the image again."""
    box.write(100)
    child = box.sync(collector.url)
    child.wait_until_drained(box.folder)
    assert child.stop() == 0
    box.write(50)
    box.take_image(tmp_path / "image")
    box.write(50)
    child = box.sync(collector.url)
    child.wait_until_drained(box.folder)
    assert child.stop() == 0
    assert len(collector.keys()) == 200

    box.put_back(tmp_path / "image")
    box.write(80)  # other rows under seqs that the collector has
    child = box.sync(collector.url)
    child.wait_until_drained(box.folder)
    child.wait_for(lambda: child.counters().get("rotations", 0) == 1)
    assert child.stop() == 0
    keys = collector.keys()
    assert len(keys) == 280
    epochs = list(dict.fromkeys(epoch for epoch, _ in keys))
    assert [sum(e == epoch for e, _ in keys) for epoch in epochs] == [200, 80]
    assert_all_there_and_nothing_twice(box, collector)


def test_it_is_gone_within_a_moment_when_the_supervisor_is(box: Box) -> None:
    """Even in the middle of a call to a far side that never answers."""
    box.write(10)
    with RawServer(says_nothing) as server:
        child = box.sync(server.url, read_timeout_s=60.0)
        child.wait_for(lambda: server.connections > 0)
        begin_ns = SYSTEM_CLOCK.boottime_ns()
        assert child.hang_up() != 0
        assert SYSTEM_CLOCK.boottime_ns() - begin_ns < 5e9


def test_a_stop_does_not_wait_for_a_far_side_that_never_answers(box: Box) -> None:
    box.write(10)
    with RawServer(says_nothing) as server:
        child = box.sync(server.url, read_timeout_s=60.0)
        child.wait_for(lambda: server.connections > 0)
        assert child.stop() == 0
    assert isinstance(child.ended(), Done)


def test_a_drain_empties_the_backlog_and_then_ends(box: Box, collector: CollectorProcess) -> None:
    box.write(400, media_every=33)
    child = box.sync(collector.url)
    assert child.stop(drain_s=30.0) == 0
    assert len(collector.keys()) == 400
    with LedgerReader(box.folder) as reader:
        assert (reader.backlog().rows, reader.backlog().media) == (0, 0)
    assert_all_there_and_nothing_twice(box, collector)


def test_a_drain_ends_in_time_when_nobody_is_there(box: Box) -> None:
    box.write(10)
    child = box.sync("http://127.0.0.1:9/v1")
    assert child.stop(drain_s=1.0) == 0
    assert isinstance(child.ended(), Done)
    with LedgerReader(box.folder) as reader:
        assert reader.backlog().rows == 10


def test_what_cannot_work_is_said_once_and_clearly(box: Box, tmp_path: Path) -> None:
    child = box.sync("https://127.0.0.1:9/v1", ca_file=str(tmp_path / "missing.pem"))
    assert child.process.wait(10) == ExitCode.CONFIG
    child.wait_for(lambda: child.ended() is not None)
    failed = child.ended()
    assert isinstance(failed, Failed)
    assert failed.exit_code == ExitCode.CONFIG
    assert "missing.pem" in failed.message
    child.kill()


def test_results_alone_are_sent_when_media_are_switched_off(
    box: Box, collector: CollectorProcess
) -> None:
    box.write(30, media_every=3)
    child = box.sync(collector.url, media=False)
    child.wait_for(lambda: child.counters().get("events_acked", 0) == 30)
    assert child.stop(drain_s=5.0) == 0
    assert len(collector.keys()) == 30
    assert not list((collector.data_dir / "media").glob("*/*"))
