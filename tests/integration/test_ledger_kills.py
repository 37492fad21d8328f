"""A process that dies at a named point, or at any instant, and what is then on the disk."""

from __future__ import annotations

import hashlib
import os
import random
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge_runtime.failpoint import EXIT_CODE
from edge_runtime.ledger import database
from edge_runtime.ledger.queries import LedgerReader
from tests.support.ledger import ledger

CHILD = """
import sys
from pathlib import Path
from edge_runtime.ledger.media import MediaStore
from edge_runtime.ledger.writer import PutResult
from tests.support.ledger import ledger, result
folder = Path(sys.argv[1])
with ledger(folder) as writer:
    store = MediaStore(folder)
    n = 0
    while True:
        n += 1
        media = store.put(f"{sys.argv[2]} {n}".encode() * 50, kind="frame", mime="image/jpeg")
        print(writer.submit(PutResult(result(n, media=(media,)))).result(), flush=True)
"""
POINTS = [
    "media_written",
    "media_synced",
    "media_renamed",
    "media_folder_synced",
    "row_inserted",
    "committed",
]


def witnessed(
    folder: Path, name: str, *, failpoint: str = "", kill_after_s: float = 0.0
) -> set[int]:
    """Run the child until it dies; what it said was durable."""
    environ = {**os.environ, "EDGE_RUNTIME_FAILPOINT": failpoint}
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder), name], stdout=subprocess.PIPE, env=environ, text=True
    )  # fmt: skip
    if kill_after_s:
        time.sleep(kill_after_s)
        process.kill()
    out, _ = process.communicate(timeout=30)
    if failpoint:
        assert process.returncode == EXIT_CODE
    return {int(line) for line in out.split("\n")[:-1]}


def check(folder: Path, acknowledged: set[int]) -> None:
    """Nothing acknowledged is lost, the database is sound, every referenced file is whole."""
    with ledger(folder):
        pass  # what a start after the crash does
    raw = sqlite3.connect(folder / database.FILE)
    assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    raw.close()
    with LedgerReader(folder) as reader:
        entries = reader.results(limit=100_000, newest_first=False)
        seqs = [entry.seq for entry in entries]
        assert acknowledged <= set(seqs)
        assert seqs == list(range(1, len(seqs) + 1)), "the sequence has a gap"
        for seq in seqs:
            for media in reader.media_of(seq):
                assert hashlib.sha256(media.path.read_bytes()).hexdigest() == media.sha256


@pytest.mark.parametrize("point", POINTS)
def test_dying_at_a_named_point_loses_nothing_that_was_acknowledged(
    tmp_path: Path, point: str
) -> None:
    acknowledged: set[int] = set()
    for repeat in range(3):
        acknowledged |= witnessed(
            tmp_path, f"{point}{repeat}", failpoint=f"{point}:{repeat * 4 + 1}"
        )
        check(tmp_path, acknowledged)


def test_kill_9_at_any_instant_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    rng = random.Random(20261124)
    acknowledged: set[int] = set()
    for repeat in range(12):
        acknowledged |= witnessed(tmp_path, str(repeat), kill_after_s=rng.uniform(0.3, 0.7))
        check(tmp_path, acknowledged)
    assert acknowledged
