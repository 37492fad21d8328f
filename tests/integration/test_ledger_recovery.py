"""A damaged database: kept, never recreated in silence, and what can be read goes on."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.errors import LedgerDamaged, LedgerError
from edge_runtime.ledger import checking, database, recovery
from edge_runtime.ledger.media import MediaStore
from edge_runtime.ledger.opening import open_ledger
from edge_runtime.ledger.queries import LedgerReader
from edge_runtime.ledger.writer import Ack, LedgerWriter, PutResult, Refuse
from edge_runtime.types import Tombstone, TombstoneReason
from tests.support.ledger import SMALL, done, ledger, put_with_media, result

PAGE = database.PAGE_BYTES
ROWS = 600


def fill(data_dir: Path) -> str:
    """`ROWS` results, one with a picture; 1-100 acknowledged, 150 refused.  The epoch."""
    with ledger(data_dir) as writer, LedgerReader(data_dir) as reader:
        put_with_media(writer, data_dir, 0, b"picture")
        futures = [writer.submit(PutResult(result(n))) for n in range(1, ROWS)]
        assert futures[-1].result(30) == ROWS
        epoch = reader.identity().epoch
        done(writer, Ack(epoch, ((1, 100),)))
        done(writer, Refuse(epoch, ((150, "schema", "no"),)))
    return epoch


def spoil(path: Path, page: int, count: int = 1) -> None:
    """Write rubbish over pages (from 1 on)."""
    with path.open("rb+") as file:
        file.seek((page - 1) * PAGE)
        file.write(os.urandom(count * PAGE))


def leaf_of(path: Path, table: str) -> int:
    """A page in the middle of a table."""
    connection = sqlite3.connect(path)
    pages = connection.execute(
        "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY pageno", (table,)
    ).fetchall()
    connection.close()
    return int(pages[len(pages) // 2][0])


def damage(reader: LedgerReader) -> Tombstone:
    (entry,) = reader.results(verdict=TombstoneReason.RECOVERED_DAMAGE.value)
    assert isinstance(entry.body, Tombstone)
    return entry.body


def kept_copies(data_dir: Path) -> list[Path]:
    return sorted((data_dir / "quarantine").glob("*/ledger.db"))


def test_rows_around_a_damaged_page_are_carried_over_into_a_new_epoch(tmp_path: Path) -> None:
    old = fill(tmp_path)
    path = tmp_path / database.FILE
    spoil(path, leaf_of(path, "entries"))
    damaged = path.read_bytes()
    with ledger(tmp_path) as writer, LedgerReader(tmp_path) as reader:
        assert writer.recovered
        assert writer.detail == writer.recovered
        present = {s for s in range(1, ROWS + 1) if reader.result(s) is not None}
        lost = ROWS - len(present)
        assert 0 < lost < 60
        assert damage(reader).count == lost
        assert "seq not readable" in str(damage(reader).detail)
        spans = reader.epochs()
        assert [(s.first, s.last) for s in spans] == [(1, ROWS), (ROWS + 1, ROWS + 1)]
        assert spans[0].epoch == old
        assert reader.sync_state().acked.ranges == ((1, 100),)
        assert [seq for seq, _, _ in reader.quarantined()] == [150]
        assert reader.backlog().rows == len(present) - 101 + 1  # the tombstone, too
        assert all(row.path.is_file() for row in reader.media_of(1))
        for entry in reader.unsent(10_000):
            assert entry.body == result(entry.seq - 1)
        assert done(writer, PutResult(result(1))) == ROWS + 2
    assert kept_copies(tmp_path)[0].read_bytes() == damaged
    with ledger(tmp_path) as writer:  # and all is well afterwards
        assert not writer.recovered


@pytest.mark.parametrize("table", ["epochs", "acked", "boots", "sources", "tallies", "meta"])
def test_results_survive_the_loss_of_any_small_table(tmp_path: Path, table: str) -> None:
    fill(tmp_path)
    path = tmp_path / database.FILE
    connection = sqlite3.connect(path)
    (root,) = connection.execute(
        "SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)
    ).fetchone()
    connection.close()
    spoil(path, root)
    with ledger(tmp_path) as writer, LedgerReader(tmp_path) as reader:
        assert writer.recovered
        assert all(reader.result(seq) is not None for seq in range(1, ROWS + 1))
        assert reader.counts().rows == ROWS
        assert damage(reader).count == 0
        assert len({entry.epoch for entry in reader.results(limit=1000)}) == 2
        assert all(entry.epoch for entry in reader.results(limit=1000))


@pytest.mark.parametrize("rubbish", [b"this is no database at all" * 1000, b"\0" * 8192])
def test_a_file_that_is_no_database_is_kept_and_the_loss_told(
    tmp_path: Path, rubbish: bytes
) -> None:
    fill(tmp_path)
    (tmp_path / database.FILE).write_bytes(rubbish)
    with ledger(tmp_path) as writer, LedgerReader(tmp_path) as reader:
        assert writer.recovered
        assert damage(reader).count == ROWS  # as the file beside it says
        assert done(writer, PutResult(result(1))) == ROWS + 2
    assert kept_copies(tmp_path)[0].read_bytes() == rubbish


def test_rows_that_were_only_in_the_log_are_carried_over_too(tmp_path: Path) -> None:
    live = tmp_path / "live"
    with ledger(live) as writer:
        futures = [writer.submit(PutResult(result(n))) for n in range(ROWS)]
        futures[-1].result(30)
        shutil.copytree(live, tmp_path / "image", ignore=shutil.ignore_patterns("*-shm", "lock"))
    image = tmp_path / "image"
    assert (image / "ledger.db-wal").stat().st_size > 0
    (image / checking.SUSPECT).write_text("somebody doubts it")
    connection = sqlite3.connect(image / database.FILE)
    connection.execute("UPDATE sqlite_sequence SET seq = seq")  # opened, and the log not moved
    connection.rollback()
    with LedgerReader(image) as reader:
        expected = reader.max_seq()
    connection.close()
    with ledger(image) as writer, LedgerReader(image) as reader:
        assert not writer.recovered  # it was sound: the doubt is gone
        assert reader.max_seq() == expected == ROWS
    assert not (image / checking.SUSPECT).exists()


def test_a_recovery_that_is_cut_off_anywhere_is_finished_or_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "a")
    path = tmp_path / "a" / database.FILE
    spoil(path, leaf_of(path, "entries"))
    moves = 0
    real = Path.rename

    def cut_off(self: Path, target: str | Path) -> Path:
        nonlocal moves
        moves += 1
        if moves > limit:
            raise KeyboardInterrupt
        return real(self, target)

    outcomes = []
    for limit in range(7):
        data_dir = tmp_path / f"cut{limit}"
        shutil.copytree(tmp_path / "a", data_dir)
        moves = 0
        with monkeypatch.context() as patched:
            patched.setattr(Path, "rename", cut_off)
            try:
                opened = open_ledger(data_dir, "box", SMALL, SYSTEM_CLOCK.stamp())
            except KeyboardInterrupt:
                outcomes.append("cut")
            else:
                outcomes.append("done")
                opened.connection.close()
                opened.lock.close()
        with ledger(data_dir), LedgerReader(data_dir) as reader:
            assert reader.max_seq() >= ROWS + 1
            assert damage(reader).count is not None
            assert reader.counts().rows > ROWS - 60
        assert len(kept_copies(data_dir)) == 1
    assert outcomes[0] == "cut"
    assert outcomes[-1] == "done"


def test_damage_that_is_met_at_work_stops_the_ledger_and_the_next_start_recovers(
    tmp_path: Path,
) -> None:
    fill(tmp_path)
    path = tmp_path / database.FILE
    with ledger(tmp_path) as writer:
        spoil(path, 2, path.stat().st_size // PAGE - 1)
        writer._connection.execute("PRAGMA shrink_memory")  # so that pages are read again
        futures = [writer.submit(PutResult(result(n))) for n in range(2000)]
        errors = [future.exception(30) for future in futures]
        assert isinstance(errors[-1], LedgerError)
        assert writer.state == "failed"
        assert not writer.is_alive()
        with pytest.raises(LedgerError, match="closed"):
            writer.submit(PutResult(result(1))).result(0)
    assert (tmp_path / checking.SUSPECT).exists()
    with ledger(tmp_path) as writer:
        assert writer.recovered
        assert done(writer, PutResult(result(1))) > 0


def test_the_inspection_beside_the_work_finds_what_the_start_did_not_look_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path)
    path = tmp_path / database.FILE
    spoil(path, leaf_of(path, "entries"))
    monkeypatch.setattr(checking, "WHOLE_BELOW_BYTES", 0)
    monkeypatch.setattr(checking, "_NEWEST_ROWS", 10)
    writer = LedgerWriter.open(tmp_path, "box", SMALL, SYSTEM_CLOCK)
    writer._inspection._thread.join(30)
    writer._thread.join(30)
    assert writer.state == "failed"
    writer.close()
    with ledger(tmp_path) as writer:
        assert writer.recovered


def test_a_damaged_head_is_found_at_the_start_of_a_long_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path)
    path = tmp_path / database.FILE
    spoil(path, leaf_of(path, "entries"))
    monkeypatch.setattr(checking, "WHOLE_BELOW_BYTES", 0)  # the newest 1000 rows are read: all
    connection = database.open_writer(path)
    with pytest.raises(LedgerDamaged):
        checking.check_at_start(connection, path)
    connection.close()


def test_finishing_a_recovery_is_harmless_at_any_other_time(tmp_path: Path) -> None:
    recovery.finish(tmp_path)
    fill(tmp_path)
    recovery.finish(tmp_path)
    with LedgerReader(tmp_path) as reader:
        assert reader.max_seq() == ROWS
    assert MediaStore(tmp_path).listing().files
