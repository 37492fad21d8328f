"""A child's, and a lane's, row of the picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_runtime.clock import NS_PER_S
from edge_runtime.link import in_hand
from edge_runtime.redaction import redacted
from edge_runtime.supervisor.keepers import HasDevices

if TYPE_CHECKING:
    from edge_runtime.config import Config, Lane
    from edge_runtime.link.messages import ResolvedModel
    from edge_runtime.supervisor.keepers import ChildLike, HealthLike, LaneLike
    from edge_runtime.types import Result

_PAGE_BYTES = 4096
_NOT_THERE = ("waiting", "refused", "starting")
"""What a process that is gone had measured says nothing of now."""
REPLAYS = ("file:", "folder:")
_NOTES = ("differs", "unheard", "left_out")


def child_row(child: ChildLike, now_ns: int) -> dict[str, Any]:
    """What every child has."""
    health, heartbeat = child.health, child.health.heartbeat
    state = child_state(health)
    alive = health.pid is not None
    return {
        "state": state,
        "detail": _detail(health, state),
        "code": _code(health, state),
        "pid": health.pid,
        "started_ns": health.started_ns,
        "restarts": health.crashes.total,
        "crash_loop": health.crashes.is_loop(now_ns),
        "last_exit": health.last_exit,
        "heartbeat_age_s": round((now_ns - health.heartbeat_ns) / NS_PER_S, 2)
        if alive and heartbeat
        else None,
        "loops": {k: round(v, 2) for k, v in heartbeat.loops.items()} if heartbeat else {},
        "rss_mib": rss_mib(health.pid) if alive else None,
        "counters": heartbeat.counters if heartbeat else {},
        "gauges": {k: round(v, 2) for k, v in heartbeat.gauges.items()}
        if heartbeat and state not in _NOT_THERE
        else {},
    }


def child_state(health: HealthLike) -> str:
    """What a person is told: the child's own word while it runs, ours otherwise."""
    state = str(health.state.value)
    if state == "running":  # it has said hello; before its first heartbeat nothing is proven
        return "starting" if health.heartbeat is None else health.heartbeat.state
    return state


def lane_row(keeper: LaneLike, config: Config, now_ns: int) -> dict[str, Any]:
    """All that is known about a lane now."""
    lane = config.lanes[keeper.name]
    child = child_row(keeper.child, now_ns)
    counters, gauges = child["counters"], child["gauges"]
    return {
        "name": keeper.name,
        "kind": "camera" if lane.is_camera else "microphone",
        "source": redacted(lane.source),
        "views": {name: redacted(view.source) for name, view in lane.views.items()},
        "is_replay": is_replay(lane),
        "recipe": lane.recipe,
        "workers": lane.workers,
        "outputs": list(lane.outputs),
        "models": _models(keeper),
        **child,
        "rate_hz": gauges.get("rate_hz", 0.0),
        "latency_p50_ms": gauges.get("latency_p50_ms"),
        "latency_p99_ms": gauges.get("latency_p99_ms"),
        "infer_p50_ms": gauges.get("infer_p50_ms"),
        "picture_age_s": gauges.get("picture_age_s"),
        "level_dbfs": gauges.get("level_dbfs"),
        **_told_by_source(keeper, child),
        **{k: counters.get(k, 0) for k in ("dropped", "skipped", "gaps", "bad_items")},
        "media_lost": counters.get("media_lost", 0),
        "unstored": unstored(config.data_dir, keeper.name, child),
        "triggers": {
            "seen": counters.get("triggers", 0),
            "missed": counters.get("triggers_missed", 0),
            "double": counters.get("triggers_double", 0),
        },
        "buried": list(keeper.buried),
        "verdicts": dict(keeper.verdicts),
        "tombstones": dict(keeper.tombstones),
        "last": None if keeper.last is None else _last(keeper.last),
    }


def _told_by_source(keeper: LaneLike, child: dict[str, Any]) -> dict[str, Any]:
    """What its source tells, and only what is known now.

    ``differs``: what it gives other than was asked for; ``unheard``: which damage nobody would
    hear of; ``left_out``: what of a folder nobody reads.  Of a lane that hears ``device``: which
    one really answers; ``why_silent``: muted, empty when not; ``moves``: each time that another
    one answered; ``offset_percent``: of full scale, where it is worth telling.
    """
    heartbeat = keeper.child.health.heartbeat
    is_there = child["pid"] and child["state"] not in _NOT_THERE
    words = heartbeat.words if heartbeat is not None and is_there else {}
    told: dict[str, Any] = {key: words[key] for key in _NOTES if words.get(key)}
    if words.get("device"):
        told |= {"device": words["device_told"], "why_silent": words["why_silent"]}
    if isinstance(keeper, HasDevices) and keeper.devices.moves:
        told["moves"] = list(keeper.devices.moves)
    if "offset_percent" in child["gauges"]:
        told["offset_percent"] = child["gauges"]["offset_percent"]
    return told


def is_replay(lane: Lane) -> bool:
    """Whether its source may come to its end in order."""
    return not lane.views and lane.source.startswith(REPLAYS)


def unstored(data_dir: Path, lane: str, child: dict[str, Any]) -> int:
    """Parts that no tombstone accounts for yet: as the lane says, else as it left behind."""
    if "unstored" in child["gauges"]:
        return int(child["gauges"]["unstored"])
    page = None if child["pid"] else in_hand.read(data_dir / in_hand.FOLDER / lane)
    return 0 if page is None else page.unstored


def rss_mib(pid: int | str | None) -> float | None:
    """Resident memory of a process."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return round(pages * _PAGE_BYTES / (1 << 20), 1)


def _detail(health: HealthLike, state: str) -> str:
    if state in ("refused", "waiting") and health.failed is not None:
        return health.failed.message
    told = health.heartbeat.detail if health.heartbeat else ""
    return told or (health.last_exit if state in ("waiting", "refused") else "")


def _code(health: HealthLike, state: str) -> str:
    if state in ("refused", "waiting"):
        return health.code or ("" if health.failed is None else health.failed.code)
    return health.heartbeat.code if health.heartbeat else ""


def _models(keeper: LaneLike) -> list[dict[str, Any]]:
    """Those that serve, by what the lane said it has loaded; before that, those it is to load."""
    hello = keeper.child.health.hello
    loaded = {} if hello is None else dict(hello.models)
    rows = [_model(each, loaded.pop(each.id, None)) for each in keeper.pinned]
    return rows + [
        {"id": name, "sha256": sha256, "asked": name, "pinned": False, "newer": None}
        for name, sha256 in sorted(loaded.items())
    ]


def _model(pinned: ResolvedModel, loaded: str | None) -> dict[str, Any]:
    return {
        "id": pinned.id,
        "sha256": loaded or pinned.sha256,
        "asked": pinned.asked,
        "pinned": True,
        "newer": None,
    }


def _last(last: Result) -> dict[str, Any]:
    return {
        "verdict": last.verdict.kind.value,
        "label": last.verdict.label,
        "score": last.verdict.score,
        "reason": last.verdict.reason,
        "decided_by": last.verdict.decided_by,
        "part": last.part,
        "wall_ns": last.captured.wall_ns,
    }
