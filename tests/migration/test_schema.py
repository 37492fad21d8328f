"""Every schema that was ever released comes up to date, whole or not at all."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

import pytest

from edge_runtime.ledger import database
from edge_runtime.ledger.migrate import migrate, migrations, newest, version_of
from edge_runtime.ledger.queries import LedgerReader
from edge_runtime.ledger.writer import Ack, PutResult, PutTombstone
from edge_runtime.types import TombstoneReason
from tests.support.ledger import done, ledger, result, tombstone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RELEASED = [number for number, _ in migrations()]
TOMBSTONE_OF = {
    # What each schema's own version wrote: one tombstone, by hand.
    1: """
    INSERT INTO boots (id, name) VALUES (1, 'boot');
    INSERT INTO entries (kind, lane, verdict, boot, boottime_ns, wall_ns, body) VALUES
        (1, 'top', 'lane_crash', 1, 5, 1700000000000000000,
         '{"last":{"wall_ns":1700000001000000000,"boottime_ns":6,"boot_id":"boot"},"count":2}');
    INSERT INTO tallies (lane, kind, verdict, recorded, last_seq) VALUES ('top', 1, 'lane_crash', 1, 1);
    INSERT INTO epochs VALUES (1, '0123456789abcdef0123456789abcdef', 'created', 1);
    INSERT INTO meta VALUES ('device', 'box');
    """,
}
TOMBSTONE_OF[2] = TOMBSTONE_OF[1]
EXTRA = "CREATE TABLE extra (x); INSERT INTO extra VALUES (';');"


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(database.open_writer(tmp_path / database.FILE)) as connection:
        migrate(connection, tmp_path / database.FILE)
        yield connection


def tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}


def test_migrations_are_numbered_from_1_without_a_gap() -> None:
    assert list(range(1, len(RELEASED) + 1)) == RELEASED
    assert newest() == RELEASED[-1]


@pytest.mark.parametrize("released", RELEASED)
def test_a_ledger_of_every_released_schema_is_brought_up_to_date(
    tmp_path: Path, released: int
) -> None:
    raw = sqlite3.connect(tmp_path / database.FILE, isolation_level=None)
    for number, sql in migrations()[:released]:
        raw.executescript(sql)
        raw.execute(f"PRAGMA user_version = {number}")
    raw.executescript(TOMBSTONE_OF[released])
    raw.close()
    with ledger(tmp_path) as writer, LedgerReader(tmp_path) as reader:
        assert done(writer, PutResult(result())) == 2
        assert reader.identity().schema == newest()
        old = reader.result(1)
        assert old is not None
        assert old.epoch == "0123456789abcdef0123456789abcdef"
        assert (old.body.lane, getattr(old.body, "count", None)) == ("top", 2)
        assert reader.counts().by_lane == {
            "top": {TombstoneReason.LANE_CRASH.value: 1, "reject": 1}
        }


def test_a_migration_is_applied_once_with_a_copy_of_what_was_before(
    tmp_path: Path, connection: sqlite3.Connection
) -> None:
    path = tmp_path / database.FILE
    more = [*migrations(), (newest() + 1, EXTRA)]
    assert migrate(connection, path, more) == [newest() + 1]
    assert migrate(connection, path, more) == []
    assert connection.execute("SELECT x FROM extra").fetchall() == [(";",)]
    with contextlib.closing(sqlite3.connect(tmp_path / f"ledger-schema{newest()}.db")) as copy:
        assert version_of(copy) == newest()
        assert "extra" not in tables(copy)
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_new_ledger_is_not_copied_before_its_first_schema(
    tmp_path: Path, connection: sqlite3.Connection
) -> None:
    assert version_of(connection) == newest()
    assert not list(tmp_path.glob("*-schema*"))


def test_a_migration_that_fails_leaves_the_database_as_it_was(
    tmp_path: Path, connection: sqlite3.Connection
) -> None:
    broken = [*migrations(), (newest() + 1, "CREATE TABLE extra (x); CREATE TABLE extra (x);")]
    with pytest.raises(sqlite3.OperationalError, match="already exists"):
        migrate(connection, tmp_path / database.FILE, broken)
    assert version_of(connection) == newest()
    assert "extra" not in tables(connection)


def test_the_views_for_people_show_epoch_source_and_model(tmp_path: Path) -> None:
    with ledger(tmp_path) as writer, LedgerReader(tmp_path) as reader:
        epoch = reader.identity().epoch
        done(writer, PutResult(result(1)))
        done(writer, PutTombstone(tombstone(2)))
        done(writer, Ack(epoch, ((1, 1),)))
    with contextlib.closing(sqlite3.connect(tmp_path / database.FILE)) as raw:
        (row,) = raw.execute("SELECT seq, epoch, lane, verdict, source, model, wall FROM results")
        (gap,) = raw.execute("SELECT seq, epoch, lane, reason FROM tombstones")
    assert row == (1, epoch, "top", "reject", "file:belt.mp4", "surface-defect/0.1.0",
                   "2023-11-14 22:13:21")  # fmt: skip
    assert gap == (2, epoch, "top", "capture_gap")
