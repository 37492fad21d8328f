"""A program that holds a moment of the ledger: the log grows, it is named, and shrinks again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from edge_runtime.config import Ledger
from edge_runtime.ledger.commits import LARGE_WAL_BYTES
from edge_runtime.ledger.writer import LedgerWriter, PutResult
from edge_runtime.supervisor.holders import holders
from tests.support.ledger import done, ledger, result

SETTINGS = Ledger(group_rows=64, group_ms=5, ballast_mib=16, min_free_mib=0)
HOLD = (
    "import sqlite3, sys\n"
    "c = sqlite3.connect(f'file:{sys.argv[1]}?mode=ro', uri=True, isolation_level=None)\n"
    "c.execute('begin'); c.execute('select count(*) from entries').fetchone()\n"
    "print('held', flush=True); sys.stdin.read()"
)


def put_many(writer: LedgerWriter, number: int) -> None:
    text = "x" * 20_000
    futures = [writer.submit(PutResult(result(n, text=text))) for n in range(number)]
    futures[-1].result(60)


def test_who_holds_the_log_is_named_and_once_it_lets_go_the_log_is_small_again(
    tmp_path: Path,
) -> None:
    log, shm = tmp_path / "ledger.db-wal", tmp_path / "ledger.db-shm"
    with ledger(tmp_path, SETTINGS) as writer:
        done(writer, PutResult(result(0)))
        child = subprocess.Popen(
            [sys.executable, "-c", HOLD, tmp_path / "ledger.db"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert child.stdout is not None
        assert child.stdin is not None
        with child.stdout, child.stdin:
            assert child.stdout.readline() == b"held\n"
            put_many(writer, 1200)
            assert log.stat().st_size > LARGE_WAL_BYTES
            assert writer.counters()["wal_bytes"] == log.stat().st_size
            assert f"(pid {child.pid})" in holders(shm, own=0)
            assert holders(shm, own=os.getpid()) == ""  # a child of ours lets go by itself
            child.stdin.close()
            child.wait(30)
        assert holders(shm, own=0) == ""
        put_many(writer, 600)
        assert log.stat().st_size < LARGE_WAL_BYTES
