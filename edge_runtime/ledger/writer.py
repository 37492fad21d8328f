"""The ledger's writer: one thread, the only connection that writes and checkpoints.

Invariants: a request's future resolves only after the commit that holds it is on the disk; a full
disk never fails a row, it makes it wait; what is wrong with one request fails that one
(`RequestRefused`); any other failure of the disk fails everything, for good (`LedgerError`), and
the process is to be restarted.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from edge_runtime.clock import NS_PER_S
from edge_runtime.errors import EdgeRuntimeError, LedgerDamaged, LedgerError, LedgerFull
from edge_runtime.ledger import checking, database
from edge_runtime.ledger.apply import Tables
from edge_runtime.ledger.commits import Commits, room_missing_is_no_failure
from edge_runtime.ledger.inbox import Inbox, Job
from edge_runtime.ledger.media import MediaStore
from edge_runtime.ledger.opening import Opened, open_ledger
from edge_runtime.ledger.ops import (
    Ack,
    Maintain,
    MediaAcked,
    NoteSource,
    Op,
    Pin,
    PutAddition,
    PutEvent,
    PutResult,
    PutResults,
    PutTombstone,
    RecordAnchor,
    RecordModel,
    RecordReady,
    Refuse,
    RewindTo,
    RotateEpoch,
)
from edge_runtime.ledger.room import Room
from edge_runtime.ledger.unreadable import CODE as UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_runtime.clock import Clock
    from edge_runtime.config import Ledger as LedgerSettings
    from edge_runtime.ledger.rows import Entry

__all__ = [
    "Ack",
    "LedgerWriter",
    "Maintain",
    "MediaAcked",
    "NoteSource",
    "Op",
    "Pin",
    "PutAddition",
    "PutEvent",
    "PutResult",
    "PutResults",
    "PutTombstone",
    "RecordAnchor",
    "RecordModel",
    "RecordReady",
    "Refuse",
    "RewindTo",
    "RotateEpoch",
]

log = logging.getLogger(__name__)

WAIT_S = 1.0
RETRY_FULL_S = 0.5
MAINTAIN_S = 10.0
IDLE_S = 10.0
"""Without a commit for so long, the WAL is emptied."""
STUCK_S = 20.0
"""A thread that has not turned for so long is stuck in the disk."""
CLOSE_S = 30.0
"""What a close may take where nobody says."""


class LedgerWriter:
    """Made by `open`; `submit` and the properties may be used by any thread."""

    def __init__(
        self,
        data_dir: Path,
        settings: LedgerSettings,
        clock: Clock,
        opened: Opened,
        on_state: Callable[[str], None] | None = None,
    ) -> None:
        """Use `open`."""
        self.recovered = opened.recovered
        """What was done about a damaged file at the start; empty when it was sound."""
        self.state = "ok"
        """``ok``, ``full`` (rows wait for room) or ``failed``."""
        self.detail = opened.recovered
        """One line for people."""
        self.times_full = 0
        self._data_dir = data_dir
        self._settings = settings
        self._clock = clock
        self._connection = opened.connection
        self._lock = opened.lock
        media = MediaStore(data_dir)
        self._tables = Tables(opened.connection, media)
        self._room = Room(
            data_dir, settings, clock, tables=self._tables, media=media, ballast=opened.ballast
        )
        self._room.sweep_later(opened.files, opened.given_up)
        self._inbox = Inbox()
        self._commits = Commits(
            data_dir, self._tables, self._inbox, clock, ballast_mib=settings.ballast_mib
        )
        self._turned_ns = clock.boottime_ns()
        self._looked_ns: int | None = None
        self._getting_on = True
        self._seems_over = False
        self._damage = ""
        self._on_state = on_state
        self._not_taken = 0
        self._inspection = checking.Inspection(
            data_dir / database.FILE,
            self._found_damage,
            self._found_unreadable,
            is_checked=opened.checked,
        )
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)

    @classmethod
    def open(
        cls,
        data_dir: Path,
        device: str,
        settings: LedgerSettings,
        clock: Clock,
        on_state: Callable[[str], None] | None = None,
    ) -> LedgerWriter:
        """Create or open the ledger in `data_dir` and start its thread.

        `on_state` is called by that thread with each new `state`; it must not block.  Raises
        `StorageReadOnly`, `LedgerLocked`, `SchemaTooNew`, `LedgerFull` or `LedgerError`.
        """
        opened = open_ledger(data_dir, device, settings, clock.stamp())
        if opened.recovered:
            log.critical("ledger_recovered %s", opened.recovered)
        writer = cls(data_dir, settings, clock, opened, on_state)
        writer._thread.start()
        writer._inspection.start()
        return writer

    def submit(self, op: Op) -> Future[Any]:
        """Ask for `op`.  The future gives its value once durable.

        Or it raises `RequestRefused` when this one cannot be taken, whatever is done, and
        `LedgerError` when the ledger has failed or was closed.
        """
        future = self._inbox.submit(op)
        if future is None:
            future = Future()
            future.set_exception(LedgerError(f"{self._data_dir}: the ledger is closed"))
        return future

    def is_alive(self) -> bool:
        """Whether the thread turns; what the watchdog asks."""
        age_s = (self._clock.boottime_ns() - self._turned_ns) / NS_PER_S
        return self._thread.is_alive() and self.state != "failed" and age_s < STUCK_S

    def counters(self) -> dict[str, int]:
        """For status; the WAL's size is the only one that is not since the start."""
        return {
            "commits": self._commits.commits,
            "rows": self._commits.rows,
            "largest_batch": self._commits.largest_batch,
            "refused": self._commits.refused,
            "times_full": self.times_full,
            "media_evicted": self._room.evicted,
            "rows_expired": self._room.expired,
            "waiting": len(self._inbox),
            "wal_bytes": self._commits.log_bytes(),
        }

    def close(self, timeout_s: float = CLOSE_S) -> int:
        """Commit what waits, checkpoint, let go of the lock; how many rows could not be taken.

        Never longer than about `timeout_s`, whatever the disk does.  The future of what was not
        taken raises `LedgerFull` when there was no room, `LedgerError` otherwise.  Idempotent; not
        from the ledger's thread.
        """
        self._inbox.close()
        self._inspection.stop(timeout_s)
        self._thread.join(timeout_s)
        if self._thread.is_alive():  # in the disk: what it has in hand may yet become durable
            error = LedgerError(f"{self._data_dir}: closed after {timeout_s:g} s of waiting")
            self._abandon(error)
            return self._not_taken + self._commits.in_hand
        self._commits.close()
        self._connection.close()
        self._lock.close()
        return self._not_taken

    def _run(self) -> None:
        try:
            self._room.lay_ballast()
            while not self._is_over():
                self._turned_ns = self._clock.boottime_ns()
                self._turn_full() if self.state == "full" else self._turn()
            self._finish()
        except Exception as exc:
            # Whatever it was, nothing more may be acknowledged; every future hears of it.
            is_known = isinstance(exc, sqlite3.Error | OSError | EdgeRuntimeError)
            log.critical("ledger_failed error=%s", exc, exc_info=None if is_known else exc)
            self._fail(exc)

    def _is_over(self) -> bool:
        """Closed, with everything done; or closed while full, after one more attempt."""
        tried = self.state == "full" and not self._seems_over
        return self._inbox.closed and (tried or not len(self._inbox))

    def _turn(self) -> None:
        if self._damage:
            raise LedgerDamaged(self._damage)
        if not self._room.has_room():
            self._enter_full()
            return
        self._look_if_due()
        busy = self._step()
        jobs = self._inbox.take(
            most=self._settings.group_rows,
            wait_s=0.0 if busy else WAIT_S,
            gather_s=self._settings.group_ms / 1000,
        )
        if jobs:
            self._commit(jobs)
        elif self._clock.boottime_ns() - self._commits.last_ns > IDLE_S * NS_PER_S:
            self._commits.checkpoint("TRUNCATE")

    def _turn_full(self) -> None:
        """Whatever frees room goes on with the ballast released; rows wait until there is some."""
        wait_s = 0.0 if self._getting_on and not self._seems_over else RETRY_FULL_S
        jobs = self._inbox.take(most=self._settings.group_rows, wait_s=wait_s, rows=False)
        if self._seems_over:
            self._seems_over = False
            is_stored = self._commit(jobs) if jobs else True
            if is_stored and self._room.has_room() and self._commit_rows_that_waited():
                log.warning("ledger_has_room_again")
                self._set_state("ok", self.recovered)
            return
        rows_before, freed = self._commits.rows, 0
        if jobs or self._commits.is_unmoved or self._room.has_spare():
            self._room.release_ballast()
            with room_missing_is_no_failure():
                if jobs:
                    self._commit(jobs)
                freed = self._room.make_room()
            self._commits.wrote()
            self._commits.checkpoint("TRUNCATE")
        self._room.lay_ballast()
        # Looked at once more before it is believed: what was freed just now is gone again in a
        # moment where another program takes all there is.
        self._seems_over = self._room.has_room()
        self._getting_on = freed > 0 or self._commits.rows > rows_before

    def _commit_rows_that_waited(self) -> bool:
        """Whether there was room for them; with none waiting, whether there would be."""
        rows = self._inbox.take(most=self._settings.group_rows, wait_s=0.0)
        return self._commit(rows) if rows else self._room.has_room_for_rows()

    def _commit(self, jobs: list[Job]) -> bool:
        """False when there was no room: they wait."""
        jobs = self._without_maintain(jobs)
        if not jobs or self._commits.put(jobs):
            return True
        self._enter_full()
        return False

    def _without_maintain(self, jobs: list[Job]) -> list[Job]:
        for job in jobs:
            if isinstance(job.op, Maintain):
                self._room.begin_pass(job.future)
        return [job for job in jobs if not isinstance(job.op, Maintain)]

    def _enter_full(self) -> None:
        if self.state == "full":
            return
        self.times_full += 1
        log.error("ledger_full data_dir=%s", self._data_dir)
        self._getting_on = True
        self._seems_over = False
        self._set_state(
            "full", f"no room on the disk of {self._data_dir}; results wait until there is some"
        )

    def _set_state(self, state: str, detail: str) -> None:
        self.detail, self.state = detail, state
        if self._on_state is not None:
            try:
                self._on_state(state)
            except Exception:  # who listens must not end the ledger
                log.exception("ledger_state_not_heard state=%s", state)

    def _look_if_due(self) -> None:
        now_ns = self._clock.boottime_ns()
        if self._looked_ns is None or now_ns - self._looked_ns >= MAINTAIN_S * NS_PER_S:
            self._looked_ns = now_ns
            self._room.begin_pass()

    def _step(self) -> bool:
        """A piece of housekeeping; whether there is more."""
        changes = self._connection.total_changes
        try:
            return self._room.step()
        except sqlite3.Error as exc:
            if not database.is_full(exc):
                raise
            self._enter_full()
            return False
        finally:
            if self._connection.total_changes > changes:
                self._commits.wrote()

    def _finish(self) -> None:
        """The last words of an orderly end."""
        error = LedgerFull(f"{self._data_dir}: closed while there was no room on the disk")
        self._room.abandon(LedgerError(f"{self._data_dir}: the ledger was closed"))
        self._abandon(error)
        with room_missing_is_no_failure():
            self._room.keep_age()
            self._commits.wrote()
        self._commits.note_epoch()
        self._commits.checkpoint("TRUNCATE")

    def _fail(self, exc: Exception) -> None:
        """Nothing is acknowledged any more; the process is to end and start again."""
        if isinstance(exc, LedgerDamaged) or (
            isinstance(exc, sqlite3.Error) and database.is_damage(exc)
        ):
            checking.suspect(self._data_dir, str(exc))
        self._inbox.close()
        error = LedgerError(f"{self._data_dir}: the ledger failed: {exc}")
        self._set_state("failed", f"{self._data_dir}: {exc}")
        self._room.abandon(error)
        self._abandon(error)

    def _abandon(self, error: Exception) -> None:
        """Nothing that waits will be done; the rows among it are counted."""
        for job in self._inbox.take(most=len(self._inbox), wait_s=0.0):
            self._not_taken += job.rows
            job.future.set_exception(error)

    def _found_damage(self, finding: str) -> None:
        """Called by the inspection's thread; the ledger's own thread draws the conclusion."""
        self._damage = finding

    def _found_unreadable(self, entries: list[Entry]) -> None:
        """Called by the inspection's thread: kept back and told, also where nothing is sent."""
        items = tuple((entry.seq, UNREADABLE, entry.unreadable) for entry in entries)
        self.submit(Refuse(entries[0].epoch, items))
