"""What is wrong with the ledger and the way to the collector, by their parts of the picture.

Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from edge_runtime import codes
from edge_runtime.codes import Severity
from edge_runtime.ledger.commits import LARGE_WAL_BYTES
from edge_runtime.supervisor.found import Found

if TYPE_CHECKING:
    from collections.abc import Iterator

LEAST_DAYS: Final = 1.0
"""So much time somebody should have, whatever [targets] says."""
_S_PER_DAY: Final = 86_400


def ledger_findings(picture: dict[str, Any]) -> Iterator[Found]:
    """What is to be told of the ledger and its disk."""
    ledger = picture["ledger"]
    if ledger["state"] == "full":
        yield Found(codes.LEDGER_FULL, "ledger", ledger["detail"])
    elif ledger["state"] != "ok":
        yield Found(codes.LEDGER_FAILED, "ledger", ledger["detail"] or ledger["state"])
    if refused := ledger["refused"]:
        run = picture["started_ns"]
        yield Found(codes.ENTRY_REFUSED, "ledger", f"{refused}", refused, f"refused:{run}")
    if recovered := ledger["recovered"]:
        times = f"{recovered} times, " if recovered > 1 else ""
        lost = ledger.get("lost")  # None: a daemon before this program's does not tell
        told = times.rstrip(", ") if lost is None else f"{times}{lost or 'nothing'} lost for good"
        severity = Severity.FAULT if lost else None  # until somebody has seen it
        yield Found(codes.LEDGER_RECOVERED, "ledger", told, recovered, "recovered", severity)
    if ledger["wal_bytes"] > LARGE_WAL_BYTES:
        held = f", held by {ledger['wal_held_by']}" if ledger.get("wal_held_by") else ""
        yield Found(codes.WAL_LARGE, "ledger", f"{ledger['wal_bytes'] >> 20} MiB{held}")
    yield from _days(picture)


_SYNC_CODES = {
    "auth_failed": codes.SYNC_AUTH_FAILED,
    "offline": codes.SYNC_OFFLINE,
    "starting": codes.SYNC_OFFLINE,
    "stranger": codes.SYNC_STRANGER,
    "unsteady": codes.SYNC_UNSTEADY,
}


def sync_findings(picture: dict[str, Any]) -> Iterator[Found]:
    """What is to be told of sync; a station without [sync] has none."""
    sync = picture["sync"]
    if sync is None:
        return
    state, detail = sync["state"], sync["detail"]
    if sync["crash_loop"] or state in ("waiting", "refused"):
        yield Found(codes.SYNC_CRASHED, "sync", sync["last_exit"] or detail)
    elif state in _SYNC_CODES:
        yield Found(_SYNC_CODES[state], "sync", detail or state)
    elif state == "connected" and (code := sync.get("code")):
        yield Found(code, "sync", detail)
    elif state not in ("connected", "done"):
        yield Found(codes.SYNC_CRASHED, "sync", detail or state)
    if refused := sync["quarantined"]:
        told = f"{refused} entries"
        yield Found(codes.SYNC_QUARANTINE, "sync", told, refused, "quarantined")
    if refused := sync["counters"].get("media_refused", 0):
        life = sync["started_ns"]
        told = f"{refused} files"
        yield Found(codes.SYNC_MEDIA_REFUSED, "sync", told, refused, f"media_refused:{life}")


def _days(picture: dict[str, Any]) -> Iterator[Found]:
    """A fault while nothing leaves the box; else a warning about the day when nothing does."""
    left, sync = picture["ledger"]["days_left"], picture["sync"]
    if left is None:
        return
    away = sync is None or sync["state"] not in ("connected", "unsteady")
    target = picture["targets"].get("days_offline")
    passed = (sync["backlog_age_s"] or 0.0) / _S_PER_DAY if away and sync is not None else 0.0
    needed = max(LEAST_DAYS, (target or 0.0) - passed)
    if left < needed:
        told = f"{left:.1f} days left, {needed:.1f} needed"
        severity = Severity.FAULT if away else Severity.WARNING
        yield Found(codes.DISK_DAYS, "ledger", told, severity=severity)
