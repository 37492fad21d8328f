"""Rows past their age: deleted when the collector has them, and the sequence stays provable."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

from edge_runtime.config import Ledger
from edge_runtime.ledger import database
from edge_runtime.ledger.expiry import add_age
from edge_runtime.ledger.queries import LedgerReader
from edge_runtime.ledger.writer import (
    Ack,
    LedgerWriter,
    Maintain,
    MediaAcked,
    PutResult,
    PutTombstone,
    Refuse,
    RewindTo,
)
from tests.support.ledger import done, ledger, put_with_media, result, tombstone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAY_S = 86_400
SETTINGS = Ledger(group_ms=0, ballast_mib=1, min_free_mib=0, keep_synced_days=30)


def age(data_dir: Path, days: float) -> None:
    """As if the ledger had been open for so much longer; it is closed."""
    from edge_runtime.ledger.apply import Tables
    from edge_runtime.ledger.media import MediaStore

    with contextlib.closing(database.open_writer(data_dir / database.FILE)) as connection:
        add_age(Tables(connection, MediaStore(data_dir)), int(days * DAY_S))


@contextlib.contextmanager
def opened(data_dir: Path) -> Iterator[tuple[LedgerWriter, LedgerReader, str]]:
    with ledger(data_dir, SETTINGS) as writer, LedgerReader(data_dir) as reader:
        yield writer, reader, reader.identity().epoch


def seqs(reader: LedgerReader) -> list[int]:
    return [entry.seq for entry in reader.results(limit=10_000, newest_first=False)]


def test_only_acknowledged_rows_past_their_age_go_and_their_range_stays(tmp_path: Path) -> None:
    with opened(tmp_path) as (writer, _, epoch):
        for number in range(8):
            done(writer, PutResult(result(number)))
        done(writer, Refuse(epoch, ((3, "schema", "no"),)))
        done(writer, Ack(epoch, ((1, 2), (4, 6))))
    age(tmp_path, 1)  # from here on 1 to 8 are a day old
    with opened(tmp_path) as (writer, reader, epoch):
        done(writer, PutTombstone(tombstone()))
        done(writer, Ack(epoch, ((9, 9),)))
        done(writer, Maintain())
        assert seqs(reader) == list(range(1, 10))  # nothing is thirty days old
    age(tmp_path, 30)
    with opened(tmp_path) as (writer, reader, epoch):
        done(writer, Maintain())
        assert seqs(reader) == [3, 7, 8, 9]  # refused, unsent, unsent, and too young
        assert reader.sync_state().acked.ranges == ((1, 2), (4, 6), (9, 9))
        assert reader.backlog().rows == 2
        assert [entry.seq for entry in reader.unsent(10)] == [7, 8]
        assert reader.min_seq() == 3
        assert (reader.counts().rows, reader.counts().tombstones) == (3, 1)
        assert done(writer, PutResult(result(1))) == 10
        done(writer, Ack(epoch, ((7, 8),)))  # acknowledged late: they are old already
        done(writer, Maintain())
        assert seqs(reader) == [3, 9, 10]
        assert writer.counters()["rows_expired"] == 7


def test_a_row_waits_for_its_media_and_takes_them_along(tmp_path: Path) -> None:
    with opened(tmp_path) as (writer, _, epoch):
        for number in range(3):
            put_with_media(writer, tmp_path, number, f"picture {number}".encode())
        put_with_media(writer, tmp_path, 3, b"picture 2")  # a second row with the third's
        done(writer, Ack(epoch, ((1, 3),)))
    age(tmp_path, 1)
    age(tmp_path, 30)
    with opened(tmp_path) as (writer, reader, _):
        done(writer, Maintain())
        assert seqs(reader) == [1, 2, 3, 4]  # their pictures are not at the collector
        paths = [reader.media_of(seq)[0].path for seq in (1, 2, 3)]
        shas = tuple(path.stem for path in paths)
        done(writer, MediaAcked(shas))
        done(writer, Maintain())
        assert seqs(reader) == [4]  # not acknowledged
        assert [path.exists() for path in paths] == [False, False, True]  # 4 needs the last


def test_a_restored_collector_gets_what_is_left_and_the_rest_is_not_waited_for(
    tmp_path: Path,
) -> None:
    with opened(tmp_path) as (writer, _, epoch):
        for number in range(6):
            done(writer, PutResult(result(number)))
        done(writer, Ack(epoch, ((1, 4),)))
    age(tmp_path, 1)
    age(tmp_path, 30)
    with opened(tmp_path) as (writer, reader, epoch):
        done(writer, Maintain())
        done(writer, Ack(epoch, ((5, 6),)))
        assert seqs(reader) == [5, 6]
        done(writer, RewindTo(epoch, 2))
        assert [entry.seq for entry in reader.unsent(10)] == [5, 6]
        assert reader.backlog().rows == 2
        state = reader.sync_state()
        assert state.acked.ranges == ((1, 2),)
        assert state.settled.ranges == ((1, 4),)


def test_age_is_counted_over_restarts_and_no_clock_that_is_set_has_a_say(tmp_path: Path) -> None:
    with opened(tmp_path) as (writer, _, epoch):
        old = result(1)
        done(writer, PutResult(old))  # it says that it was captured in 2023
        done(writer, Ack(epoch, ((1, 1),)))
        done(writer, Maintain())
    for _ in range(2):
        age(tmp_path, 10)
    with opened(tmp_path) as (writer, reader, _):
        done(writer, Maintain())
        assert seqs(reader) == [1]  # twenty days since the first mark that knows it
    age(tmp_path, 10)
    with opened(tmp_path) as (writer, reader, _):
        done(writer, Maintain())
        assert seqs(reader) == []


def test_marks_do_not_pile_up(tmp_path: Path) -> None:
    with opened(tmp_path) as (writer, _, epoch):
        done(writer, PutResult(result(1)))
        done(writer, Ack(epoch, ((1, 1),)))
    for _ in range(100):
        age(tmp_path, 1)
    with opened(tmp_path) as (writer, _, _):
        done(writer, Maintain())
    with contextlib.closing(sqlite3.connect(tmp_path / database.FILE)) as raw:
        assert raw.execute("SELECT count(*) FROM marks").fetchone()[0] <= 32
