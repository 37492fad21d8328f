"""Reading: filters, limits, media, and a long backlog that must not cost anything."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from edge_runtime.errors import LedgerError
from edge_runtime.intervals import IntervalSet
from edge_runtime.ledger import database
from edge_runtime.ledger.queries import LedgerReader
from edge_runtime.ledger.writer import Ack, PutResult, PutTombstone
from edge_runtime.types import Verdict, VerdictKind
from tests.support.ledger import done, ledger, put_with_media, result, tombstone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[LedgerReader]:
    """1 pass, 2 reject, 3 heard "stop", 4 tombstone, 5 reject of another lane."""
    heard = Verdict(VerdictKind.HEARD, "stop", 0.8)
    with ledger(tmp_path) as writer:
        for op in (
            PutResult(result(1, kind=VerdictKind.PASS)),
            PutResult(result(2)),
            PutResult(result(3, lane="mic", verdict=heard, item=None)),
            PutTombstone(tombstone(4)),
            PutResult(result(5, lane="side")),
        ):
            done(writer, op)
    with LedgerReader(tmp_path) as reader:
        yield reader


def found(reader: LedgerReader, **wanted: object) -> list[int]:
    return [entry.seq for entry in reader.results(**wanted)]  # type: ignore[arg-type]


def test_results_are_found_by_lane_verdict_label_seq_and_time(reader: LedgerReader) -> None:
    assert found(reader) == [5, 4, 3, 2, 1]
    assert found(reader, newest_first=False, limit=2) == [1, 2]
    assert found(reader, lane="top") == [4, 2, 1]
    assert found(reader, verdict="reject") == [5, 2]
    assert found(reader, verdict="pass") == [1]
    assert found(reader, verdict="capture_gap") == [4]
    assert found(reader, lane="side", verdict="reject") == [5]
    assert found(reader, label="stop") == [3]
    assert found(reader, after_seq=2, before_seq=5) == [4, 3]
    assert found(reader, since_wall_ns=result(3).captured.wall_ns) == [5, 4, 3]
    assert found(reader, label="'; DROP TABLE entries; --") == []


def test_rare_verdicts_are_looked_up_and_not_searched_for(reader: LedgerReader) -> None:
    plan = reader._all(
        "EXPLAIN QUERY PLAN SELECT seq FROM entries WHERE verdict = ? "
        "AND verdict NOT IN ('pass', 'no_speech') ORDER BY seq DESC LIMIT ?",
        "reject", 1,
    )  # fmt: skip
    assert "entries_notable" in str(plan)
    assert "TEMP B-TREE" not in str(plan)


def test_one_entry_is_found_by_its_seq(reader: LedgerReader) -> None:
    entry = reader.result(2)
    assert entry is not None
    assert entry.body == result(2)
    assert reader.result(99) is None


def test_items_that_were_done_are_known_lane_by_lane(reader: LedgerReader) -> None:
    assert reader.has_item("side", "frame:5")
    assert not reader.has_item("top", "frame:5")
    assert not reader.has_item("top", "frame:99")


def test_unsent_rows_come_in_pieces_of_about_the_size_asked_for(tmp_path: Path) -> None:
    with ledger(tmp_path) as writer, LedgerReader(tmp_path) as reader:
        futures = [writer.submit(PutResult(result(n, text="x" * 1000))) for n in range(700)]
        futures[-1].result(30)
        assert len(reader.unsent(600)) == 600
        assert [entry.seq for entry in reader.unsent(5)] == [1, 2, 3, 4, 5]
        assert 4 <= len(reader.unsent(600, 5000)) <= 6
        assert len(reader.unsent(600, 1)) == 1  # at least one, however large
        assert [e.seq for e in reader.unsent(2, beside=IntervalSet.of([(1, 10)]))] == [11, 12]


def test_unsent_rows_are_found_behind_any_number_of_holes(tmp_path: Path) -> None:
    with ledger(tmp_path) as writer, LedgerReader(tmp_path) as reader:
        futures = [writer.submit(PutResult(result(n))) for n in range(600)]
        futures[-1].result(30)
        holes = tuple((n, n) for n in range(2, 600, 2))
        done(writer, Ack(reader.identity().epoch, holes))
        assert [e.seq for e in reader.unsent(1000)] == [*range(1, 600, 2), 600]
        assert [e.seq for e in reader.unsent(3)] == [1, 3, 5]


def test_media_are_sent_after_their_result_the_most_valuable_and_newest_first(
    tmp_path: Path,
) -> None:
    kinds = [VerdictKind.REVIEW, VerdictKind.REJECT, VerdictKind.REJECT, VerdictKind.REJECT]
    with ledger(tmp_path) as writer, LedgerReader(tmp_path) as reader:
        for number, kind in enumerate(kinds):
            put_with_media(writer, tmp_path, number, f"{number}".encode(), kind=kind)
        done(writer, Ack(reader.identity().epoch, ((1, 3),)))
        assert [row.seq for row in reader.unsent_media(10)] == [3, 2, 1]
        assert [row.seq for row in reader.unsent_media(1)] == [3]


def test_many_media_of_rows_that_wait_do_not_hide_one_that_may_go(tmp_path: Path) -> None:
    with ledger(tmp_path) as writer, LedgerReader(tmp_path) as reader:
        for number in range(200):
            put_with_media(writer, tmp_path, number, f"{number}".encode())
        done(writer, Ack(reader.identity().epoch, ((1, 1),)))
        assert [row.seq for row in reader.unsent_media(1)] == [1]


def test_the_backlog_tells_how_much_and_since_when(tmp_path: Path) -> None:
    with ledger(tmp_path) as writer, LedgerReader(tmp_path) as reader:
        assert reader.backlog().oldest_wall_ns is None
        for number in range(4):
            put_with_media(writer, tmp_path, number, b"12345" * (number + 1))
        done(writer, Ack(reader.identity().epoch, ((1, 2),)))
        backlog = reader.backlog()
        assert (backlog.rows, backlog.media, backlog.media_bytes) == (2, 4, 50)
        assert backlog.oldest_wall_ns == result(2).captured.wall_ns


def test_a_row_whose_model_or_source_is_unknown_is_still_read(tmp_path: Path) -> None:
    with ledger(tmp_path) as writer:
        done(writer, PutResult(result(1)))
    with contextlib.closing(sqlite3.connect(tmp_path / database.FILE)) as raw:
        raw.executescript("DELETE FROM models; DELETE FROM sources; DELETE FROM boots;")
    with LedgerReader(tmp_path) as reader:
        (entry,) = reader.results()
        known = result(1)
        assert entry.body == replace(
            known, source="unknown", model="unknown", model_sha256=None,
            captured=replace(known.captured, boot_id="unknown"),
        )  # fmt: skip


def test_a_file_that_cannot_be_read_is_said_and_nothing_leaks(tmp_path: Path) -> None:
    with ledger(tmp_path) as writer:
        done(writer, PutResult(result(1)))
    (tmp_path / database.FILE).write_bytes(b"rubbish" * 1000)
    with pytest.raises(LedgerError, match="not a database"):
        LedgerReader(tmp_path)


def test_a_reader_of_another_version_says_which_is_older(tmp_path: Path) -> None:
    with ledger(tmp_path):
        pass
    with contextlib.closing(sqlite3.connect(tmp_path / database.FILE)) as raw:
        raw.execute("PRAGMA user_version = 9999")
    with pytest.raises(LedgerError, match="schema 9999 is of a newer version"):
        LedgerReader(tmp_path)
