"""Every SELECT of the store's reading side.  One read-only connection, one thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from edge_runtime.collector.store import MAX_PAGE, DeviceReport, Query, Row, StreamReport
from edge_runtime.intervals import IntervalSet
from edge_runtime.wire.conversation import MAX_RANGES, Ranges

if TYPE_CHECKING:
    import sqlite3

_ROW = (
    "SELECT e.position, s.device, s.epoch, e.seq, e.kind, e.received_wall_ns, e.event "
    "FROM events e JOIN streams s ON s.id = e.stream"
)
_ISLANDS = (
    "SELECT min(seq), max(seq) FROM "
    "(SELECT seq, seq - row_number() OVER (ORDER BY seq) AS island FROM events WHERE stream = ?) "
    "GROUP BY island ORDER BY 1"
)


class Reader:
    """Reads, and nothing else."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Whoever opened the connection closes it."""
        self._connection = connection

    def results(self, query: Query) -> list[Row]:
        """Rows that match, in order of arrival."""
        wanted = {
            "s.device = ?": query.device,
            "e.lane = ?": query.lane,
            "e.verdict = ?": query.verdict,
            "e.label = ?": query.label,
            "e.kind = ?": query.kind,
        }
        given = {clause: value for clause, value in wanted.items() if value is not None}
        where = " AND ".join(["e.position > ?", *given])
        rows = self._connection.execute(
            f"{_ROW} WHERE {where} ORDER BY e.position LIMIT ?",
            (query.after, *given.values(), min(query.limit, MAX_PAGE)),
        )
        return [_row(row) for row in rows.fetchall()]

    def result(self, device: str, epoch: str, seq: int) -> Row | None:
        """One row by its key."""
        row = self._connection.execute(
            f"{_ROW} WHERE s.device = ? AND s.epoch = ? AND e.seq = ?", (device, epoch, seq)
        ).fetchone()
        return None if row is None else _row(row)

    def additions(self, device: str, epoch: str, seq: int) -> list[Row]:
        """What came later about a row."""
        rows = self._connection.execute(
            f"{_ROW} WHERE e.about = ?1 AND s.device = ?2 AND (s.epoch = ?3 OR s.first_seq > ?1) "
            "ORDER BY e.seq, e.position",
            (seq, device, epoch),
        )
        return [_row(row) for row in rows.fetchall()]

    def media(self, sha256: str) -> tuple[str, int] | None:
        """(mime, size in bytes) of noted media."""
        row: tuple[str, int] | None = self._connection.execute(
            "SELECT mime, size_bytes FROM media WHERE sha256 = ?", (sha256,)
        ).fetchone()
        return row

    def devices(self) -> list[DeviceReport]:
        """All devices, by name."""
        rows = self._connection.execute(
            "SELECT device, last_seen_wall_ns, software, epoch, unsent, "
            "(SELECT count(*) FROM events WHERE stream IN "
            "(SELECT id FROM streams s WHERE s.device = d.device)) FROM devices d ORDER BY device"
        )
        return [
            DeviceReport(
                device=device,
                last_seen_wall_ns=seen,
                software=software,
                epoch=epoch,
                unsent=unsent,
                events=events,
            )
            for device, seen, software, epoch, unsent, events in rows.fetchall()
        ]

    def completeness(self, device: str) -> list[StreamReport]:
        """One report an epoch, in the order of their first seq."""
        # One transaction: the counts and the ranges are of the same instant.
        self._connection.execute("BEGIN")
        rows = self._connection.execute(
            "SELECT id, epoch, first_seq, told_max_seq, told_explained FROM streams "
            "WHERE device = ? ORDER BY first_seq, id",
            (device,),
        ).fetchall()
        reports = [self._stream(*row) for row in rows]
        self._connection.execute("COMMIT")
        return reports

    def _stream(
        self, stream: int, epoch: str, first_seq: int, told_max_seq: int, told_explained: str
    ) -> StreamReport:
        kinds = dict(
            self._connection.execute(
                "SELECT kind, count(*) FROM events WHERE stream = ? GROUP BY kind", (stream,)
            ).fetchall()
        )
        held = IntervalSet(tuple(self._connection.execute(_ISLANDS, (stream,)).fetchall()))
        told = IntervalSet.of(msgspec.json.decode(told_explained, type=Ranges))
        refused = self._connection.execute(
            "SELECT seq FROM refusals WHERE stream = ? ORDER BY seq", (stream,)
        )
        explained = told.union(IntervalSet.of((seq, seq) for (seq,) in refused.fetchall()))
        top = max(told_max_seq, held.ranges[-1][1] if held.ranges else 0)
        gaps = IntervalSet.of(held.missing(first_seq, top))
        missing = IntervalSet.of(part for gap in gaps.ranges for part in explained.missing(*gap))
        return StreamReport(
            epoch=epoch,
            first_seq=first_seq,
            max_seq=top,
            results=kinds.pop("result", 0),
            tombstones=kinds.pop("tombstone", 0),
            others=sum(kinds.values()),
            explained=tuple(part for gap in gaps.ranges for part in missing.missing(*gap))[
                :MAX_RANGES
            ],
            missing=missing.ranges[:MAX_RANGES],
        )


def _row(row: tuple[int, str, str, int, str, int, str]) -> Row:
    position, device, epoch, seq, kind, received, event = row
    return Row(position, device, epoch, seq, kind, received, event.encode())
