"""Opening: who may, what is refused, and when a new epoch begins."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.errors import (
    ExitCode,
    LedgerLocked,
    NoInput,
    SchemaTooNew,
    StorageReadOnly,
)
from edge_runtime.ledger import checking, database
from edge_runtime.ledger.queries import EpochSpan, LedgerReader
from edge_runtime.ledger.writer import Ack, LedgerWriter, PutResult
from edge_runtime.types import Tombstone
from tests.support.data import PROJECT
from tests.support.ledger import SMALL, done, ledger, result, small_disk


def fill(data_dir: Path, count: int, device: str = "box") -> None:
    with ledger(data_dir, device=device) as writer:
        for number in range(count):
            done(writer, PutResult(result(number)))


def epochs(data_dir: Path) -> list[EpochSpan]:
    with LedgerReader(data_dir) as reader:
        return reader.epochs()


def test_a_new_folder_becomes_a_ledger(tmp_path: Path) -> None:
    data_dir = tmp_path / "not" / "yet"
    fill(data_dir, 1)
    with LedgerReader(data_dir) as reader:
        identity = reader.identity()
    assert identity.device == "box"
    assert len(identity.epoch) == 32
    assert (data_dir / "ballast").stat().st_blocks * 512 >= SMALL.ballast_mib << 20


def test_the_durability_settings_are_really_in_force(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    connection = database.open_writer(tmp_path / database.FILE)
    wanted = {"journal_mode": "wal", "synchronous": 2, "wal_autocheckpoint": 0, "mmap_size": 0,
              "trusted_schema": 0, "temp_store": 2, "cell_size_check": 1, "busy_timeout": 10_000,
              "journal_size_limit": 64 << 20}  # fmt: skip
    got = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in wanted}
    connection.close()
    assert got == wanted


def test_a_reader_cannot_write_or_checkpoint(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    connection = database.open_reader(tmp_path / database.FILE)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM entries")
    assert connection.execute("PRAGMA wal_autocheckpoint").fetchone()[0] == 0
    connection.close()


def test_a_second_daemon_is_told_who_has_the_ledger(tmp_path: Path) -> None:
    with ledger(tmp_path):
        with pytest.raises(LedgerLocked, match=f"pid {os.getpid()}") as caught:
            LedgerWriter.open(tmp_path, "box", SMALL, SYSTEM_CLOCK)
        assert caught.value.exit_code is ExitCode.LOCKED
    fill(tmp_path, 1)  # and free again


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib\n"
        "from edge_runtime.ledger.folder import take_lock\n"
        "take_lock(pathlib.Path(sys.argv[1])); print('locked', flush=True); sys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    assert child.stdin is not None
    assert child.stdout.readline() == b"locked\n"
    with pytest.raises(LedgerLocked, match=f"pid {child.pid}"):
        LedgerWriter.open(tmp_path, "box", SMALL, SYSTEM_CLOCK)
    child.kill()
    child.wait(30)
    child.stdout.close()
    child.stdin.close()
    fill(tmp_path, 1)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("mine")
    with pytest.raises(StorageReadOnly, match="data folder cannot be written"):
        LedgerWriter.open(tmp_path / "data", "box", SMALL, SYSTEM_CLOCK)


def test_a_disk_that_is_mounted_read_only_is_refused() -> None:
    with small_disk("8m") as disk:
        fill(disk / "data", 3)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with pytest.raises(StorageReadOnly, match="Read-only") as caught:
            LedgerWriter.open(disk / "data", "box", SMALL, SYSTEM_CLOCK)
        assert caught.value.exit_code is ExitCode.CANNOT_CREATE
        with LedgerReader(disk / "data") as reader:  # but it can be read
            assert len(reader.unsent(10)) == 3


_AS_NOBODY = """
import os, sys, pathlib
from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.config import Ledger
from edge_runtime.errors import StorageReadOnly
from edge_runtime.ledger.queries import LedgerReader
from edge_runtime.ledger.writer import LedgerWriter
with LedgerReader(pathlib.Path(sys.argv[1])):
    SYSTEM_CLOCK.stamp()  # whatever is imported late is imported now, while we may read it
os.setgroups([]); os.setgid(65534); os.setuid(65534)
data = pathlib.Path(sys.argv[1])
with LedgerReader(data) as reader:
    print(len(reader.unsent(10)))
try:
    LedgerWriter.open(data, 'box', Ledger(), SYSTEM_CLOCK)
except StorageReadOnly as exc:
    print(exc)
"""


def test_a_folder_that_the_user_may_not_write_is_refused_and_can_be_read() -> None:
    if os.geteuid() != 0:
        pytest.skip("becoming another user needs root")
    if not all(folder.stat().st_mode & 0o001 for folder in (PROJECT, *PROJECT.parents)):
        pytest.skip("another user cannot read this checkout")
    with tempfile.TemporaryDirectory() as name:
        data_dir = Path(name)
        fill(data_dir, 3)
        for path in (data_dir, data_dir / database.FILE):  # somebody lets others read it
            path.chmod(path.stat().st_mode | 0o055)
        child = subprocess.run(
            [sys.executable, "-c", _AS_NOBODY, data_dir],
            cwd=PROJECT, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
    assert child.stdout.splitlines()[:1] == ["3"], child.stderr
    assert "cannot be written: Permission denied" in child.stdout


def test_a_ledger_of_a_newer_version_is_refused_and_not_touched(tmp_path: Path) -> None:
    fill(tmp_path, 2)
    connection = sqlite3.connect(tmp_path / database.FILE)
    connection.execute("PRAGMA user_version = 9999")
    connection.close()
    before = (tmp_path / database.FILE).read_bytes()
    with pytest.raises(SchemaTooNew, match="schema 9999 was written by a newer") as caught:
        LedgerWriter.open(tmp_path, "box", SMALL, SYSTEM_CLOCK)
    assert caught.value.exit_code is ExitCode.CONFIG
    assert (tmp_path / database.FILE).read_bytes() == before
    assert not (tmp_path / "quarantine").exists()


def test_reading_without_a_ledger_says_so(tmp_path: Path) -> None:
    with pytest.raises(NoInput, match="no ledger here"):
        LedgerReader(tmp_path)
    (tmp_path / database.FILE).touch()
    with pytest.raises(NoInput, match="not finished being created"):
        LedgerReader(tmp_path)


def test_a_ledger_of_which_only_the_empty_file_was_made_is_made_whole(tmp_path: Path) -> None:
    (tmp_path / database.FILE).touch()
    fill(tmp_path, 1)
    assert [(span.first, span.last) for span in epochs(tmp_path)] == [(1, 1)]


def test_opening_again_keeps_the_epoch_and_the_sequence(tmp_path: Path) -> None:
    fill(tmp_path, 2)
    before = epochs(tmp_path)
    fill(tmp_path, 2)
    assert [(s.epoch, s.first, s.last) for s in epochs(tmp_path)] == [(before[0].epoch, 1, 4)]


def test_an_old_copy_that_is_put_back_begins_a_new_epoch_and_gives_no_number_twice(
    tmp_path: Path,
) -> None:
    fill(tmp_path, 2)
    shutil.copy(tmp_path / database.FILE, tmp_path / "backup")
    fill(tmp_path, 3)
    old = epochs(tmp_path)[0].epoch
    shutil.copy(tmp_path / "backup", tmp_path / database.FILE)
    fill(tmp_path, 1)
    spans = epochs(tmp_path)
    assert [(span.first, span.last) for span in spans] == [(1, 5), (6, 7)]
    assert spans[0].epoch == old != spans[1].epoch
    with LedgerReader(tmp_path) as reader:
        (told,) = reader.results(verdict="recovered_damage")
        assert isinstance(told.body, Tombstone)
        assert (told.seq, told.body.count) == (6, 3)
        assert "ends at seq 2, and 5 was stored" in str(told.body.detail)


def test_a_ledger_that_was_moved_here_from_elsewhere_begins_a_new_epoch(tmp_path: Path) -> None:
    fill(tmp_path / "a", 2)
    fill(tmp_path / "b", 5)
    shutil.copy(tmp_path / "a" / database.FILE, tmp_path / "b" / database.FILE)
    fill(tmp_path / "b", 1)
    assert [(span.first, span.last) for span in epochs(tmp_path / "b")] == [(1, 2), (3, 3)]


def test_a_database_without_its_epoch_file_begins_a_new_epoch(tmp_path: Path) -> None:
    fill(tmp_path, 2)
    (tmp_path / "epoch").unlink()
    fill(tmp_path, 1)
    assert [(span.first, span.last) for span in epochs(tmp_path)] == [(1, 2), (3, 3)]


def test_a_renamed_device_sends_what_was_unsent_under_its_new_name_and_a_new_epoch(
    tmp_path: Path,
) -> None:
    fill(tmp_path, 4)
    with ledger(tmp_path) as writer, LedgerReader(tmp_path) as reader:
        done(writer, Ack(reader.identity().epoch, ((1, 2),)))
    with ledger(tmp_path, device="other"), LedgerReader(tmp_path) as reader:
        assert reader.identity().device == "other"
        assert [(span.first, span.last) for span in reader.epochs()] == [(1, 2), (3, 4)]
        assert {entry.epoch for entry in reader.unsent(10)} == {reader.identity().epoch}


def test_a_long_ledger_is_looked_at_beside_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, 20)
    monkeypatch.setattr(checking, "WHOLE_BELOW_BYTES", 0)
    with ledger(tmp_path) as writer:
        assert done(writer, PutResult(result(1))) == 21
        writer._inspection._thread.join(30)
        assert writer.state == "ok"
