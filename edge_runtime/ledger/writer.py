"""The ledger's writer: one thread, the only connection that writes and checkpoints.

Invariants: an operation's future resolves only after the commit that holds it is on the disk; a
full disk never fails an operation, it makes it wait; any other failure of the disk fails
everything, for good, and the process is to be restarted.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_runtime import failpoint
from edge_runtime.channel import Channel, Closed, OnFull
from edge_runtime.clock import NS_PER_S
from edge_runtime.errors import EdgeRuntimeError, LedgerError
from edge_runtime.ledger import database
from edge_runtime.ledger.opening import open_ledger, transaction, write_epoch
from edge_runtime.ledger.ops import (
    Ack,
    Maintain,
    MediaAcked,
    Op,
    PutResult,
    PutTombstone,
    RecordModel,
    Refuse,
    RewindTo,
    RotateEpoch,
    carry_out,
)
from edge_runtime.ledger.room import Room

if TYPE_CHECKING:
    from pathlib import Path

    from edge_runtime.clock import Clock
    from edge_runtime.config import Ledger as LedgerSettings
    from edge_runtime.types import Stamp

__all__ = [
    "Ack",
    "LedgerWriter",
    "Maintain",
    "MediaAcked",
    "Op",
    "PutResult",
    "PutTombstone",
    "RecordModel",
    "Refuse",
    "RewindTo",
    "RotateEpoch",
]

log = logging.getLogger(__name__)

WAITING_MAX = 65_536
"""Operations under way; lanes are bounded (`unstored_max`), so this is never reached in order."""
IDLE_S = 1.0
RETRY_FULL_S = 1.0
MAINTAIN_S = 10.0
CHECKPOINT_COMMITS = 256
STUCK_S = 20.0
"""A thread that has not turned for so long is stuck in the disk."""


@dataclass(frozen=True, slots=True)
class _Pending:
    op: Op
    future: Future[Any]


class LedgerWriter:
    """Made by `open`; `submit` and the properties may be used by any thread."""

    def __init__(
        self,
        data_dir: Path,
        settings: LedgerSettings,
        clock: Clock,
        *,
        connection: sqlite3.Connection,
        lock_fd: int,
        recovered: str,
    ) -> None:
        """Use `open`."""
        self.recovered = recovered
        """What was done about a damaged file at the start; empty when it was sound."""
        self.state = "ok"
        """``ok``, ``full`` (waiting for room) or ``failed``."""
        self.detail = recovered
        self.commits = 0
        self._data_dir = data_dir
        self._settings = settings
        self._clock = clock
        self._connection = connection
        self._lock_fd = lock_fd
        self._room = Room(data_dir, settings, connection)
        self._waiting: Channel[_Pending] = Channel(WAITING_MAX, OnFull.BLOCK)
        self._stop = threading.Event()
        self._turned_ns = clock.boottime_ns()
        self._maintained_ns = 0
        self._unchecked_commits = 0
        self._started: Stamp = clock.stamp()
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)

    @classmethod
    def open(
        cls, data_dir: Path, device: str, settings: LedgerSettings, clock: Clock
    ) -> LedgerWriter:
        """Create or open the ledger in `data_dir` and start its thread.

        Raises `StorageReadOnly`, `LedgerLocked`, `SchemaTooNew` or `LedgerError`.
        """
        opened = open_ledger(data_dir, device, clock.stamp())
        if opened.recovered:
            log.critical("ledger_recovered %s", opened.recovered)
        writer = cls(
            data_dir,
            settings,
            clock,
            connection=opened.connection,
            lock_fd=opened.lock_fd,
            recovered=opened.recovered,
        )
        writer._thread.start()
        return writer

    def submit(self, op: Op) -> Future[Any]:
        """Ask for `op`.  The future gives its value once durable, or raises `LedgerError`."""
        future: Future[Any] = Future()
        try:
            taken = self._waiting.put(_Pending(op, future), timeout_s=0)
        except Closed:
            taken = False
        if not taken:
            future.set_exception(LedgerError("the ledger takes no more: it is closed or overrun"))
        return future

    def is_alive(self) -> bool:
        """Whether the thread turns; what the watchdog asks."""
        age_s = (self._clock.boottime_ns() - self._turned_ns) / NS_PER_S
        return self._thread.is_alive() and self.state != "failed" and age_s < STUCK_S

    def close(self) -> None:
        """Commit what waits, checkpoint, let go of the lock.  Idempotent; not from the thread."""
        self._waiting.close()
        self._stop.set()
        self._thread.join()
        if self._lock_fd >= 0:
            self._connection.close()
            os.close(self._lock_fd)
            self._lock_fd = -1

    def _run(self) -> None:
        try:
            self._room.start(self._started)
            while True:
                self._turned_ns = self._clock.boottime_ns()
                batch = self._next_batch()
                if batch:
                    self._commit(batch)
                else:
                    self._checkpoint("TRUNCATE")
                self._maintain_if_due()
        except Closed:
            self._checkpoint("TRUNCATE")
        except (sqlite3.Error, OSError, EdgeRuntimeError) as exc:
            self._fail([], exc)

    def _next_batch(self) -> list[_Pending]:
        """Up to `group_rows`, or what came within `group_ms` of the first; empty when idle."""
        first = self._waiting.get(IDLE_S)
        if first is None:
            return []
        batch = [first]
        until_ns = self._clock.boottime_ns() + self._settings.group_ms * 1_000_000
        while len(batch) < self._settings.group_rows:
            left_s = max(0.0, (until_ns - self._clock.boottime_ns()) / NS_PER_S)
            try:
                more = self._waiting.get(left_s)
            except Closed:
                break  # the last batch
            if more is None:
                break
            batch.append(more)
        return batch

    def _commit(self, batch: list[_Pending]) -> None:
        """One transaction for all; a full disk is waited out."""
        while True:
            try:
                values = self._attempt(batch)
            except sqlite3.Error as exc:
                if not database.is_full(exc):
                    self._fail(batch, exc)
                    raise
                if not self._wait_for_room():
                    self._fail(batch, exc)
                    raise Closed from exc
            else:
                break
        if self.state != "ok":
            log.warning("ledger_has_room_again")
            self.state, self.detail = "ok", self.recovered
        for pending, value in zip(batch, values, strict=True):
            pending.future.set_result(value)

    def _attempt(self, batch: list[_Pending]) -> list[Any]:
        now = self._clock.stamp()
        with transaction(self._connection):
            values = [carry_out(self._connection, pending.op, now) for pending in batch]
        failpoint.reached("committed")
        self.commits += 1
        self._unchecked_commits += 1
        for pending, value in zip(batch, values, strict=True):
            if isinstance(pending.op, RotateEpoch):
                write_epoch(self._data_dir, str(value))
            elif isinstance(pending.op, Maintain):
                self._maintained_ns = 0
        if self._unchecked_commits >= CHECKPOINT_COMMITS:
            self._checkpoint("PASSIVE")
        return values

    def _wait_for_room(self) -> bool:
        """Make room, or wait for it; False when the ledger is being closed meanwhile."""
        self._turned_ns = self._clock.boottime_ns()
        freed = self._room.emergency()
        if self.state != "full":
            log.error("ledger_full freed_bytes=%d", freed)
        self.state = "full"
        self.detail = f"no room on the disk of {self._data_dir}; the lanes wait"
        if freed:
            self._checkpoint("TRUNCATE")  # the log, too, is room
            return True
        return not self._clock.wait(self._stop, RETRY_FULL_S)

    def _maintain_if_due(self) -> None:
        now = self._clock.boottime_ns()
        if now - self._maintained_ns < MAINTAIN_S * NS_PER_S:
            return
        self._maintained_ns = now
        try:
            self._room.maintain(self._clock.stamp())
        except sqlite3.Error as exc:
            if not database.is_full(exc):
                raise
            self._room.emergency()

    def _checkpoint(self, mode: str) -> None:
        if self._unchecked_commits:
            try:
                self._connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
            except sqlite3.Error as exc:
                if not database.is_full(exc):
                    raise
            else:
                self._unchecked_commits = 0

    def _fail(self, batch: list[_Pending], exc: BaseException) -> None:
        """The disk failed: nothing is acknowledged any more."""
        self.state, self.detail = "failed", f"{self._data_dir}: {exc}"
        error = LedgerError(f"{self._data_dir}: the ledger failed: {exc}")
        self._waiting.close()
        for pending in [*batch, *self._waiting]:
            if not pending.future.done():
                pending.future.set_exception(error)
