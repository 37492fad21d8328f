"""The picture of the whole, for ``status``, systemd and the live view."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_runtime import __version__
from edge_runtime.clock import NS_PER_S
from edge_runtime.supervisor.states import ChildState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_runtime.clock import Clock
    from edge_runtime.config import Config
    from edge_runtime.ledger.writer import LedgerWriter
    from edge_runtime.supervisor.child import Child
    from edge_runtime.supervisor.lanes import LaneKeeper
    from edge_runtime.supervisor.syncing import SyncKeeper
    from edge_runtime.types import Stamp

_PAGE_BYTES = 4096


async def snapshot(
    config: Config,
    lanes: Sequence[LaneKeeper],
    sync: SyncKeeper | None,
    writer: LedgerWriter,
    started: Stamp,
    clock: Clock,
) -> dict[str, Any]:
    """Everything ``status --json`` prints.  Reads the ledger in a thread of its own."""
    ledger = await asyncio.to_thread(_ledger, config.data_dir, clock)
    return {
        "version": __version__,
        "device": config.device.id,
        "data_dir": str(config.data_dir),
        "running": True,
        "uptime_s": round((clock.boottime_ns() - started.boottime_ns) / NS_PER_S, 1),
        "lanes": [_lane(keeper, config) for keeper in lanes],
        "ledger": {**ledger, "state": str(writer.state), "detail": writer.detail},
        "sync": _sync(sync, ledger),
        "supervisor": {"rss_mib": rss_mib("self")},
    }


def one_line(lanes: Sequence[LaneKeeper], sync: SyncKeeper | None, writer: LedgerWriter) -> str:
    """For ``systemctl status``."""
    parts = [f"{keeper.name}: {lane_state(keeper.child)}" for keeper in lanes]
    if writer.state != "ok":
        parts.append(f"ledger {writer.state}: {writer.detail}")
    if sync is not None:
        heartbeat = sync.child.health.heartbeat
        parts.append(f"sync: {heartbeat.state if heartbeat else sync.child.health.state.value}")
    return "; ".join(parts)


def lane_state(child: Child) -> str:
    """What a person is told: the child's own word while it runs, ours otherwise."""
    health = child.health
    if health.state is ChildState.RUNNING and health.heartbeat is not None:
        return health.heartbeat.state
    return health.state.value


def rss_mib(pid: int | str | None) -> float | None:
    """Resident memory of a process."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return round(pages * _PAGE_BYTES / (1 << 20), 1)


def _child(child: Child) -> dict[str, Any]:
    health = child.health
    heartbeat = health.heartbeat
    return {
        "state": lane_state(child),
        "detail": (heartbeat.detail if heartbeat else "") or health.last_exit,
        "pid": health.pid,
        "restarts": health.crashes.total,
        "rss_mib": rss_mib(health.pid) if health.pid else None,
        "counters": heartbeat.counters if heartbeat else {},
        "gauges": {k: round(v, 2) for k, v in heartbeat.gauges.items()} if heartbeat else {},
    }


def _lane(keeper: LaneKeeper, config: Config) -> dict[str, Any]:
    hello = keeper.child.health.hello
    lane = config.lanes[keeper.name]
    last = keeper.last
    return {
        "name": keeper.name,
        "source": lane.source,
        "models": sorted(hello.models) if hello else lane.all_models,
        **_child(keeper.child),
        "verdicts": dict(keeper.verdicts),
        "tombstones": dict(keeper.tombstones),
        "last": None
        if last is None
        else {
            "verdict": last.verdict.kind.value,
            "label": last.verdict.label,
            "score": last.verdict.score,
            "reason": last.verdict.reason,
            "wall_ns": last.captured.wall_ns,
        },
    }


def _sync(sync: SyncKeeper | None, ledger: dict[str, Any]) -> dict[str, Any] | None:
    if sync is None:
        return None
    backlog = ("backlog_rows", "backlog_media", "backlog_age_s", "quarantined")
    return {**_child(sync.child), **{key: ledger[key] for key in backlog}}


def _ledger(data_dir: Path, clock: Clock) -> dict[str, Any]:
    from edge_runtime.ledger.queries import LedgerReader

    with LedgerReader(data_dir) as reader:
        return ledger_summary(reader, clock)


def ledger_summary(reader: Any, clock: Clock) -> dict[str, Any]:  # noqa: ANN401
    """The ledger's numbers; also what ``status`` shows when no daemon runs."""
    backlog = reader.backlog()
    counts = reader.counts()
    age_ns = None
    if backlog.oldest_wall_ns is not None:
        age_ns = max(0, clock.stamp().wall_ns - backlog.oldest_wall_ns)
    return {
        "rows": counts.rows,
        "tombstones": counts.tombstones,
        "max_seq": reader.max_seq(),
        "epoch": reader.identity().epoch,
        "backlog_rows": backlog.rows,
        "backlog_media": backlog.media,
        "backlog_age_s": None if age_ns is None else round(age_ns / NS_PER_S, 1),
        "quarantined": counts.quarantined,
    }
