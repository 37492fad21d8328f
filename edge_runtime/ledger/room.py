"""Room on the disk: the ballast, the media budget, the age of synced results, orphans.

Runs on the writer's thread, with its connection.
"""

from __future__ import annotations

import logging
import os
import shutil
from typing import TYPE_CHECKING

from edge_runtime import failpoint
from edge_runtime.clock import NS_PER_S
from edge_runtime.ledger.media import MediaStore
from edge_runtime.ledger.opening import transaction
from edge_runtime.ledger.ops import load_ranges
from edge_runtime.ledger.retention import MediaItem, Usage, choose_media
from edge_runtime.ledger.rows import row_of
from edge_runtime.types import Tombstone, TombstoneReason

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from edge_runtime.config import Ledger as LedgerSettings
    from edge_runtime.types import Stamp

log = logging.getLogger(__name__)

BALLAST = "ballast"
MIB = 1 << 20
EVICT_AT_ONCE = 2_000
EXPIRE_AT_ONCE = 5_000
SWEEP_MARGIN_S = 60
"""File times lag behind the clock by some ms: a lane's newest file must not be swept."""
_DAY_NS = 86_400 * NS_PER_S


class Room:
    """Owned by the ledger's thread."""

    def __init__(
        self, data_dir: Path, settings: LedgerSettings, connection: sqlite3.Connection
    ) -> None:
        self._data_dir = data_dir
        self._settings = settings
        self._connection = connection
        self._media = MediaStore(data_dir)
        self._ballast = data_dir / BALLAST

    def start(self, started: Stamp) -> None:
        """Lay in the ballast, and delete media that no row refers to."""
        self._lay_ballast()
        before_s = started.wall_ns / NS_PER_S - SWEEP_MARGIN_S
        swept = self._media.sweep(self._is_known, before_s)
        if swept:
            log.info("orphans_swept files=%d", swept)

    def maintain(self, now: Stamp) -> None:
        """Let go of what is over budget or too old; lay in the ballast again."""
        self._expire(now)
        self._evict(self._usage(), now)
        self._lay_ballast()

    def emergency(self) -> int:
        """The disk is full: give up the ballast to be able to evict; the bytes that were freed.

        The ballast is laid in again at once where nothing could be evicted, so that it is there
        for the next time.
        """
        self._ballast.unlink(missing_ok=True)
        usage = self._usage()
        wanted = Usage(
            usage.media_bytes,
            usage.media_budget_bytes,
            usage.free_bytes - self._ballast_bytes,
            max(usage.min_free_bytes, 2 * self._ballast_bytes),
        )
        freed = self._evict(wanted, None)
        self._lay_ballast()
        return freed

    @property
    def _ballast_bytes(self) -> int:
        return self._settings.ballast_mib * MIB

    def _lay_ballast(self) -> None:
        if (
            self._ballast.exists()
            or shutil.disk_usage(self._data_dir).free < 2 * self._ballast_bytes
        ):
            return
        descriptor = os.open(self._ballast, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            os.posix_fallocate(descriptor, 0, self._ballast_bytes)
            os.fsync(descriptor)
        except OSError:
            self._ballast.unlink(missing_ok=True)
        finally:
            os.close(descriptor)

    def _usage(self) -> Usage:
        row = self._connection.execute(
            "SELECT coalesce(sum(size_bytes), 0) FROM media WHERE state != 'evicted'"
        ).fetchone()
        return Usage(
            media_bytes=int(row[0]),
            media_budget_bytes=self._settings.media_budget_mib * MIB,
            free_bytes=shutil.disk_usage(self._data_dir).free,
            min_free_bytes=self._settings.min_free_mib * MIB,
        )

    def _evict(self, usage: Usage, now: Stamp | None) -> int:
        """Row first, committed, then the file: a crash between leaves an orphan, swept later."""
        if usage.excess_bytes <= 0:
            return 0
        chosen = choose_media(self._candidates(), usage)
        if not chosen:
            return 0
        unsynced = sum(not item.stored for item in chosen)
        with transaction(self._connection):
            self._connection.executemany(
                "UPDATE media SET state = 'evicted' WHERE sha256 = ?",
                [(item.sha256,) for item in chosen],
            )
            if unsynced:
                self._bury(unsynced, now)
        failpoint.reached("evicted")
        for item in chosen:
            self._media.remove(item.sha256, item.mime)
        freed = sum(item.size_bytes for item in chosen)
        log.warning("media_evicted files=%d unsynced=%d bytes=%d", len(chosen), unsynced, freed)
        return freed

    def _candidates(self) -> list[MediaItem]:
        rows = self._connection.execute(
            "SELECT sha256, mime, size_bytes, state = 'stored', value, seq FROM media "
            "WHERE state IN ('stored', 'local') "
            "ORDER BY state DESC, value, seq LIMIT ?",
            (EVICT_AT_ONCE,),
        )
        return [
            MediaItem(sha256, mime, size, bool(stored), value, seq)
            for sha256, mime, size, stored, value, seq in rows
        ]

    def _bury(self, count: int, now: Stamp | None) -> None:
        from edge_runtime.clock import SYSTEM_CLOCK

        stamp = now or SYSTEM_CLOCK.stamp()
        tombstone = Tombstone(
            lane="ledger",
            reason=TombstoneReason.MEDIA_EVICTED,
            first=stamp,
            last=stamp,
            count=count,
            detail="media that the collector did not have were evicted to make room",
        )
        self._connection.execute(
            "INSERT INTO entries (kind, lane, verdict, label, score, item, wall_ns, body) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            row_of(tombstone),
        )

    def _expire(self, now: Stamp) -> None:
        """Results that the collector has and that are older than `keep_synced_days` go.

        Their acknowledged range stays, so the sequence can still be proved complete.
        """
        before = now.wall_ns - int(self._settings.keep_synced_days * _DAY_NS)
        through = load_ranges(self._connection, "acked").head(1)
        old = self._connection.execute(
            "SELECT max(seq) FROM (SELECT seq FROM entries WHERE seq <= ? AND wall_ns < ? "
            "ORDER BY seq LIMIT ?)",
            (through, before, EXPIRE_AT_ONCE),
        ).fetchone()[0]
        if old is None:
            return
        gone = self._connection.execute(
            "SELECT sha256, mime FROM media WHERE seq <= ? AND state = 'stored'", (old,)
        ).fetchall()
        with transaction(self._connection):
            self._connection.execute("DELETE FROM entry_media WHERE seq <= ?", (old,))
            self._connection.execute(
                "DELETE FROM media WHERE seq <= ? AND state IN ('stored', 'evicted')", (old,)
            )
            self._connection.execute(
                "DELETE FROM entries WHERE seq <= ? AND wall_ns < ?", (old, before)
            )
        for sha256, mime in gone:
            self._media.remove(sha256, mime)

    def _is_known(self, sha256: str) -> bool:
        row = self._connection.execute(
            "SELECT 1 FROM media WHERE sha256 = ? AND state != 'evicted'", (sha256,)
        ).fetchone()
        return row is not None
