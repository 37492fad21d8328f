"""What the station remembers about itself, written.  Called inside the writer's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_runtime.ledger.ops import (
    Maintain,
    NoteSource,
    Op,
    Pin,
    RecordAnchor,
    RecordModel,
    RecordReady,
)

if TYPE_CHECKING:
    import sqlite3

    from edge_runtime.types import Stamp

READY = "ready:"
"""Before the sha256 of a config that reached READY; a key of ``meta``."""


def note(connection: sqlite3.Connection, op: Op, now: Stamp) -> None:
    """What the station remembers about itself."""
    execute = connection.execute
    match op:
        case RecordModel():
            _record_model(connection, op, now)
        case Pin():
            execute(
                "INSERT OR REPLACE INTO pins (lane, asked, model, folder, sha256, wall_ns) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (op.lane, op.asked, op.model, op.folder, op.sha256, now.wall_ns),
            )
        case RecordReady():
            execute(
                "INSERT OR REPLACE INTO meta VALUES (?, ?)",
                (READY + op.sha256, str(now.wall_ns)),
            )
        case NoteSource():
            execute(
                "INSERT OR REPLACE INTO source_identities VALUES (?, ?)", (op.lane, op.identity)
            )
        case RecordAnchor():
            execute(
                "INSERT INTO clock_anchors (boot_id, boottime_ns, wall_ns, origin) "
                "VALUES (?, ?, ?, ?)",
                (op.stamp.boot_id, op.stamp.boottime_ns, op.stamp.wall_ns, op.origin),
            )
        case Maintain():
            pass  # the writer's business
        case _:
            raise TypeError(f"{type(op).__name__} is no request of the ledger's")


def _record_model(connection: sqlite3.Connection, op: RecordModel, now: Stamp) -> None:
    last = connection.execute(
        "SELECT model, sha256, folder FROM model_history WHERE lane = ? ORDER BY id DESC LIMIT 1",
        (op.lane,),
    ).fetchone()
    if last != (op.model, op.sha256, op.folder):
        connection.execute(
            "INSERT INTO model_history (lane, model, sha256, wall_ns, folder) "
            "VALUES (?, ?, ?, ?, ?)",
            (op.lane, op.model, op.sha256, now.wall_ns, op.folder),
        )
