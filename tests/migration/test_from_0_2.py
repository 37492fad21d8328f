"""A ledger that version 0.2 wrote, row for row and byte for byte, and what becomes of it here.

``ledger-0.2.sql.gz`` is one of 1,000 entries, all acknowledged, as that version's own code wrote it;
``events-0.2.jsonl.gz`` is what it said of each on the wire.
"""

from __future__ import annotations

import contextlib
import gzip
import logging
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.collector.ingest import read_batch
from edge_runtime.collector.sqlite.store import SqliteStore
from edge_runtime.errors import LedgerError, LedgerFull
from edge_runtime.failpoint import EXIT_CODE, VARIABLE
from edge_runtime.ledger import database, migrate
from edge_runtime.ledger.migrate import newest, version_of
from edge_runtime.ledger.queries import LedgerReader
from edge_runtime.ledger.writer import PutResult, PutTombstone
from edge_runtime.types import Result, Tombstone, findings_of
from edge_runtime.wire.conversation import Limits
from edge_runtime.wire.events import decode_event, encode_event
from tests.support.collector_process import running_collector
from tests.support.data import PROJECT
from tests.support.ledger import done, ledger, result, small_disk, tombstone
from tests.support.sync_child import SyncChild, make_config, open_ledger

if TYPE_CHECKING:
    from collections.abc import Iterable

HERE = Path(__file__).parent
ROWS = 1000
POINTS = (
    "ledger_copy_written", "ledger_copied", "migration_applied", "migration_committed",
)  # fmt: skip
OPEN = """
import sys
from pathlib import Path
from tests.support.ledger import ledger
with ledger(Path(sys.argv[1])):
    pass
"""


def recorded_events() -> list[bytes]:
    return gzip.decompress((HERE / "events-0.2.jsonl.gz").read_bytes()).splitlines()


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The data folder of a device that ran 0.2."""
    folder = tmp_path / "box"
    folder.mkdir()
    write_old(folder)
    return folder


def write_old(folder: Path) -> None:
    sql = gzip.decompress((HERE / "ledger-0.2.sql.gz").read_bytes()).decode()
    with contextlib.closing(sqlite3.connect(folder / database.FILE)) as raw:
        raw.execute("PRAGMA journal_mode = WAL")
        raw.executescript(sql)
        assert version_of(raw) == 1
        (epoch,) = raw.execute("SELECT epoch FROM epochs").fetchone()
    (folder / "epoch").write_text(f"{epoch} {ROWS}\n")


def content_of(folder: Path) -> list[bytes]:
    with LedgerReader(folder) as reader:
        entries = reader.results(limit=2 * ROWS, newest_first=False)
    return [
        encode_event(device="box", epoch=entry.epoch, seq=entry.seq, body=entry.body)
        for entry in entries
    ]


def test_what_0_2_wrote_goes_on_the_wire_as_it_did_byte_for_byte(old: Path) -> None:
    with ledger(old):
        assert content_of(old) == recorded_events()


def test_what_0_2_said_of_a_row_is_read_as_that_row(old: Path) -> None:
    with ledger(old), LedgerReader(old) as reader:
        entries = reader.results(limit=ROWS, newest_first=False)
    assert [decode_event(raw).body for raw in recorded_events()] == [e.body for e in entries]
    parts = [entry.body for entry in entries if isinstance(entry.body, Result)]
    assert len(parts) == 900
    for part in parts:
        found = findings_of(part)
        assert len(found) == (part.model is not None)
        assert all(one.opinion == part.verdict for one in found)


def test_a_ledger_of_0_2_is_copied_counted_and_goes_on(
    old: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO), ledger(old) as writer:
        assert done(writer, PutResult(result())) == ROWS + 1
        assert not writer.recovered
        with LedgerReader(old) as reader:
            assert reader.identity().schema == newest() == 2
            assert [span.last for span in reader.epochs()] == [ROWS + 1]
            assert reader.has_item("top", "part_0001.jpg:48211:17")
            assert [m.model for m in reader.model_history("top")] == ["surface-defect/1.0.0"]
            assert done(writer, PutTombstone(tombstone(), "k")) == ROWS + 2
    told = next(r.getMessage() for r in caplog.records if "ledger_migrated" in r.getMessage())
    assert told == "ledger_migrated schema=1->2 rows=900 tombstones=100 before=1000 after=1000"
    with contextlib.closing(sqlite3.connect(old / "ledger-schema1.db")) as copy:
        assert version_of(copy) == 1
        assert copy.execute("SELECT count(*) FROM entries").fetchone() == (ROWS,)
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("point", POINTS)
def test_an_upgrade_that_is_killed_is_taken_up_again_at_the_next_start(
    old: Path, point: str
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", OPEN, str(old)], check=False, cwd=PROJECT,
        env={**os.environ, VARIABLE: point},
    )  # fmt: skip
    assert ended.returncode == EXIT_CODE, "the point was not reached"
    copies = {path.name: path.stat().st_ino for path in old.glob("ledger-schema1.db")}
    assert bool(copies) == (point != "ledger_copy_written")
    with ledger(old) as writer:
        assert not writer.recovered
        assert content_of(old) == recorded_events()
        assert done(writer, PutResult(result())) == ROWS + 1
    assert not list(old.glob("*.new"))
    made = (old / "ledger-schema1.db").stat().st_ino
    assert copies.get("ledger-schema1.db", made) == made  # what was done is not done again
    with contextlib.closing(sqlite3.connect(old / "ledger-schema1.db")) as copy:
        assert copy.execute("SELECT count(*) FROM entries").fetchone() == (ROWS,)


def test_a_copy_of_what_the_ledger_was_before_another_run_is_made_anew(old: Path) -> None:
    before = old / "ledger-schema1.db"
    with contextlib.closing(sqlite3.connect(old / database.FILE)) as raw:
        raw.execute("VACUUM INTO ?", (str(before),))
        anchors = raw.execute("SELECT max(id) FROM clock_anchors").fetchone()[0]
        raw.execute("INSERT INTO clock_anchors VALUES (?, 'b', 1, 1, 'start')", (anchors + 1,))
        raw.execute("DELETE FROM acked")
        raw.commit()
    with ledger(old), contextlib.closing(sqlite3.connect(before)) as copy:
        assert copy.execute("SELECT count(*) FROM acked").fetchone() == (0,)


def test_an_upgrade_that_would_lose_rows_is_not_made(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losing = [*migrate.migrations()[:1], (2, "DELETE FROM entries WHERE seq = 7;")]
    monkeypatch.setattr(migrate, "migrations", lambda: losing)
    with pytest.raises(LedgerError, match=r"1000 entries before .* 999 after"), ledger(old):
        pass
    with contextlib.closing(sqlite3.connect(old / database.FILE)) as raw:
        assert version_of(raw) == 1
        assert raw.execute("SELECT count(*) FROM entries").fetchone() == (ROWS,)


def test_without_room_for_the_copy_it_says_how_much_is_needed_and_changes_nothing() -> None:
    with small_disk("2m") as disk:
        write_old(disk)
        before = (disk / database.FILE).read_bytes()
        (disk / "other").write_bytes(b"\1" * (1 << 20))
        needed = r"needs 2 MiB, 0\.\d MiB are free"
        with pytest.raises(LedgerFull, match=needed) as refused, ledger(disk):
            pass
        assert int(refused.value.exit_code) == 74
        assert (disk / database.FILE).read_bytes() == before
        assert not list(disk.glob("*schema*"))
        (disk / "other").unlink()
        with ledger(disk):
            assert content_of(disk) == recorded_events()


def collector_with(folder: Path, events: Iterable[bytes]) -> None:
    """A collector's store as the device's own events made it."""
    store = SqliteStore.open(folder, clock=SYSTEM_CLOCK)
    receipt = store.put_events(read_batch(b"[" + b",".join(events) + b"]", Limits()))
    assert receipt.rejected == ()
    store.close()


@pytest.mark.parametrize("kept", ["the first half", "every second one"])
def test_an_upgraded_device_whose_collector_was_put_back_sends_the_rest_and_nothing_twice(
    old: Path, tmp_path: Path, kept: str
) -> None:
    events = recorded_events()
    there = events[: ROWS // 2] if kept == "the first half" else events[::2]
    collector_with(tmp_path / "collector", there)
    writer = open_ledger(old)
    with LedgerReader(old) as reader, running_collector(tmp_path / "collector") as collector:
        epoch = reader.identity().epoch
        child = SyncChild(make_config(old, collector.url, max_batch=100), writer)
        child.wait_for(lambda: child.counters().get("events_acked", 0) >= ROWS // 2, 30)
        child.wait_until_drained(old)
        assert child.stop() == 0
        rows = collector.rows()
        assert sorted(row["seq"] for row in rows) == list(range(1, ROWS + 1))
        assert {row["epoch"] for row in rows} == {epoch}  # no conflict, no new epoch
        assert [span.epoch for span in reader.epochs()] == [epoch]
        assert reader.totals().quarantined == 0
        assert collector.get("/completeness?device=box")["complete"]
    writer.close()


def test_the_fixture_has_what_0_2_could_write(old: Path) -> None:
    with ledger(old), LedgerReader(old) as reader:
        bodies = [entry.body for entry in reader.results(limit=ROWS)]
    parts = [body for body in bodies if isinstance(body, Result)]
    assert len({part.verdict.kind for part in parts}) == 6
    assert any(part.actuations for part in parts)
    assert any(part.regions for part in parts)
    assert any(part.media for part in parts)
    assert any(part.text and not part.text.isascii() for part in parts)
    assert any(isinstance(body, Tombstone) and body.count == 0 for body in bodies)
