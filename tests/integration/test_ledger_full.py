"""A disk that is really full: a small file system of our own, mounted for the test."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_runtime.config import Ledger
from edge_runtime.errors import LedgerFull
from edge_runtime.ledger.media import MediaStore
from edge_runtime.ledger.queries import LedgerReader
from edge_runtime.ledger.writer import PutResult
from tests.support.ledger import ledger, result

MIB = 1 << 20
WAIT_S = 30


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(tmp_path)], check=False
    )
    if mounted.returncode != 0:
        if os.environ.get("CI") == "true":
            pytest.fail("CI must be able to mount a tmpfs")
        pytest.skip("mounting is not permitted here")
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def fill_up(path: Path) -> None:
    """Somebody else takes every byte."""
    with contextlib.suppress(OSError), path.open("wb") as file:
        while True:
            file.write(b"\0" * 65536)
            file.flush()


def test_when_somebody_else_fills_the_disk_results_wait_and_go_on_by_themselves(
    small_disk: Path,
) -> None:
    settings = Ledger(ballast_mib=2, min_free_mib=0, group_ms=5)
    with ledger(small_disk, settings) as writer:
        acknowledged = [writer.submit(PutResult(result(n))).result(WAIT_S) for n in range(5)]
        fill_up(small_disk / "somebody-elses")
        waiting = [writer.submit(PutResult(result(n))) for n in range(6_000)]
        deadline = time.monotonic() + WAIT_S
        while writer.state != "full" and time.monotonic() < deadline:
            time.sleep(0.05)
        assert writer.state == "full"
        assert writer.is_alive()
        assert any(not future.done() for future in waiting)
        (small_disk / "somebody-elses").unlink()
        seqs = [future.result(WAIT_S) for future in waiting]
        assert writer.state == "ok"
        assert seqs == list(range(6, 6_006))
        assert acknowledged == [1, 2, 3, 4, 5]
    with LedgerReader(small_disk) as reader:
        assert reader.totals().rows == 6_005


def test_a_disk_full_of_media_is_emptied_of_media_and_results_go_on(small_disk: Path) -> None:
    store = MediaStore(small_disk)
    settings = Ledger(ballast_mib=2, min_free_mib=0, group_ms=5)
    with ledger(small_disk, settings) as writer:
        stored = 0
        with pytest.raises(LedgerFull, match="no room"):
            for number in range(1000):
                media = store.put(os.urandom(MIB // 2), kind="frame", mime="image/jpeg")
                writer.submit(PutResult(result(number, media=(media,)))).result(WAIT_S)
                stored += 1
        assert stored > 20
        fill_up(small_disk / "the-rest")
        futures = [writer.submit(PutResult(result(n))) for n in range(3000)]
        assert [f.result(WAIT_S) for f in futures][-1] >= stored + 3000
    with LedgerReader(small_disk) as reader:
        tombstones = [
            e.body for e in reader.results(limit=5000) if e.body.__class__.__name__ == "Tombstone"
        ]
        assert tombstones
        assert {t.reason for t in tombstones} == {"media_evicted"}  # type: ignore[union-attr]
        assert reader.totals().rows == stored + 3000
        entry = reader.results(newest_first=False, limit=1)[0]
        evicted = reader.media_of(entry.seq)
        assert [m.state for m in evicted] == ["evicted"]
        assert not evicted[0].path.exists()
