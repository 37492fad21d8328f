"""The ledger's part of the picture, and what else of it is read from the disk."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_runtime.clock import NS_PER_S
from edge_runtime.errors import ModelError
from edge_runtime.ledger.commits import LARGE_WAL_BYTES
from edge_runtime.manifest.places import find_bundle, version_key
from edge_runtime.supervisor.forecast import days_left, row_bytes
from edge_runtime.supervisor.holders import holders
from edge_runtime.types import Tombstone, TombstoneReason

if TYPE_CHECKING:
    from edge_runtime.clock import Clock
    from edge_runtime.config import Config
    from edge_runtime.ledger.queries import LedgerReader
    from edge_runtime.supervisor.keepers import WriterLike

_COUNTERS = ("times_full", "refused", "media_evicted", "rows_expired", "waiting", "wal_bytes")

TOLD_DAMAGES = 100


def live_ledger(writer: WriterLike) -> dict[str, Any]:
    """What the writer says of itself."""
    counters = writer.counters()
    return {
        "state": str(writer.state),
        "detail": writer.detail,
        **{name: counters.get(name, 0) for name in _COUNTERS},
    }


def ledger_row(data_dir: Path, clock: Clock, rows_of_run: int, uptime_s: float) -> dict[str, Any]:
    """What is stored, and how long that may go on.  Blocks for the disk."""
    from edge_runtime.ledger.queries import LedgerReader

    with LedgerReader(data_dir) as reader:
        summary = ledger_summary(reader, clock)
        media_bytes = reader.backlog().media_bytes
    free = shutil.disk_usage(data_dir).free
    rows = summary["rows"] + summary["tombstones"]
    return summary | {
        "wal_held_by": _holders_of_log(data_dir),
        "free_mib": free >> 20,
        "days_left": days_left(
            free + media_bytes,
            row_bytes((data_dir / "ledger.db").stat().st_size, rows),
            rows_of_run=rows_of_run,
            uptime_s=uptime_s,
        ),
    }


def _holders_of_log(data_dir: Path) -> str:
    """Looked for only where the log is large."""
    log = data_dir / "ledger.db-wal"
    if not log.exists() or log.stat().st_size <= LARGE_WAL_BYTES:
        return ""
    return holders(data_dir / "ledger.db-shm", os.getpid())


def ledger_summary(reader: LedgerReader, clock: Clock) -> dict[str, Any]:
    """The ledger's numbers; also what ``status`` shows when no daemon runs."""
    backlog = reader.backlog()
    counts = reader.counts()
    age_ns = None
    if backlog.oldest_wall_ns is not None:
        age_ns = max(0, clock.stamp().wall_ns - backlog.oldest_wall_ns)
    recovered = TombstoneReason.RECOVERED_DAMAGE.value
    return {
        "rows": counts.rows,
        "tombstones": counts.tombstones,
        "recovered": sum(lane.get(recovered, 0) for lane in counts.by_lane.values()),
        "lost": _lost(reader),
        "max_seq": reader.max_seq(),
        "epoch": reader.identity().epoch,
        "backlog_rows": backlog.rows,
        "backlog_media": backlog.media,
        "backlog_age_s": None if age_ns is None else round(age_ns / NS_PER_S, 1),
        "quarantined": counts.quarantined,
    }


def _lost(reader: LedgerReader) -> str:
    """What the damage of this ledger took for good, over all; empty where it took nothing."""
    told = reader.results(verdict=TombstoneReason.RECOVERED_DAMAGE.value, limit=TOLD_DAMAGES)
    counts = [each.body.count for each in told if isinstance(each.body, Tombstone)]
    known = sum(count or 0 for count in counts)
    if None in counts:
        return f"{known} rows and an unknown number" if known else "an unknown number of rows"
    return f"{known} rows" if known else ""


def newer_models(lanes: list[dict[str, Any]], config: Config) -> None:
    """Note at each pinned model which higher version lies beside it.  Blocks for the disk."""
    folder = Path(config.device.models_dir) if config.device.models_dir else None
    for lane in lanes:
        for model in lane["models"]:
            if model["pinned"] and not _is_exact(model["asked"]):
                model["newer"] = _newer(model["id"], folder)


def _is_exact(asked: str) -> bool:
    """One that is asked for by its version or folder has no newer one."""
    return "/" in asked or asked.startswith(".")


def _newer(model: str, folder: Path | None) -> str | None:
    name, _, version = model.partition("/")
    try:
        found = find_bundle(name, folder).name
    except ModelError:
        return None
    return f"{name}/{found}" if version_key(found) > version_key(version) else None
