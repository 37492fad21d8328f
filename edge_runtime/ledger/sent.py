"""What sync reports, carried out: acknowledged, refused, rewound, rotated.

Called inside the writer's transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_runtime.ledger.newest_collector import COLLECTOR, decode_collector
from edge_runtime.ledger.ops import Release
from edge_runtime.ledger.seq_ranges import (
    add_ranges,
    begin_epoch,
    current_epoch,
    cut_ranges,
    epoch_bounds,
    load_ranges,
    load_settled,
    missing_rows,
    within_epoch,
)

if TYPE_CHECKING:
    import sqlite3

    from edge_runtime.ledger.ops import (
        Ack,
        MediaAcked,
        MediaWanted,
        MetCollector,
        Refuse,
        RewindTo,
        RotateEpoch,
    )
    from edge_runtime.types import Stamp


def ack(connection: sqlite3.Connection, op: Ack) -> None:
    """The collector has these."""
    ranges = within_epoch(connection, op.epoch, op.ranges).ranges
    add_ranges(connection, "acked", ranges)
    connection.executemany("DELETE FROM quarantine WHERE seq BETWEEN ? AND ?", ranges)


def refuse(connection: sqlite3.Connection, op: Refuse, now: Stamp) -> None:
    """The collector refuses these for good; what it has is not refused."""
    bounds = epoch_bounds(connection, op.epoch)
    if bounds is None:
        return
    acked = load_ranges(connection, "acked")
    connection.executemany(
        "INSERT OR REPLACE INTO quarantine (seq, code, detail, wall_ns) VALUES (?, ?, ?, ?)",
        [
            (seq, code, detail, now.wall_ns)
            for seq, code, detail in op.items
            if bounds[0] <= seq <= bounds[1] and seq not in acked
        ],
    )


def media_acked(connection: sqlite3.Connection, op: MediaAcked) -> None:
    """The collector has these media."""
    connection.executemany(
        "UPDATE media SET state = 'stored' WHERE sha256 = ? AND state = 'local'",
        [(sha256,) for sha256 in op.sha256s],
    )


def media_wanted(connection: sqlite3.Connection, op: MediaWanted) -> None:
    """The collector has not these media, whatever was thought."""
    connection.executemany(
        "UPDATE media SET state = 'local' WHERE sha256 = ? AND state = 'stored'",
        [(sha256,) for sha256 in op.sha256s],
    )


def release(connection: sqlite3.Connection, op: Release) -> int:
    """Out of quarantine; how many."""
    if op.seqs is None:
        return connection.execute("DELETE FROM quarantine").rowcount
    found = [
        connection.execute("DELETE FROM quarantine WHERE seq = ?", (seq,)).rowcount
        for seq in op.seqs
    ]
    return sum(found)


def met_collector(connection: sqlite3.Connection, op: MetCollector) -> int:
    """Release what an older collector, or one with a smaller limit, refused; how many."""
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (COLLECTOR,)).fetchone()
    known = decode_collector(row[0] if row else "")
    met = known.meets(op.software, op.max_event_bytes)
    if met == known:
        return 0
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (COLLECTOR, met.encoded()))
    return release(connection, Release())


def rewind(connection: sqlite3.Connection, op: RewindTo) -> None:
    """The collector has less than it acknowledged once."""
    bounds = epoch_bounds(connection, op.epoch)
    if bounds is None:
        return
    first, last = max(op.through + 1, bounds[0]), bounds[1]
    if first > last:
        return
    # What was deleted since cannot be sent again; without saying so it would wait for ever.
    lost = missing_rows(connection, first, last)
    cut_ranges(connection, "acked", first, last)
    add_ranges(connection, "gone", lost.ranges)
    connection.execute(
        "UPDATE media SET state = 'local' WHERE state = 'stored' AND id IN "
        "(SELECT media FROM entry_media WHERE seq BETWEEN ? AND ?)",
        (first, last),
    )


def rotate(connection: sqlite3.Connection, op: RotateEpoch, now: Stamp) -> str:
    """A new epoch for what the collector does not have; the current one."""
    current = current_epoch(connection)
    if op.epoch is not None and current is not None and op.epoch != current:
        return current
    first = load_settled(connection).head(1) + 1
    return begin_epoch(connection, first=first, reason=op.reason, now=now)
