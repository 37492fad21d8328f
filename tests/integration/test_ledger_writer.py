"""The writer: what its futures promise, how commits are grouped, what each request does."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.config import Ledger
from edge_runtime.errors import LedgerError, RequestRefused
from edge_runtime.intervals import IntervalSet
from edge_runtime.ledger import database
from edge_runtime.ledger.apply import Tables
from edge_runtime.ledger.media import MediaStore
from edge_runtime.ledger.queries import LedgerReader
from edge_runtime.ledger.writer import (
    Ack,
    LedgerWriter,
    MediaAcked,
    PutResult,
    PutResults,
    PutTombstone,
    RecordAnchor,
    RecordModel,
    Refuse,
    RewindTo,
    RotateEpoch,
)
from edge_runtime.types import VerdictKind
from tests.support.ledger import (
    PATIENCE_S,
    SMALL,
    crash_image,
    done,
    ledger,
    put_with_media,
    result,
    stamp,
    tombstone,
)

if TYPE_CHECKING:
    from concurrent.futures import Future
    from pathlib import Path


def put(writer: Any, count: int, start: int = 0) -> list[int]:
    futures = [writer.submit(PutResult(result(n))) for n in range(start, start + count)]
    return [future.result(PATIENCE_S) for future in futures]


def test_results_and_tombstones_share_one_sequence_without_gaps(tmp_path: Path) -> None:
    with ledger(tmp_path) as writer, LedgerReader(tmp_path) as reader:
        seqs = [
            done(writer, op)
            for op in (PutResult(result(1)), PutTombstone(tombstone(2)), PutResult(result(3)))
        ]
        assert seqs == [1, 2, 3]
        kept = [entry.body for entry in reader.unsent(10)]
    assert kept == [result(1), tombstone(2), result(3)]


def test_what_a_future_has_told_is_in_the_file_that_a_crash_leaves(tmp_path: Path) -> None:
    with ledger(tmp_path / "live") as writer:
        seq = done(writer, PutResult(result(1)))
        image = crash_image(tmp_path / "live", tmp_path / "image")
    with LedgerReader(image) as reader:
        entry = reader.result(seq)
        assert entry is not None
        assert entry.body == result(1)


def test_rows_that_come_together_are_committed_together(tmp_path: Path) -> None:
    settings = Ledger(group_rows=64, group_ms=50, ballast_mib=1)
    with ledger(tmp_path, settings) as writer:
        assert put(writer, 640) == list(range(1, 641))
        assert writer.counters()["largest_batch"] == 64
        assert writer.counters()["commits"] <= 2 * 640 / 64


def test_a_lone_row_waits_no_longer_than_the_group_time(tmp_path: Path) -> None:
    settings = Ledger(group_rows=4096, group_ms=1, ballast_mib=1)
    with ledger(tmp_path, settings) as writer:
        assert put(writer, 1) == [1]


def test_each_lane_finds_its_results_in_the_order_in_which_it_gave_them(tmp_path: Path) -> None:
    def feed(lane: str, futures: list[Future[int]]) -> None:
        futures += [writer.submit(PutResult(result(n, lane=lane))) for n in range(300)]

    given: dict[str, list[Future[int]]] = {"a": [], "b": [], "c": []}
    with ledger(tmp_path) as writer:
        threads = [threading.Thread(target=feed, args=pair) for pair in given.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)
        seqs = {lane: [f.result(PATIENCE_S) for f in futures] for lane, futures in given.items()}
    assert all(own == sorted(own) for own in seqs.values())
    assert sorted(seq for own in seqs.values() for seq in own) == list(range(1, 901))


def test_a_transaction_that_is_rolled_back_uses_up_no_number(tmp_path: Path) -> None:
    with ledger(tmp_path) as writer:
        put(writer, 3)
    connection = database.open_writer(tmp_path / database.FILE)
    tables = Tables(connection, MediaStore(tmp_path))
    new = replace(result(9), source="file:new.mp4")
    with contextlib.suppress(sqlite3.OperationalError), tables.transaction():
        assert tables.put_result(new) == 4
        connection.execute("INSERT INTO no_such_table VALUES (1)")
    with tables.transaction():  # its new source is not remembered either
        assert tables.put_result(new) == 4
    connection.close()
    with LedgerReader(tmp_path) as reader:
        entry = reader.result(4)
        assert entry is not None
        assert entry.body == new
        assert reader.counts().rows == 4


def test_numbers_of_deleted_top_rows_are_never_given_again(tmp_path: Path) -> None:
    with ledger(tmp_path) as writer:
        put(writer, 5)
    connection = sqlite3.connect(tmp_path / database.FILE)
    connection.execute("DELETE FROM entries WHERE seq >= 3")
    connection.commit()
    connection.close()
    with ledger(tmp_path) as writer:
        assert "3 rows are not there" in writer.recovered  # a tombstone has the next number
        assert put(writer, 1) == [7]


def test_a_request_that_cannot_be_done_fails_alone(tmp_path: Path) -> None:
    settings = Ledger(group_rows=64, group_ms=100, ballast_mib=1)
    impossible = result(2, infer_ms=object())
    with ledger(tmp_path, settings) as writer:
        futures = [writer.submit(PutResult(r)) for r in (result(1), impossible, result(3))]
        assert [futures[0].result(PATIENCE_S), futures[2].result(PATIENCE_S)] == [1, 2]
        with pytest.raises(RequestRefused, match="cannot take this PutResult"):
            futures[1].result(PATIENCE_S)
        assert (writer.state, writer.counters()["refused"]) == ("ok", 1)
        assert put(writer, 1) == [3]


def test_a_request_that_nobody_waits_for_any_more_is_not_done(tmp_path: Path) -> None:
    settings = Ledger(group_rows=64, group_ms=200, ballast_mib=1)
    with ledger(tmp_path, settings) as writer:
        first, second = (writer.submit(PutResult(result(n))) for n in (1, 2))
        assert second.cancel()
        assert first.result(PATIENCE_S) == 1
        assert put(writer, 1) == [2]


def test_acknowledged_rows_are_not_sent_again(tmp_path: Path) -> None:
    with ledger(tmp_path) as writer, LedgerReader(tmp_path) as reader:
        put(writer, 10)
        epoch = reader.identity().epoch
        done(writer, Ack(epoch, ((1, 3), (5, 5))))
        done(writer, Ack(epoch, ((2, 4),)))  # an ack that was repeated, and more
        assert [entry.seq for entry in reader.unsent(3)] == [6, 7, 8]
        assert reader.sync_state().acked == IntervalSet.of([(1, 5)])
        assert reader.backlog().rows == 5


def test_an_ack_of_what_this_ledger_has_not_given_is_no_ack(tmp_path: Path) -> None:
    with ledger(tmp_path) as writer, LedgerReader(tmp_path) as reader:
        put(writer, 2)
        done(writer, Ack(reader.identity().epoch, ((1, 100), (9, 3))))
        done(writer, Ack("another epoch", ((1, 100),)))
        put(writer, 1)
        assert [entry.seq for entry in reader.unsent(10)] == [3]


def test_refused_rows_are_kept_and_shown_but_not_sent(tmp_path: Path) -> None:
    with ledger(tmp_path) as writer, LedgerReader(tmp_path) as reader:
        put(writer, 3)
        epoch = reader.identity().epoch
        done(writer, Ack(epoch, ((1, 1),)))
        done(writer, Refuse(epoch, ((1, "late", "it is there"), (2, "schema", "bad label"))))
        assert reader.quarantined() == [(2, "schema", "bad label")]
        assert [entry.seq for entry in reader.unsent(10)] == [3]
        assert reader.result(2) is not None
        assert reader.counts().quarantined == 1
        done(writer, Ack(epoch, ((2, 2),)))  # the collector changed its mind
        assert reader.quarantined() == []


def test_a_rewind_makes_rows_unsent_again_and_their_media_too(tmp_path: Path) -> None:
    with ledger(tmp_path) as writer, LedgerReader(tmp_path) as reader:
        put(writer, 5)
        seq = put_with_media(writer, tmp_path, 5, b"picture")
        epoch = reader.identity().epoch
        done(writer, Ack(epoch, ((1, seq),)))
        done(writer, MediaAcked((reader.media_of(seq)[0].sha256,)))
        assert (reader.backlog().rows, reader.backlog().media) == (0, 0)
        done(writer, RewindTo(epoch, 3))
        assert [entry.seq for entry in reader.unsent(10)] == [4, 5, 6]
        assert reader.backlog().media == 1


def test_a_rewind_to_what_lies_ahead_changes_nothing(tmp_path: Path) -> None:
    with ledger(tmp_path) as writer, LedgerReader(tmp_path) as reader:
        put(writer, 3)
        epoch = reader.identity().epoch
        done(writer, Ack(epoch, ((1, 2),)))
        for through in (3, 4, 99):
            done(writer, RewindTo(epoch, through))
        assert reader.sync_state().acked.ranges == ((1, 2),)
        assert writer.counters()["refused"] == 0


def test_a_rotation_takes_what_the_collector_has_not_into_a_new_epoch(tmp_path: Path) -> None:
    with ledger(tmp_path) as writer, LedgerReader(tmp_path) as reader:
        put(writer, 10)
        old = reader.identity().epoch
        done(writer, Ack(old, ((1, 4), (8, 8))))
        new = done(writer, RotateEpoch("the collector knows more"))
        assert new == reader.identity().epoch != old
        assert [(s.epoch, s.first, s.last) for s in reader.epochs()] == [(old, 1, 4), (new, 5, 10)]
        entries = reader.unsent(10)
        assert [(e.seq, e.epoch) for e in entries] == [(seq, new) for seq in range(5, 11)]
        assert done(writer, RotateEpoch("the same again", old)) == new


def test_a_refused_row_below_a_fork_does_not_make_acknowledged_rows_be_sent_again(
    tmp_path: Path,
) -> None:
    with ledger(tmp_path) as writer, LedgerReader(tmp_path) as reader:
        put(writer, 5)
        old = reader.identity().epoch
        done(writer, Refuse(old, ((2, "too_large", ""),)))
        done(writer, Ack(old, ((1, 1), (3, 4))))
        done(writer, RotateEpoch("a fork"))
        assert [entry.seq for entry in reader.unsent(100)] == [5]
        assert reader.sync_state().acked.ranges == ((1, 1), (3, 4))
        assert reader.quarantined() == [(2, "too_large", "")]


def test_rows_of_an_old_epoch_are_sent_under_it_and_never_mixed_with_the_next(
    tmp_path: Path,
) -> None:
    with ledger(tmp_path) as writer, LedgerReader(tmp_path) as reader:
        put(writer, 2)
        old = reader.identity().epoch
    (tmp_path / "epoch").unlink()
    with ledger(tmp_path) as writer, LedgerReader(tmp_path) as reader:
        put(writer, 2)
        new = reader.identity().epoch
        assert [(e.seq, e.epoch) for e in reader.unsent(10)] == [(1, old), (2, old)]
        done(writer, Ack(old, ((1, 2),)))
        assert [(e.seq, e.epoch) for e in reader.unsent(10)] == [(3, new), (4, new)]


def test_models_and_clock_anchors_are_recorded(tmp_path: Path) -> None:
    with ledger(tmp_path) as writer:
        done(writer, RecordModel("top", "surface-defect/0.1.0", "a" * 64))
        done(writer, RecordAnchor(stamp(5), "collector"))
    connection = sqlite3.connect(tmp_path / database.FILE)
    models = connection.execute("SELECT lane, model, sha256 FROM model_history").fetchall()
    anchors = connection.execute("SELECT boottime_ns, origin FROM clock_anchors").fetchall()
    connection.close()
    assert models == [("top", "surface-defect/0.1.0", "a" * 64)]
    assert [origin for _, origin in anchors] == ["start", "collector"]


def test_closing_commits_what_waits_and_is_idempotent(tmp_path: Path) -> None:
    settings = Ledger(group_rows=4096, group_ms=1000, ballast_mib=1)
    with ledger(tmp_path, settings) as writer:
        futures = [writer.submit(PutResult(result(n))) for n in range(50)]
        writer.close()
        assert [future.result(0) for future in futures] == list(range(1, 51))
        writer.close()
        with pytest.raises(LedgerError, match="closed"):
            writer.submit(PutResult(result(0))).result(0)
    assert not (tmp_path / (database.FILE + "-wal")).exists()


def test_readers_see_whole_commits_only_while_the_writer_is_at_work(tmp_path: Path) -> None:
    settings = Ledger(group_rows=16, group_ms=0, ballast_mib=1)
    stop = threading.Event()
    seen: list[int] = []
    wrong: list[str] = []

    def watch() -> None:
        with LedgerReader(tmp_path) as reader:
            while not stop.is_set():
                entries = reader.unsent(10_000)
                seqs = [entry.seq for entry in entries]
                if seqs != list(range(1, len(seqs) + 1)):
                    wrong.append(f"a gap among {seqs[-5:]}")
                if reader.counts().rows < len(entries):
                    wrong.append("fewer counted than seen")
                seen.append(len(seqs))

    with ledger(tmp_path, settings) as writer:
        put(writer, 1)
        threads = [threading.Thread(target=watch) for _ in range(2)]
        for thread in threads:
            thread.start()
        for start in range(1, 1500, 100):
            put(writer, 100, start)
        stop.set()
        for thread in threads:
            thread.join(PATIENCE_S)
    assert not wrong
    assert seen


def test_a_reader_that_holds_on_does_not_hold_up_the_writer(tmp_path: Path) -> None:
    with ledger(tmp_path) as writer:
        put(writer, 10)
        held = database.open_reader(tmp_path / database.FILE)
        held.execute("BEGIN")
        held.execute("SELECT count(*) FROM entries").fetchone()
        put(writer, 600)  # beyond a checkpoint
        assert writer.state == "ok"
        held.close()
        put(writer, 1)
    with LedgerReader(tmp_path) as reader:
        assert reader.counts().rows == 611


def test_counters_tell_what_was_done(tmp_path: Path) -> None:
    with ledger(tmp_path, SMALL) as writer:
        put(writer, 20)
        done(writer, PutTombstone(tombstone()))
        counters = writer.counters()
        assert counters["rows"] == 21
        assert 1 <= counters["commits"] <= 21
        assert counters["wal_bytes"] > 0
        assert (counters["waiting"], counters["refused"], counters["times_full"]) == (0, 0, 0)
        assert writer.is_alive()
    assert not writer.is_alive()


def test_every_kind_of_verdict_is_counted_by_lane(tmp_path: Path) -> None:
    with ledger(tmp_path) as writer, LedgerReader(tmp_path) as reader:
        for kind in VerdictKind:
            verdict = replace(result().verdict, kind=kind)
            done(writer, PutResult(result(1, lane="a", verdict=verdict)))
        done(writer, PutResult(result(2, lane="b")))
        done(writer, PutTombstone(tombstone(lane="b")))
        counts = reader.counts()
        assert counts.by_lane["a"] == {kind.value: 1 for kind in VerdictKind}
        assert counts.by_lane["b"] == {"reject": 1, "capture_gap": 1}
        assert (counts.rows, counts.tombstones) == (len(VerdictKind) + 1, 1)
        last = reader.last_verdicts()
        assert {lane: entry.seq for lane, entry in last.items()} == {
            "a": len(VerdictKind),
            "b": len(VerdictKind) + 1,
        }


def test_a_close_does_not_wait_for_a_disk_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = LedgerWriter.open(tmp_path, "box", SMALL, SYSTEM_CLOCK)
    hung, stop_hanging = threading.Event(), threading.Event()

    def hang(*_: Any) -> Any:
        hung.set()
        stop_hanging.wait(PATIENCE_S)
        raise LedgerError("let go")

    monkeypatch.setattr(Tables, "carry_out", hang)
    first = writer.submit(PutResult(result(1)))
    assert hung.wait(PATIENCE_S)
    second = writer.submit(PutResults((result(2), result(3))))
    assert writer.close(timeout_s=0.2) == 3
    with pytest.raises(LedgerError, match="closed after"):
        second.result(0)
    with pytest.raises(LedgerError, match="closed"):
        writer.submit(PutResult(result(4))).result(0)
    stop_hanging.set()
    assert first.exception(PATIENCE_S) is not None
    writer.close()


def test_a_failing_ledger_tells_who_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    writer = LedgerWriter.open(tmp_path, "box", SMALL, SYSTEM_CLOCK, on_state=told.append)

    def broken(*_: Any) -> Any:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Tables, "carry_out", broken)
    with pytest.raises(LedgerError, match="the ledger failed") as failed:
        writer.submit(PutResult(result(1))).result(PATIENCE_S)
    assert not isinstance(failed.value, RequestRefused)
    assert (told, writer.state) == (["failed"], "failed")
    assert writer.close() == 1


@pytest.mark.parametrize(
    "impossible",
    [
        replace(result(2), captured=replace(stamp(), boottime_ns=1 << 64)),
        result(2, scores=(None,)),
        result(2, captured=None),
        "no result at all",
    ],
)
def test_whatever_is_wrong_with_one_row_the_others_are_stored(
    tmp_path: Path, impossible: Any
) -> None:
    with ledger(tmp_path, Ledger(group_rows=64, group_ms=100, ballast_mib=1)) as writer:
        futures = [writer.submit(PutResult(r)) for r in (result(1), impossible, result(3))]
        assert [futures[0].result(PATIENCE_S), futures[2].result(PATIENCE_S)] == [1, 2]
        with pytest.raises(RequestRefused):
            futures[1].result(PATIENCE_S)
        assert writer.state == "ok"
        assert writer.counters()["refused"] == 1
