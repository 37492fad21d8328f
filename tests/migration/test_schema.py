"""Every schema that was ever released comes up to date."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from edge_runtime.ledger import database
from edge_runtime.ledger.migrate import migrate, migrations, version_of
from edge_runtime.ledger.queries import LedgerReader
from edge_runtime.ledger.writer import PutResult
from tests.support.ledger import ledger, result


def test_migrations_are_numbered_from_1_without_a_gap() -> None:
    assert [number for number, _ in migrations()] == list(range(1, len(migrations()) + 1))


@pytest.mark.parametrize("released", [number for number, _ in migrations()])
def test_a_ledger_of_every_released_schema_is_brought_up_to_date(
    tmp_path: Path, released: int
) -> None:
    raw = sqlite3.connect(tmp_path / database.FILE, isolation_level=None)
    for number, sql in migrations()[:released]:
        raw.executescript(sql)
        raw.execute(f"PRAGMA user_version = {number}")
    raw.execute(
        "INSERT INTO entries (kind, lane, verdict, wall_ns, body) VALUES ('tombstone', 'top', 'lane_crash', 1, "
        '\'{"lane":"top","reason":"lane_crash","first":{"wall_ns":1,"boottime_ns":1,"boot_id":"b"},'
        '"last":{"wall_ns":1,"boottime_ns":1,"boot_id":"b"}}\')'
    )
    raw.close()
    with ledger(tmp_path) as writer, LedgerReader(tmp_path) as reader:
        assert writer.submit(PutResult(result())).result(20) == 2
        assert reader.identity().schema == migrations()[-1][0]
        assert len(reader.results()) == 2


def test_a_migration_that_fails_leaves_the_database_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / database.FILE
    connection = database.open_writer(path)
    migrate(connection, path)
    broken = [
        *migrations(),
        (len(migrations()) + 1, "CREATE TABLE extra (x); CREATE TABLE extra (x);"),
    ]
    monkeypatch.setattr("edge_runtime.ledger.migrate.migrations", lambda: broken)
    with pytest.raises(sqlite3.OperationalError, match="already exists"):
        migrate(connection, path)
    assert version_of(connection) == len(broken) - 1
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    assert "extra" not in tables
    connection.close()
    assert list(tmp_path.glob("ledger-before-*.db")), "a copy was made before the first change"
