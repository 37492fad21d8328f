"""Room on the disk: the ballast, the budgets, and what is done about them.

Owned by the ledger's thread.  Work comes in bounded pieces (`step`), each a transaction of its own,
so that results never wait long for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_runtime.clock import NS_PER_S
from edge_runtime.ledger import database
from edge_runtime.ledger.eviction import evict, media_bytes, sweep
from edge_runtime.ledger.expiry import add_age, expire, old_through
from edge_runtime.ledger.folder import MARGIN_BYTES, MIB, Ballast, free_bytes
from edge_runtime.ledger.retention import Usage
from edge_runtime.ledger.seq_ranges import max_seq

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from edge_runtime.clock import Clock
    from edge_runtime.config import Ledger as LedgerSettings
    from edge_runtime.ledger.apply import Tables
    from edge_runtime.ledger.media import MediaStore

AGE_EVERY_S = 300
"""A commit for nothing else: not so often that an idle box wears its flash out."""
_SHRINK_PAGES = 64
"""For each MiB of the ballast: moving so many takes at most half of its room."""
_DAY_S = 86_400


class Room:
    """Keeps within the budgets, and finds room when there is none."""

    def __init__(
        self,
        data_dir: Path,
        settings: LedgerSettings,
        clock: Clock,
        *,
        tables: Tables,
        media: MediaStore,
        ballast: Ballast,
    ) -> None:
        self.evicted = 0
        """Media, since the start."""
        self.expired = 0
        """Rows, since the start."""
        self._data_dir = data_dir
        self._settings = settings
        self._clock = clock
        self._tables = tables
        self._media = media
        self._ballast = ballast
        self._files: list[tuple[Path, int]] | None = None
        self._given_up: frozenset[str] = frozenset()
        self._pass: Iterator[None] | None = None
        self._asked: list[Future[None]] = []
        self._served: list[Future[None]] = []
        self._aged_ns = clock.boottime_ns()

    def sweep_later(self, files: list[tuple[Path, int]], given_up: frozenset[str]) -> None:
        """Next pass: compare the media folder, as it was before any lane wrote, with the rows.

        `given_up`: what went at the start, for there was no room to start in.
        """
        self._files, self._given_up = files, given_up

    def begin_pass(self, asked: Future[None] | None = None) -> None:
        """Look at everything, piece by piece; `asked` is told when all of it was looked at."""
        if asked is not None:
            self._asked.append(asked)
        if self._pass is None:
            self._pass, self._served, self._asked = self._look(), self._asked, []

    def step(self) -> bool:
        """One piece; whether there are more."""
        if self._pass is None:
            return False
        try:
            next(self._pass)
        except StopIteration:
            self._pass = None
            for future in self._served:
                future.set_result(None)
            if self._asked:  # while that pass was under way: they want one from its beginning
                self.begin_pass()
        return self._pass is not None

    def abandon(self, error: Exception) -> None:
        """No more passes."""
        for future in (*self._served, *self._asked) if self._pass else self._asked:
            future.set_exception(error)
        self._pass, self._asked = None, []

    def lay_ballast(self) -> None:
        """Keep room for emptying the disk."""
        self._ballast.lay()

    def release_ballast(self) -> None:
        """Use the room that was kept."""
        self._ballast.release()

    def has_room(self) -> bool:
        """Whether rows may be written: what is kept for emptying the disk is not for them."""
        return self._ballast.is_laid() or self.has_room_for_rows()

    def has_room_for_rows(self) -> bool:
        """Whether there is room now, the ballast aside."""
        return free_bytes(self._data_dir) >= MARGIN_BYTES

    def has_spare(self) -> bool:
        """Whether there is anything that may go."""
        found = self._tables.connection.execute(
            "SELECT EXISTS (SELECT 1 FROM media WHERE state != 'evicted') OR "
            "EXISTS (SELECT 1 FROM acked WHERE last >= (SELECT min(seq) FROM entries))"
        ).fetchone()
        return bool(found[0])

    def make_room(self) -> int:
        """The disk is full and the ballast released: let go of what may go; how much that was.

        In this order: rows past their age, media that the collector has, media that it has not, by
        value, rows that it has.
        """
        freed = self._expire(self._old_through())
        freed += self._evict(self._usage(at_least=MARGIN_BYTES))
        connection = self._tables.connection
        if not freed and database.empty_pages(connection) * database.PAGE_BYTES < MARGIN_BYTES:
            freed = self._expire(max_seq(connection))
        return freed + database.shrink(connection, self._settings.ballast_mib * _SHRINK_PAGES)

    def keep_age(self) -> None:
        """Write down how long the ledger has been open."""
        seconds, rest_ns = divmod(self._clock.boottime_ns() - self._aged_ns, NS_PER_S)
        self._aged_ns = self._clock.boottime_ns() - rest_ns
        add_age(self._tables, seconds)

    def _look(self) -> Iterator[None]:
        files, self._files = self._files, None
        if files is not None:
            yield from sweep(self._tables, self._media, files, self._given_up)
        if self._clock.boottime_ns() - self._aged_ns >= AGE_EVERY_S * NS_PER_S:
            self.keep_age()
            yield
        while self._expire(self._old_through()):
            yield
        while self._evict(self._usage()):
            yield
        self._ballast.lay()

    def _old_through(self) -> int:
        return old_through(self._tables, self._settings.keep_synced_days * _DAY_S)

    def _expire(self, through: int) -> int:
        count = expire(self._tables, self._media, through)
        self.expired += count
        return count

    def _evict(self, usage: Usage) -> int:
        count = evict(self._tables, self._media, usage)
        self.evicted += count
        return count

    def _usage(self, at_least: int = 0) -> Usage:
        free = free_bytes(self._data_dir) - self._ballast.lacks_bytes  # it has to go in again
        return Usage(
            media_bytes=media_bytes(self._tables),
            media_budget_bytes=self._settings.media_budget_mib * MIB,
            free_bytes=free,
            min_free_bytes=max(self._settings.min_free_mib * MIB, at_least),
        )
