"""Pictures of a station for `truth` and `status`: one that is well, to be spoilt."""

from __future__ import annotations

from typing import Any


def lane(name: str = "top", **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "kind": "camera",
        "source": "v4l2:0",
        "views": {},
        "is_replay": False,
        "recipe": None,
        "workers": 1,
        "outputs": ["reject_gate"],
        "models": [
            {
                "id": "surface-defect/0.2.0",
                "sha256": "3f2a" * 16,
                "asked": "surface-defect",
                "pinned": True,
                "newer": None,
            }
        ],
        "state": "running",
        "detail": "",
        "code": "",
        "pid": 4711,
        "started_ns": 1,
        "restarts": 0,
        "crash_loop": False,
        "last_exit": "",
        "heartbeat_age_s": 0.3,
        "loops": {"capture": 0.0, "infer-0": 0.1, "decide": 0.1},
        "rss_mib": 120.0,
        "counters": {},
        "gauges": {},
        "rate_hz": 12.0,
        "latency_p50_ms": 14.0,
        "latency_p99_ms": 22.0,
        "infer_p50_ms": 9.0,
        "picture_age_s": 0.1,
        "level_dbfs": None,
        "dropped": 0,
        "skipped": 0,
        "gaps": 0,
        "bad_items": 0,
        "media_lost": 0,
        "unstored": 0,
        "triggers": {"seen": 0, "missed": 0, "double": 0},
        "buried": [],
        "verdicts": {"pass": 41, "reject": 1},
        "tombstones": {},
        "last": {
            "verdict": "reject",
            "label": "dent",
            "score": 0.93,
            "reason": None,
            "decided_by": None,
            "part": None,
            "wall_ns": 1,
        },
    } | changes


def output(name: str = "reject_gate", **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "kind": "modbus",
        "state": "connected",
        "detail": "",
        "address": "modbus://plc:502",
        "lanes": ["top"],
        "last_ack_age_s": 0.4,
        "acknowledged": 42,
        "unacknowledged": 0,
        "unacknowledged_running": 0,
        "held_by": [],
        "bypass_left_s": None,
        "merged": 0,
        "refused": 0,
        "counters": {},
    } | changes


def child(state: str, **changes: Any) -> dict[str, Any]:
    return {
        "state": state,
        "detail": "",
        "code": "",
        "pid": 4712,
        "started_ns": 1,
        "restarts": 0,
        "crash_loop": False,
        "last_exit": "",
        "heartbeat_age_s": 0.3,
        "loops": {},
        "rss_mib": 35.0,
        "counters": {},
        "gauges": {},
    } | changes


def sync(state: str = "connected", **changes: Any) -> dict[str, Any]:
    backlog = {"backlog_rows": 0, "backlog_media": 0, "backlog_age_s": None, "quarantined": 0}
    return child(state) | backlog | changes


def ledger(**changes: Any) -> dict[str, Any]:
    return {
        "state": "ok",
        "detail": "",
        "times_full": 0,
        "refused": 0,
        "media_evicted": 0,
        "rows_expired": 0,
        "waiting": 0,
        "wal_bytes": 1 << 20,
        "rows": 42,
        "tombstones": 0,
        "recovered": 0,
        "lost": "",
        "max_seq": 42,
        "epoch": "e",
        "backlog_rows": 0,
        "backlog_media": 0,
        "backlog_age_s": None,
        "quarantined": 0,
        "wal_held_by": "",
        "free_mib": 20_000,
        "days_left": 400.0,
    } | changes


def station(**changes: Any) -> dict[str, Any]:
    """A station that is well."""
    return {
        "version": "0.2.0",
        "device": "press7",
        "data_dir": "/var/lib/edge-runtime",
        "running": True,
        "silent": "",
        "started_ns": 1,
        "uptime_s": 7200.0,
        "lanes": [lane()],
        "outputs": [output()],
        "field": child("running"),
        "ledger": ledger(),
        "sync": sync(),
        "config": {"problems": [], "needs_restart": []},
        "targets": {},
        "supervisor": {"rss_mib": 40.0, "dead_man_s": 1.0},
        "seen": {},
    } | changes
