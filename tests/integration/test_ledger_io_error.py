"""A disk that fails: nothing is acknowledged that is not on it, and the ledger says so for good."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
from pathlib import Path

import pytest

from edge_runtime.errors import LedgerError, LedgerFull
from edge_runtime.ledger.queries import LedgerReader
from edge_runtime.ledger.writer import PutResult
from tests.support.ledger import PATIENCE_S, done, ledger, result, small_disk

EXT4_IOC_SHUTDOWN = 0x8004587D
NOLOGFLUSH = 2


def fail_from_now_on(disk: Path) -> None:
    """Every write gives EIO, and what was not synced is gone."""
    descriptor = os.open(disk, os.O_RDONLY)
    try:
        fcntl.ioctl(descriptor, EXT4_IOC_SHUTDOWN, struct.pack("=I", NOLOGFLUSH))
    finally:
        os.close(descriptor)


def remount(disk: Path) -> None:
    image = disk.with_suffix(".img")
    subprocess.run(["umount", disk], check=True)
    subprocess.run(["mount", "-o", "loop", image, disk], check=True)


def test_a_failing_disk_fails_everything_and_nothing_is_said_to_be_stored() -> None:
    with small_disk("24m", "ext4") as disk, ledger(disk / "data") as writer:
        for number in range(20):
            done(writer, PutResult(result(number)))
        fail_from_now_on(disk)
        futures = [writer.submit(PutResult(result(n))) for n in range(20, 40)]
        for future in futures:
            error = future.exception(PATIENCE_S)
            assert isinstance(error, LedgerError)
            assert not isinstance(error, LedgerFull)
        assert writer.state == "failed"
        assert not writer.is_alive()
        with pytest.raises(LedgerError):
            done(writer, PutResult(result(99)))


def test_what_was_acknowledged_before_is_there_once_the_disk_is() -> None:
    with small_disk("24m", "ext4") as disk:
        with ledger(disk / "data") as writer:
            seqs = [done(writer, PutResult(result(number))) for number in range(20)]
            fail_from_now_on(disk)
        remount(disk)
        with ledger(disk / "data") as writer, LedgerReader(disk / "data") as reader:
            assert not writer.recovered
            assert [entry.seq for entry in reader.unsent(100)] == seqs
            assert done(writer, PutResult(result(20))) == 21
