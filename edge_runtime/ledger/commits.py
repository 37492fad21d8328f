"""Requests made durable, many in one transaction, and the log that they leave behind.

Owned by the ledger's thread; its counters may be read by any.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from typing import TYPE_CHECKING, Any

from edge_runtime import failpoint
from edge_runtime.errors import RequestRefused
from edge_runtime.ledger import database
from edge_runtime.ledger.folder import MIB, NO_ROOM
from edge_runtime.ledger.noted import Mark, write_epoch
from edge_runtime.ledger.ops import RotateEpoch
from edge_runtime.ledger.seq_ranges import current_epoch, max_seq

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from edge_runtime.clock import Clock
    from edge_runtime.ledger.apply import Tables
    from edge_runtime.ledger.inbox import Inbox, Job

log = logging.getLogger(__name__)

WAL_BYTES = 4 * MIB
"""SQLite's own measure of when to move it; less with a small ballast, whose room it must fit in
twice, or a full disk could not be emptied."""
LARGE_WAL_BYTES = 16 * MIB
"""Some program reads the database and does not let go of what it reads."""
COMMIT_BYTES, ROW_FACTOR = 24 << 10, 2
"""What a commit costs in the WAL: some pages of tables and indexes, and the rows' own."""


class Commits:
    """Every commit of requests, and every checkpoint."""

    def __init__(
        self, data_dir: Path, tables: Tables, inbox: Inbox, clock: Clock, *, ballast_mib: int
    ) -> None:
        """What cannot be done goes back to `inbox`."""
        self.commits = self.rows = self.largest_batch = self.refused = 0
        self.in_hand = 0
        """Rows in the transaction that is under way."""
        self.last_ns = clock.boottime_ns()
        """When the last one was durable."""
        self._data_dir = data_dir
        self._tables = tables
        self._inbox = inbox
        self._clock = clock
        self._most_wal_bytes = min(WAL_BYTES, ballast_mib * MIB // 2)
        self._unmoved = self._wal_bytes = 0
        self._mark = Mark(data_dir, clock.stamp().boot_id)
        self._epoch = current_epoch(tables.connection) or ""

    @property
    def is_unmoved(self) -> bool:
        """Whether there is anything in the log that a checkpoint would move."""
        return self._unmoved > 0

    def wrote(self) -> None:
        """Something was committed beside the requests."""
        self._unmoved += 1

    def put(self, jobs: Sequence[Job]) -> bool:
        """One transaction for all, or one for each when one of them cannot be done.

        False when there was no room: they wait, in their order.  Raises sqlite3.Error, OSError or
        MemoryError when it is not a request that is at fault; what was not done waits then, too.
        """
        left = list(jobs)
        try:
            if self._together(left):
                left.clear()
            while left:
                self._together(left[:1])
                del left[0]
        except sqlite3.Error as exc:
            if not database.is_full(exc):
                raise
            return False
        finally:
            self._inbox.put_back(left)
        if self._wal_bytes >= self._most_wal_bytes:
            self.checkpoint("PASSIVE")
        return True

    def checkpoint(self, mode: str) -> None:
        """Move the log into the database, as far as there is room."""
        if self._unmoved:
            with room_missing_is_no_failure():
                is_moved = database.checkpoint(self._tables.connection, mode)
                if is_moved or mode == "PASSIVE":
                    self._wal_bytes = 0
                    self.note_epoch()
                if is_moved:
                    self._unmoved = 0
                    if mode == "PASSIVE" and self.log_bytes() > LARGE_WAL_BYTES:  # somebody held it
                        database.checkpoint(self._tables.connection, "TRUNCATE")

    def log_bytes(self) -> int:
        """What the log takes on the disk.  Any thread."""
        try:
            return (self._data_dir / (database.FILE + "-wal")).stat().st_size
        except OSError:
            return 0

    def note_epoch(self) -> None:
        """Without room the note stays old, and the next start begins another epoch: harmless."""
        connection = self._tables.connection
        epoch = current_epoch(connection)
        assert epoch is not None
        self._epoch = epoch
        with room_missing_is_no_failure():
            write_epoch(self._data_dir, epoch, max_seq(connection))

    def close(self) -> None:
        """Nothing more is committed.  Idempotent."""
        self._mark.close()

    def _together(self, jobs: Sequence[Job]) -> bool:
        """Whether all are done; a single one that cannot be is refused, and done with."""
        try:
            values = self._attempt(jobs)
        except Exception as exc:
            if not _is_a_requests_fault(exc):
                raise
            if len(jobs) > 1:
                return False
            self._refuse(jobs[0], exc)
            return True
        self._settle(jobs, values)
        return True

    def _attempt(self, jobs: Sequence[Job]) -> list[Any]:
        now = self._clock.stamp()
        self.in_hand = sum(job.rows for job in jobs)
        try:
            with self._tables.transaction():
                values = [self._tables.carry_out(job.op, now) for job in jobs]
        finally:
            self.in_hand = 0
        failpoint.reached("committed")
        return values

    def _refuse(self, job: Job, exc: Exception) -> None:
        self.refused += 1
        name = type(job.op).__name__
        log.error("ledger_refused op=%s", name, exc_info=exc)
        job.future.set_exception(RequestRefused(f"the ledger cannot take this {name}: {exc}"))

    def _settle(self, jobs: Sequence[Job], values: Sequence[Any]) -> None:
        """It is durable: count it, and tell who waits."""
        self.commits += 1
        self.rows += sum(job.rows for job in jobs)
        self.largest_batch = max(self.largest_batch, len(jobs))
        self.last_ns = self._clock.boottime_ns()
        self._unmoved += 1
        self._wal_bytes += COMMIT_BYTES + ROW_FACTOR * self._tables.take_written_bytes()
        if any(isinstance(job.op, RotateEpoch) for job in jobs):
            self.note_epoch()
        self._mark.note(self._epoch, max_seq(self._tables.connection))
        for job, value in zip(jobs, values, strict=True):
            job.future.set_result(value)


def _is_a_requests_fault(exc: Exception) -> bool:
    """Neither the disk's nor the file's nor the machine's."""
    if isinstance(exc, sqlite3.Error):
        return database.is_ours(exc)
    return not isinstance(exc, OSError | MemoryError)


@contextlib.contextmanager
def room_missing_is_no_failure() -> Iterator[None]:
    """What can wait for room does."""
    try:
        yield
    except sqlite3.Error as exc:
        if not database.is_full(exc):
            raise
    except OSError as exc:
        if exc.errno not in NO_ROOM:
            raise
