"""What a station remembers of itself: configs that were READY, pins, models used, how it grows."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from edge_runtime.errors import LedgerError
from edge_runtime.ledger.eviction import ON_DISK_BYTES
from edge_runtime.ledger.folder import MARGIN_BYTES, free_bytes
from edge_runtime.ledger.notes import READY
from edge_runtime.ledger.reader import Reader
from edge_runtime.ledger.rows import Kind

DAY_S = 86_400
GROWTH_OVER_S = 7 * DAY_S
"""Growth is that of so long, where the ledger is as old."""
GROWTH_FROM_S = 3600
"""With less to go by it is not known."""
MOST_DAYS = 3650.0
"""Ten years, and what does not grow."""
_NEWEST_ROWS = 1000
_COLUMNS_BYTES = 256
"""Of a row beside its body, indexes and links included."""


@dataclass(frozen=True, slots=True)
class PinnedModel:
    """What a lane loads for what its config asks for."""

    lane: str
    asked: str
    model: str
    folder: str
    sha256: str | None
    wall_ns: int


@dataclass(frozen=True, slots=True)
class ModelUsed:
    """A lane loaded a model, another one than before."""

    lane: str
    model: str
    sha256: str
    folder: str
    """Empty where it was not written down."""
    wall_ns: int


@dataclass(frozen=True, slots=True)
class DiskDays:
    """How long the disk lasts with no collector, at the growth of the last days."""

    rows: float
    """Days until results wait for room; media are given up before that."""
    media: float
    """Days until media that the collector does not have are given up."""


@dataclass(frozen=True, slots=True)
class _Growth:
    rows_a_day: float
    media_bytes_a_day: float
    row_bytes: float
    media_bytes: int
    """On the disk now."""


class StationMemory(Reader):
    """The ledger as the station's own memory."""

    def ready_configs(self) -> dict[str, int]:
        """sha256 of each config that reached READY on this ledger -> when it last did (wall_ns)."""
        rows = self._all(
            "SELECT substr(key, ?1 + 1), value FROM meta WHERE substr(key, 1, ?1) = ?2",
            len(READY),
            READY,
        )
        return {sha256: int(wall_ns) for sha256, wall_ns in rows}

    def recorded(self, lane: str) -> int:
        """How many results of a lane were ever stored, expired ones too."""
        found = self._all(
            "SELECT coalesce(sum(recorded), 0) FROM tallies WHERE lane = ? AND kind = ?",
            lane,
            int(Kind.RESULT),
        )
        return int(found[0][0])

    def pins(self) -> dict[tuple[str, str], PinnedModel]:
        """(lane, as the config asks) -> what was pinned."""
        rows = self._all("SELECT lane, asked, model, folder, sha256, wall_ns FROM pins")
        return {(row[0], row[1]): PinnedModel(*row) for row in rows}

    def model_history(self, lane: str, limit: int = 100) -> list[ModelUsed]:
        """Which models a lane used, the latest first."""
        rows = self._all(
            "SELECT lane, model, sha256, folder, wall_ns FROM model_history WHERE lane = ? "
            "ORDER BY id DESC LIMIT ?",
            lane,
            limit,
        )
        return [ModelUsed(*row) for row in rows]

    def source_identity(self, lane: str) -> str | None:
        """What `NoteSource` noted last."""
        rows = self._all("SELECT identity FROM source_identities WHERE lane = ?", lane)
        return str(rows[0][0]) if rows else None

    def days_left(self) -> float | None:
        """Days until results wait for room, were there no collector; None: not known yet.

        At most `MOST_DAYS`.
        """
        days = self.disk_days(min_free_mib=0, media_budget_mib=0)
        return None if days is None else days.rows

    def disk_days(self, *, min_free_mib: int, media_budget_mib: int) -> DiskDays | None:
        """How long the disk lasts; None: not known yet."""
        growth = self._growth()
        if growth is None:
            return None
        free = free_bytes(self._path.parent) - MARGIN_BYTES
        rows_bytes_a_day = growth.rows_a_day * growth.row_bytes
        for_media = min(
            free + MARGIN_BYTES - (min_free_mib << 20),
            (media_budget_mib << 20) - growth.media_bytes,
        )
        return DiskDays(
            rows=_days(free + growth.media_bytes, rows_bytes_a_day),
            media=_days(for_media, rows_bytes_a_day + growth.media_bytes_a_day)
            if growth.media_bytes_a_day
            else MOST_DAYS,
        )

    def _growth(self) -> _Growth | None:
        age = self._all("SELECT value FROM meta WHERE key = 'age_s'")
        if not age:
            return None
        now_s = int(age[0][0])
        mark = self._all(
            "SELECT age_s, seq FROM marks WHERE age_s >= ? ORDER BY age_s LIMIT 1",
            now_s - GROWTH_OVER_S,
        )
        if not mark or now_s - mark[0][0] < GROWTH_FROM_S:
            return None
        then_s, seq = mark[0]
        days = (now_s - then_s) / DAY_S
        top = self.max_seq()
        (made,) = self._all("SELECT coalesce(sum(size_bytes), 0) FROM media WHERE seq > ?", seq)[0]
        try:
            (body,) = self._all(
                "SELECT avg(length(body)) FROM "
                "(SELECT body FROM entries ORDER BY seq DESC LIMIT ?)",
                _NEWEST_ROWS,
            )[0]
        except LedgerError as exc:
            if not isinstance(exc.__cause__, sqlite3.DataError):
                raise
            body = None  # one of them is larger than anything of ours
        (on_disk,) = self._all(ON_DISK_BYTES)[0]
        return _Growth(
            rows_a_day=(top - seq) / days,
            media_bytes_a_day=made / days,
            row_bytes=(body or 0.0) + _COLUMNS_BYTES,
            media_bytes=int(on_disk),
        )


def _days(room_bytes: float, bytes_a_day: float) -> float:
    if bytes_a_day <= 0:
        return MOST_DAYS
    return min(MOST_DAYS, max(0.0, room_bytes) / bytes_a_day)
