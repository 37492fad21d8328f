"""Our reading of SQLite's log: it believes what SQLite believes, and proves what lies behind."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.ledger import wal

COMMITS = 12


def log_of(folder: Path) -> Path:
    """A log of `COMMITS` transactions, none of it moved; as a kill leaves it."""
    live, copy = folder / "live.db", folder / "copy.db"
    with contextlib.closing(sqlite3.connect(live, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("CREATE TABLE t (a)")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for number in range(COMMITS):
            connection.execute("INSERT INTO t VALUES (?)", ("x" * 1500 + str(number),))
        for suffix in ("", "-wal"):
            shutil.copy(f"{live}{suffix}", f"{copy}{suffix}")
    return copy


def believed_by_sqlite(database: Path) -> int:
    """How many frames."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        connection.execute("SELECT count(*) FROM t").fetchone()
        return wal.believed(Path(f"{database}-shm"))


with tempfile.TemporaryDirectory() as _folder:
    _database = log_of(Path(_folder))
    DATABASE, LOG = _database.read_bytes(), Path(f"{_database}-wal").read_bytes()


def put(folder: Path, log: bytes) -> Path:
    (folder / "x.db").write_bytes(DATABASE)
    (folder / "x.db-wal").write_bytes(log)
    return folder / "x.db"


def test_a_whole_log_is_believed_as_sqlite_believes_it() -> None:
    with tempfile.TemporaryDirectory() as name:
        database = put(Path(name), LOG)
        found = wal.read_log(Path(f"{database}-wal"))
        assert found is not None
        assert len(list(wal.Log.whole(found, found.frames))) == len(found.frames)
        last = believed_by_sqlite(database)
        assert last == len(found.frames)
        assert wal.lost_commits(found, last, may_be_torn=False) == []


@given(st.integers(0, len(LOG) - 1), st.integers(1, 255))
@settings(max_examples=60, deadline=None)
def test_a_changed_byte_is_found_out_where_a_commit_follows_it(place: int, change: int) -> None:
    damaged = bytearray(LOG)
    damaged[place] ^= change
    with tempfile.TemporaryDirectory() as name:
        database = put(Path(name), bytes(damaged))
        found = wal.read_log(Path(f"{database}-wal"))
        assert found is not None
        frame = (place - wal.HEADER_BYTES) // wal.FRAME_BYTES
        commits = sorted(f.index for f in found.frames if f.is_commit)
        behind = [index for index in commits if index > frame + 1]
        last = believed_by_sqlite(database)
        lost = wal.lost_commits(found, last, may_be_torn=False)
        if last < len(found.frames) and behind:
            assert lost
            pages = wal.newest_pages(found)
            assert pages


@given(st.integers(wal.HEADER_BYTES, len(LOG)))
@settings(max_examples=40, deadline=None)
def test_a_log_that_just_ends_is_no_damage(size: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        database = put(Path(name), LOG[:size])
        found = wal.read_log(Path(f"{database}-wal"))
        if found is not None:
            last = believed_by_sqlite(database)
            assert wal.lost_commits(found, last, may_be_torn=False) == []


@given(st.binary(max_size=20_000))
@settings(max_examples=60, deadline=None)
def test_no_bytes_at_all_make_it_fail(noise: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "x-wal"
        path.write_bytes(noise)
        found = wal.read_log(path)
        if found is not None:
            wal.newest_pages(found)
            wal.lost_commits(found, 0, may_be_torn=True)
