"""The ledger on a real disk."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from edge_runtime.errors import LedgerError, LedgerLocked, NoInput, SchemaTooNew, StorageReadOnly
from edge_runtime.intervals import IntervalSet
from edge_runtime.ledger import database
from edge_runtime.ledger.media import MediaStore
from edge_runtime.ledger.queries import LedgerReader
from edge_runtime.ledger.writer import (
    Ack,
    MediaAcked,
    PutResult,
    PutTombstone,
    RecordModel,
    Refuse,
    RewindTo,
    RotateEpoch,
)
from edge_runtime.types import Result, VerdictKind
from tests.support.ledger import ledger, result, tombstone

WAIT_S = 20


def fill(writer: object, count: int) -> list[int]:
    futures = [writer.submit(PutResult(result(n))) for n in range(count)]  # type: ignore[attr-defined]
    return [future.result(WAIT_S) for future in futures]


def test_results_and_tombstones_share_one_sequence_without_a_gap(tmp_path: Path) -> None:
    with ledger(tmp_path) as writer:
        assert fill(writer, 3) == [1, 2, 3]
        assert writer.submit(PutTombstone(tombstone())).result(WAIT_S) == 4
        assert fill(writer, 1) == [5]
    with LedgerReader(tmp_path) as reader:
        assert [entry.seq for entry in reader.results(newest_first=False)] == [1, 2, 3, 4, 5]
        assert (reader.totals().rows, reader.totals().tombstones) == (4, 1)


def test_what_was_put_is_what_is_read(tmp_path: Path) -> None:
    put = result(7)
    with ledger(tmp_path) as writer:
        seq = writer.submit(PutResult(put)).result(WAIT_S)
        with LedgerReader(tmp_path) as reader:
            entry = reader.result(seq)
    assert entry is not None
    assert entry.body == put


def test_a_name_that_is_not_unicode_is_kept_escaped_and_stops_nothing(tmp_path: Path) -> None:
    with ledger(tmp_path) as writer:
        writer.submit(PutResult(result(1, item="part\udcff.jpg:1:2"))).result(WAIT_S)
    with LedgerReader(tmp_path) as reader:
        body = reader.results()[0].body
        assert isinstance(body, Result)
        assert body.item == "part\\udcff.jpg:1:2"


def test_the_connection_is_wal_and_full_and_a_reader_cannot_write(tmp_path: Path) -> None:
    with ledger(tmp_path):
        connection = database.open_reader(tmp_path / database.FILE)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            connection.execute("DELETE FROM entries")
        connection.close()


def test_a_number_is_never_given_twice_also_after_the_top_rows_are_gone(tmp_path: Path) -> None:
    with ledger(tmp_path) as writer:
        fill(writer, 5)
    raw = sqlite3.connect(tmp_path / database.FILE)
    raw.execute("DELETE FROM entries WHERE seq > 2")
    raw.commit()
    raw.close()
    with ledger(tmp_path) as writer:
        assert fill(writer, 1) == [6]


def test_a_rolled_back_row_burns_no_number(tmp_path: Path) -> None:
    with ledger(tmp_path) as writer:
        fill(writer, 1)
    raw = sqlite3.connect(tmp_path / database.FILE, isolation_level=None)
    raw.execute("BEGIN IMMEDIATE")
    raw.execute(
        "INSERT INTO entries (kind, lane, verdict, wall_ns, body) VALUES ('result','x','pass',0,'{}')"
    )
    raw.execute("ROLLBACK")
    raw.close()
    with ledger(tmp_path) as writer:
        assert fill(writer, 1) == [2]


def test_only_what_is_not_acknowledged_is_sent_oldest_first(tmp_path: Path) -> None:
    with ledger(tmp_path) as writer, LedgerReader(tmp_path) as reader:
        fill(writer, 10)
        epoch = reader.identity().epoch
        writer.submit(Ack(epoch, ((1, 3), (6, 7)))).result(WAIT_S)
        writer.submit(Refuse(epoch, ((9, "too_large", "64 KiB"),))).result(WAIT_S)
        assert [entry.seq for entry in reader.unsent(100)] == [4, 5, 8, 10]
        assert reader.backlog().rows == 4
        assert reader.quarantined() == [(9, "too_large", "64 KiB")]
        assert [entry.seq for entry in reader.unsent(2)] == [4, 5]


def test_an_acknowledgement_of_another_epoch_or_of_the_future_is_none(tmp_path: Path) -> None:
    with ledger(tmp_path) as writer, LedgerReader(tmp_path) as reader:
        fill(writer, 3)
        writer.submit(Ack("0" * 32, ((1, 3),))).result(WAIT_S)
        writer.submit(Ack(reader.identity().epoch, ((3, 99),))).result(WAIT_S)
        assert reader.sync_state().acked.ranges == ((3, 3),)


def test_a_collector_that_was_restored_gets_again_what_it_lost(tmp_path: Path) -> None:
    media = MediaStore(tmp_path).put(b"picture", kind="frame", mime="image/jpeg")
    with ledger(tmp_path) as writer, LedgerReader(tmp_path) as reader:
        fill(writer, 4)
        writer.submit(PutResult(result(5, media=(media,)))).result(WAIT_S)
        epoch = reader.identity().epoch
        writer.submit(Ack(epoch, ((1, 5),))).result(WAIT_S)
        writer.submit(MediaAcked((media.sha256,))).result(WAIT_S)
        assert (reader.backlog().rows, reader.backlog().media) == (0, 0)
        writer.submit(RewindTo(epoch, 2)).result(WAIT_S)
        assert [entry.seq for entry in reader.unsent(100)] == [3, 4, 5]
        assert reader.backlog().media == 1


def test_a_rotated_epoch_takes_along_what_the_collector_does_not_have(tmp_path: Path) -> None:
    with ledger(tmp_path) as writer, LedgerReader(tmp_path) as reader:
        fill(writer, 4)
        old = reader.identity().epoch
        writer.submit(Ack(old, ((1, 2),))).result(WAIT_S)
        new = writer.submit(RotateEpoch("the collector knows more")).result(WAIT_S)
        assert {entry.epoch for entry in reader.unsent(100)} == {new}
        assert [(s.epoch, s.first, s.last) for s in reader.epochs()] == [(old, 1, 2), (new, 3, 4)]
    assert (tmp_path / "epoch").read_text().strip() == new


def test_a_refused_row_below_a_fork_does_not_make_acknowledged_rows_be_sent_again(
    tmp_path: Path,
) -> None:
    with ledger(tmp_path) as writer, LedgerReader(tmp_path) as reader:
        fill(writer, 5)
        old = reader.identity().epoch
        writer.submit(Refuse(old, ((2, "too_large", ""),))).result(WAIT_S)
        writer.submit(Ack(old, ((1, 1), (3, 4)))).result(WAIT_S)
        writer.submit(RotateEpoch("a fork")).result(WAIT_S)
        assert [entry.seq for entry in reader.unsent(100)] == [5]
        assert reader.sync_state().acked.ranges == ((1, 1), (3, 4))


def test_a_database_put_back_from_an_old_copy_gets_a_new_epoch(tmp_path: Path) -> None:
    with ledger(tmp_path) as writer:
        fill(writer, 3)
    (tmp_path / "epoch").write_text("f" * 32 + "\n")
    with LedgerReader(tmp_path) as reader:
        before = reader.identity().epoch
    with ledger(tmp_path) as writer, LedgerReader(tmp_path) as reader:
        assert reader.identity().epoch != before
        assert {entry.epoch for entry in reader.unsent(100)} == {before}, "old rows keep theirs"
        assert fill(writer, 1) == [4]
        assert reader.unsent(100, beside=IntervalSet.of([(1, 3)]))[0].epoch != before


def test_a_second_writer_is_refused_by_the_first_ones_pid(tmp_path: Path) -> None:
    import os

    with ledger(tmp_path), pytest.raises(LedgerLocked, match=str(os.getpid())), ledger(tmp_path):
        pass


def test_a_newer_schema_is_refused_and_left_untouched(tmp_path: Path) -> None:
    with ledger(tmp_path):
        pass
    raw = sqlite3.connect(tmp_path / database.FILE)
    raw.execute("PRAGMA user_version = 99")
    raw.close()
    before = (tmp_path / database.FILE).read_bytes()
    with pytest.raises(SchemaTooNew, match="schema 99"), ledger(tmp_path):
        pass
    assert (tmp_path / database.FILE).read_bytes() == before


def test_a_folder_that_cannot_be_made_is_named() -> None:
    with pytest.raises(StorageReadOnly, match="/proc/nowhere"), ledger(Path("/proc/nowhere")):
        pass


def test_reading_where_there_is_no_ledger_says_so(tmp_path: Path) -> None:
    with pytest.raises(NoInput, match="there is no ledger here"):
        LedgerReader(tmp_path)


def test_after_close_nothing_is_taken_and_nothing_hangs(tmp_path: Path) -> None:
    with ledger(tmp_path) as writer:
        pass
    with pytest.raises(LedgerError, match="closed"):
        writer.submit(PutResult(result())).result(WAIT_S)


def test_a_damaged_database_is_kept_and_what_can_be_read_goes_on_in_a_new_epoch(
    tmp_path: Path,
) -> None:
    with ledger(tmp_path) as writer:
        fill(writer, 400)
    with LedgerReader(tmp_path) as reader:
        old = reader.identity().epoch
        writer_epoch = reader.epochs()[0]
    path = tmp_path / database.FILE
    data = bytearray(path.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 8192] = b"\xaa" * 8192
    path.write_bytes(data)
    with ledger(tmp_path) as writer, LedgerReader(tmp_path) as reader:
        assert writer.recovered
        entries = reader.results(limit=1000, newest_first=False)
        assert 200 < len(entries) <= 401
        assert reader.identity().epoch != old
        damage = [e for e in entries if not isinstance(e.body, Result)]
        assert [e.body.reason for e in damage] == ["recovered_damage"]  # type: ignore[union-attr]
        assert fill(writer, 1)[0] > writer_epoch.last
    kept = list((tmp_path / "quarantine").rglob(database.FILE))
    assert len(kept) == 1


def test_a_file_that_is_no_database_is_kept_too(tmp_path: Path) -> None:
    (tmp_path / database.FILE).write_bytes(b"this is no database at all " * 400)
    with ledger(tmp_path) as writer:
        assert writer.recovered
        assert fill(writer, 1) == [2]  # behind the tombstone that says what happened


def test_media_that_no_row_refers_to_are_swept_at_the_start(tmp_path: Path) -> None:
    import os

    store = MediaStore(tmp_path)
    with ledger(tmp_path) as writer:
        orphan = store.put(b"orphan", kind="frame", mime="image/jpeg")
        kept = store.put(b"kept", kind="frame", mime="image/jpeg")
        writer.submit(PutResult(result(media=(kept,)))).result(WAIT_S)
    for media in (orphan, kept):
        os.utime(store.path(media.sha256, media.mime), (1, 1))
    with ledger(tmp_path) as writer:
        fill(writer, 1)
        assert not store.path(orphan.sha256, orphan.mime).exists()
        assert store.path(kept.sha256, kept.mime).read_bytes() == b"kept"


def test_which_model_a_lane_had_is_remembered(tmp_path: Path) -> None:
    with ledger(tmp_path) as writer:
        writer.submit(RecordModel("top", "surface-defect/0.1.0", "ab" * 32)).result(WAIT_S)
    raw = sqlite3.connect(tmp_path / database.FILE)
    assert raw.execute("SELECT lane, model FROM model_history").fetchall() == [
        ("top", "surface-defect/0.1.0")
    ]
    raw.close()


def test_results_are_found_by_lane_verdict_and_item(tmp_path: Path) -> None:
    with ledger(tmp_path) as writer:
        writer.submit(PutResult(result(1, kind=VerdictKind.PASS))).result(WAIT_S)
        writer.submit(PutResult(result(2, lane="side"))).result(WAIT_S)
    with LedgerReader(tmp_path) as reader:
        assert [e.seq for e in reader.results(verdict="pass")] == [1]
        assert [e.seq for e in reader.results(lane="side", label="defect")] == [2]
        assert reader.has_item("side", "frame:2")
        assert not reader.has_item("top", "frame:2")
