"""One row that nobody can read is one row: it is kept and told, and all others go their way."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path

import pytest

from edge_runtime.ledger import database
from edge_runtime.ledger.queries import LedgerReader
from edge_runtime.ledger.unreadable import MAX_COLUMN_BYTES
from edge_runtime.ledger.writer import Ack, PutResult, Refuse
from edge_runtime.sync.batch import make_batch
from edge_runtime.types import Result, Tombstone, TombstoneReason
from edge_runtime.wire.conversation import Limits
from tests.support.command_line import run
from tests.support.ledger import done, ledger, put_with_media, result

ROWS = 40
AT = 20
CHANGES = {
    "a lane that is no UTF-8": "lane = cast(x'746fff' as text)",
    "a lane that is a blob": "lane = x'746f70'",
    "a body that stops in its middle": """body = '{"source_seq":'""",
    "a body that is a blob": "body = x'7b7d'",
    "a body with bytes that are no UTF-8": "body = cast(x'7b22ff' as text)",
    "a body of another kind": """body = '{"last": [1, 2]}'""",
    "a body that is a list": "body = '[]'",
    "an empty body": "body = ''",
    "a body nested too deeply": f"""body = '{{"source_seq":1,"scores":{"[" * 5000}'""",
    "a verdict that nobody gives": "verdict = 'pasz'",
    "a verdict that is a number": "verdict = cast(7 as blob)",
    "a kind that nobody knows": "kind = 7",
    "a kind that is a text": "kind = 'result'",
    "a score that is a text": "score = 'high'",
    "a score without an end": "score = 9e999",
    "a time that is a text": "wall_ns = 'x'",
    "a time that is a fraction": "boottime_ns = 1.5",
    "a label that is a blob": "label = x'00'",
    "a boot that is a text": "boot = 'this one'",
    "a result that says it is an addition": "kind = 2",
    "a result that says it is a tombstone": "kind = 1",
    "a source that is a text": "source = 'camera'",
    "a body larger than memory should hold": f"body = zeroblob({MAX_COLUMN_BYTES + 1})",
    "a lane larger than memory should hold": f"lane = zeroblob({MAX_COLUMN_BYTES + 1})",
}


def damaged(data_dir: Path, change: str, at: int = AT) -> None:
    with ledger(data_dir) as writer:
        for number in range(ROWS):
            done(writer, PutResult(result(number)))
    alter(data_dir, change, at)


def alter(data_dir: Path, change: str, at: int = AT) -> None:
    with contextlib.closing(sqlite3.connect(data_dir / database.FILE)) as connection:
        connection.execute(f"UPDATE entries SET {change} WHERE seq = ?", (at,))
        connection.commit()


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_others_are_sent_and_this_one_is_kept_back_and_told(
    tmp_path: Path, change: str
) -> None:
    damaged(tmp_path, change)
    with LedgerReader(tmp_path) as reader:
        entries = reader.unsent(1000)
        assert [entry.seq for entry in entries] == list(range(1, ROWS + 1))
    with ledger(tmp_path) as writer, LedgerReader(tmp_path) as reader:
        batch = make_batch(entries, device="box", limits=Limits())
        assert set(batch.seqs) == set(range(1, ROWS + 1)) - {AT}
        ((seq, code, why),) = batch.refused
        assert (seq, code) == (AT, "unreadable")
        assert why
        done(writer, Ack(batch.epoch, tuple((s, s) for s in batch.seqs)))
        done(writer, Refuse(batch.epoch, batch.refused))
        done(writer, Refuse(batch.epoch, batch.refused))  # reported again: told once
        (told,) = reader.unsent(1000)
        assert isinstance(told.body, Tombstone)
        assert told.body.reason is TombstoneReason.UNREADABLE
        assert told.body.count == 1
        assert str(AT) in str(told.body.detail)
        assert reader.counts().quarantined == 1
        assert reader.backlog().rows == 1


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_people_see_all_others_and_what_stands_for_this_one(
    tmp_path: Path, change: str, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged(tmp_path, change)
    with LedgerReader(tmp_path) as reader:
        found = {entry.seq: entry for entry in reader.results(limit=1000)}
        assert sorted(found) == list(range(1, ROWS + 1))
        assert all(isinstance(e.body, Result) for s, e in found.items() if s != AT)
        entry = found[AT]
        assert isinstance(entry.body, Tombstone)
        assert entry.body.reason is TombstoneReason.UNREADABLE
        assert entry.unreadable in str(entry.body.detail)
        assert reader.result(AT) == entry
        assert reader.last_verdicts()["top"].seq == ROWS
        assert reader.backlog().rows == ROWS
        assert reader.counts().rows == ROWS
    listed = run(capsys, "results", "list", "--all", "--data", tmp_path, "-n", "1000")
    assert listed.code == 0, listed.err
    assert len(listed.out.splitlines()) == ROWS
    assert "cannot be read" in listed.out
    listed = run(capsys, "results", "list", "--all", "--json", "--data", tmp_path, "-n", "1000")
    rows = [json.loads(line, parse_constant=_no_json) for line in listed.out.splitlines()]
    assert [row["seq"] for row in rows] == list(range(ROWS, 0, -1))
    for more in ([], ["--why"], ["--json"]):
        shown = run(capsys, "results", "show", str(AT), "--data", tmp_path, *more)
        assert shown.code == 0, shown.err
        assert "cannot be read" in shown.out


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_start_finds_it_where_nothing_is_sent_and_tells_it_once(
    tmp_path: Path, change: str
) -> None:
    damaged(tmp_path, change)
    for _ in range(2):
        with ledger(tmp_path) as writer, LedgerReader(tmp_path) as reader:
            writer._inspection._thread.join(30)
            done(writer, PutResult(result(0)))  # behind what it reported
            assert [seq for seq, _, _ in reader.quarantined()] == [AT]
            told = [e for e in reader.results(verdict="unreadable") if not e.unreadable]
            assert [getattr(entry.body, "count", 0) for entry in told] == [1]


def test_a_start_reports_nothing_of_rows_that_are_well(tmp_path: Path) -> None:
    with ledger(tmp_path) as writer:
        for number in range(ROWS):
            done(writer, PutResult(result(number, text='heiß "ü" \u2028 😀', item="prüf\udcfe")))
    with ledger(tmp_path) as writer, LedgerReader(tmp_path) as reader:
        writer._inspection._thread.join(30)
        done(writer, PutResult(result(0)))
        assert reader.counts().quarantined == 0
        assert reader.counts().tombstones == 0


def test_the_first_and_the_last_row_may_be_the_one(tmp_path: Path) -> None:
    damaged(tmp_path, "wall_ns = 'x'", 1)
    alter(tmp_path, "body = '{'", ROWS)
    with LedgerReader(tmp_path) as reader:
        assert reader.backlog().oldest_wall_ns is None
        assert [e.seq for e in reader.unsent(1000) if e.unreadable] == [1, ROWS]
        assert reader.last_verdicts() == {}


def test_many_of_them_make_one_tombstone_a_report(tmp_path: Path) -> None:
    damaged(tmp_path, "kind = 9")
    for seq in range(1, 31):
        alter(tmp_path, "body = x'ff'", seq)
    with LedgerReader(tmp_path) as reader:  # before the ledger's own look at all rows finds them
        batch = make_batch(reader.unsent(1000), device="box", limits=Limits())
    assert len(batch.refused) == 30
    with ledger(tmp_path) as writer, LedgerReader(tmp_path) as reader:
        done(writer, Refuse(batch.epoch, batch.refused))
        (told,) = reader.results(verdict="unreadable")
        assert isinstance(told.body, Tombstone)
        assert told.body.count == 30


@pytest.mark.parametrize("column", ["sha256", "kind", "mime", "size_bytes"])
def test_a_row_of_media_that_cannot_be_read_stops_nobody(tmp_path: Path, column: str) -> None:
    with ledger(tmp_path) as writer, LedgerReader(tmp_path) as reader:
        put_with_media(writer, tmp_path, 0, b"one")
        put_with_media(writer, tmp_path, 1, b"two")
        done(writer, Ack(reader.identity().epoch, ((1, 2),)))
    with contextlib.closing(sqlite3.connect(tmp_path / database.FILE)) as connection:
        connection.execute(f"UPDATE media SET {column} = cast(x'ff' as text) WHERE id = 1")
        connection.commit()
    with ledger(tmp_path), LedgerReader(tmp_path) as reader:
        assert [row.seq for row in reader.unsent_media(10)] == [2]
        assert len(reader.results(limit=10)) >= 2
        assert reader.media_of(1) == []


def _no_json(name: str) -> None:
    raise AssertionError(name)
