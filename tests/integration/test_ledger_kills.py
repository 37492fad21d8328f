"""A process that dies at a named point, or at any instant, and what is then on the disk."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import sqlite3
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.failpoint import EXIT_CODE, VARIABLE
from edge_runtime.ledger import database
from edge_runtime.ledger.queries import LedgerReader
from edge_runtime.ledger.rows import Kind
from edge_runtime.ledger.writer import Maintain, PutTombstone
from edge_runtime.types import Tombstone, TombstoneReason
from tests.support.data import PROJECT
from tests.support.ledger import done, ledger, tombstone

if TYPE_CHECKING:
    from pathlib import Path

CHILD = """
import itertools, sys
from pathlib import Path
from edge_runtime.clock import SystemClock
from edge_runtime.config import Ledger
from edge_runtime.ledger.media import MediaStore
from edge_runtime.ledger.queries import LedgerReader
from edge_runtime.ledger.writer import (
    Ack, Maintain, MediaAcked, PutAddition, PutResult, PutTombstone,
)
from edge_runtime.types import Addition, AdditionKind
from tests.support.ledger import ledger, result, stamp, tombstone
folder, name, does = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
settings = Ledger(
    group_ms=0, ballast_mib=1, min_free_mib=0, media_budget_mib=1,
    keep_synced_days=0.01 if does == "expire" else 30,
)
class Racing(SystemClock):
    "Two hours go by whenever it is looked at."
    looks = itertools.count()
    def boottime_ns(self):
        return next(self.looks) * 7200 * 10**9
clock = Racing() if does == "expire" else SystemClock()
with ledger(folder, settings, clock) as writer:
    store, reader, n = MediaStore(folder), LedgerReader(folder), 0
    while True:
        n += 1
        if does == "once":
            writer.submit(PutResult(result(n))).result()
            seq = writer.submit(PutTombstone(tombstone(n), f"unstored:top:{n // 2}")).result()
            print(seq, flush=True)
            continue
        data = f"{name} {n}".encode() * (20_000 if does == "evict" else 50)
        media = store.put(data, kind="frame", mime="image/jpeg")
        seq = writer.submit(PutResult(result(n, media=(media,)))).result()
        print(seq, flush=True)
        if does == "add":
            late = store.put(data + b" late", kind="overlay", mime="image/jpeg")
            later = Addition(
                lane="top", about=seq, kind=AdditionKind.EVIDENCE, at=stamp(n), media=(late,)
            )
            print(writer.submit(PutAddition(later)).result(), flush=True)
        if does == "expire":
            epoch = reader.identity().epoch
            writer.submit(Ack(epoch, ((1, seq),))).result()
            writer.submit(MediaAcked((media.sha256,))).result()
        if does != "put":
            writer.submit(Maintain()).result()
"""
POINTS = [
    ("media_written", "put"),
    ("media_synced", "put"),
    ("media_renamed", "put"),
    ("media_folder_synced", "put"),
    ("row_inserted", "put"),
    ("committed", "put"),
    ("media_folder_synced", "add"),
    ("committed", "add"),
    ("eviction_committed", "evict"),
]
REPEATS = int(os.environ.get("EDGE_RUNTIME_REPEATS", "3"))
KILLS = int(os.environ.get("EDGE_RUNTIME_KILLS", "20"))


def witnessed(
    folder: Path, name: str, does: str, *, failpoint: str = "", kill_after_s: float = 0.0
) -> set[int]:
    """Run the child until it dies; what it had said was durable."""
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder), name, does],
        stdout=subprocess.PIPE, env={**os.environ, VARIABLE: failpoint}, text=True, cwd=PROJECT,
    )  # fmt: skip
    if kill_after_s:
        SYSTEM_CLOCK.wait(threading.Event(), kill_after_s)
        process.kill()
    out, _ = process.communicate(timeout=60)
    if failpoint:
        assert process.returncode == EXIT_CODE, "the point was not reached"
    return {int(line) for line in out.split("\n")[:-1]}


def check(folder: Path, acknowledged: set[int]) -> None:
    """Nothing acknowledged is lost, the database is sound, every file is referred to and whole."""
    with ledger(folder) as writer:  # what a start after the crash does
        assert not writer.recovered
        done(writer, Maintain())
    with contextlib.closing(sqlite3.connect(folder / database.FILE)) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with LedgerReader(folder) as reader:
        entries = reader.results(limit=100_000, newest_first=False)
        seqs = [entry.seq for entry in entries]
        assert acknowledged <= set(seqs)
        assert seqs == list(range(1, len(seqs) + 1)), "the sequence has a gap"
        media = [row for seq in seqs for row in reader.media_of(seq)]
        evicted = {row.sha256 for row in media if row.state == "evicted"}
        told = [e.body.count or 0 for e in entries if isinstance(e.body, Tombstone)
                and e.body.reason is TombstoneReason.MEDIA_EVICTED]  # fmt: skip
        assert sum(told) == len(evicted), "media went in silence"
        for row in media:
            if row.state != "evicted":
                assert hashlib.sha256(row.path.read_bytes()).hexdigest() == row.sha256
        names = {path.stem for path in (folder / "media").rglob("*") if path.is_file()}
        assert names == {row.sha256 for row in media} - evicted, "files that no row refers to"


@pytest.mark.parametrize(("point", "does"), POINTS)
def test_dying_at_a_named_point_loses_nothing_that_was_acknowledged(
    tmp_path: Path, point: str, does: str
) -> None:
    acknowledged: set[int] = set()
    for repeat in range(REPEATS):
        acknowledged |= witnessed(
            tmp_path, f"{point}{repeat}", does, failpoint=f"{point}:{repeat * 4 + 1}"
        )
        check(tmp_path, acknowledged)


@pytest.mark.parametrize("point", ["once_inserted", "committed"])
def test_dying_while_a_loss_is_told_leaves_its_key_and_its_tombstone_or_neither(
    tmp_path: Path, point: str
) -> None:
    for repeat in range(REPEATS):
        witnessed(tmp_path, "", "once", failpoint=f"{point}:{repeat + 1}")
        with ledger(tmp_path) as writer, LedgerReader(tmp_path) as reader:
            keys = dict(reader._all("SELECT key, seq FROM once"))
            stones = [e.seq for e in reader.results(limit=1000, kinds=(Kind.TOMBSTONE,))]
            assert sorted(keys.values()) == sorted(stones)
            for number in range(4):
                done(writer, PutTombstone(tombstone(number), f"unstored:top:{number}"))
            assert reader.counts().tombstones == max(4, len(keys))


def test_dying_while_old_rows_are_deleted_leaves_neither_half_of_them(tmp_path: Path) -> None:
    for repeat in range(REPEATS):
        witnessed(tmp_path, f"expire{repeat}", "expire", failpoint=f"rows_deleted:{repeat + 1}")
        with ledger(tmp_path) as writer, LedgerReader(tmp_path) as reader:
            done(writer, Maintain())
            entries = reader.results(limit=1000)
            media = {row.sha256 for entry in entries for row in reader.media_of(entry.seq)}
            names = {path.stem for path in (tmp_path / "media").rglob("*") if path.is_file()}
            assert names == media
            assert reader.backlog().rows == 0
            assert reader.sync_state().acked.ranges == ((1, reader.max_seq()),)


def test_kill_9_at_any_instant_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    rng = random.Random(20261124)
    acknowledged: set[int] = set()
    for repeat in range(KILLS):
        does = rng.choice(["put", "put", "evict"])
        acknowledged |= witnessed(tmp_path, str(repeat), does, kill_after_s=rng.uniform(0.3, 0.7))
        check(tmp_path, acknowledged)
    assert acknowledged
