"""The picture of the whole, for ``status``, systemd and the live view.

JSON; keys are never given a second meaning.  Ages and spans are in seconds, as of the moment that
the picture was drawn.  What is wrong in it is told by `truth.findings`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_runtime import __version__
from edge_runtime.clock import NS_PER_S
from edge_runtime.errors import StorageReadOnly
from edge_runtime.supervisor import seen
from edge_runtime.supervisor.status_of_lane import child_row, lane_row, rss_mib
from edge_runtime.supervisor.status_of_stores import ledger_row, live_ledger, newer_models
from edge_runtime.supervisor.truth import findings, is_silent, is_well
from edge_runtime.supervisor.truth_of_lanes import serves

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_runtime.clock import Clock
    from edge_runtime.config import Config, Output
    from edge_runtime.link.messages import OutputState
    from edge_runtime.supervisor.keepers import (
        FieldLike,
        LaneLike,
        ReloadLike,
        SyncLike,
        WriterLike,
    )
    from edge_runtime.types import Stamp

BACKLOG = ("backlog_rows", "backlog_media", "backlog_age_s", "quarantined")


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """Whom to ask.  Loop only."""

    config: Config
    """The one that runs."""
    lanes: Sequence[LaneLike]
    field: FieldLike | None
    """None where there are neither outputs nor triggers of a far side."""
    sync: SyncLike | None
    writer: WriterLike
    reload: ReloadLike
    started: Stamp
    clock: Clock


async def snapshot(station: Station) -> dict[str, Any]:
    """Everything ``status --json`` prints.  Reads the disk in a thread of its own."""
    picture = live(station)
    await asyncio.to_thread(_add_stored, picture, station.config, station.clock)
    told = findings(picture)
    return picture | {"ok": is_well(told), "findings": told}


async def acknowledge(station: Station) -> dict[str, Any]:
    """The control socket's ``acknowledge``: what is counted now has been seen by somebody."""
    told = (await snapshot(station))["findings"]
    try:
        new = await asyncio.to_thread(seen.acknowledge, station.config.data_dir, told)
    except StorageReadOnly as exc:
        return {"error": str(exc)}
    return {"acknowledged": new}


def live(station: Station) -> dict[str, Any]:
    """The picture without what is on the disk: quick, for the loop."""
    config, clock = station.config, station.clock
    now_ns = clock.boottime_ns()
    field = None if station.field is None else child_row(station.field.child, now_ns)
    return {
        "version": __version__,
        "device": config.device.id,
        "data_dir": str(config.data_dir),
        "running": True,
        "silent": "",
        "started_ns": station.started.boottime_ns,
        "uptime_s": round((now_ns - station.started.boottime_ns) / NS_PER_S, 1),
        "lanes": [
            _lane(keeper, config, field, now_ns)
            for keeper in station.lanes
            if keeper.name in config.lanes  # one that a reload took away may still be draining
        ],
        "outputs": _outputs(station, field, now_ns),
        "field": field,
        "ledger": live_ledger(station.writer),
        "sync": None if station.sync is None else child_row(station.sync.child, now_ns),
        "config": {
            "problems": list(station.reload.config_problems),
            "needs_restart": list(station.reload.needs_restart),
        },
        "targets": {
            name: value
            for name in ("latency_p99_ms", "parts_per_minute", "days_offline")
            if (value := getattr(config.targets, name)) is not None
        },
        "supervisor": {
            "rss_mib": rss_mib("self"),
            "dead_man_s": config.supervisor.dead_man_s,
        },
    }


def one_line(station: Station) -> str:
    """For ``systemctl status``: how many lanes serve, then how each is, then what else is wrong."""
    picture = live(station)
    lanes, dead_man_s = picture["lanes"], picture["supervisor"]["dead_man_s"]
    serving = sum(serves(lane, dead_man_s) for lane in lanes)
    parts = [f"{serving} of {len(lanes)} lanes serve"]
    parts += [f"{lane['name']}: {lane['state']}" for lane in lanes]
    parts += [
        f"output {output['name']}: {output['state']}"
        for output in picture["outputs"]
        if output["state"] not in ("connected", "unused")
    ]
    if (state := picture["ledger"]["state"]) != "ok":
        parts.append(f"ledger {state}")
    if picture["sync"] is not None:
        parts.append(f"sync: {picture['sync']['state']}")
    if picture["config"]["problems"]:
        parts.append("changed config refused")
    return "; ".join(parts)


def _add_stored(picture: dict[str, Any], config: Config, clock: Clock) -> None:
    """What is on the disk, into the picture."""
    rows_of_run = sum(
        sum(lane[kind].values()) for lane in picture["lanes"] for kind in ("verdicts", "tombstones")
    )
    stored = ledger_row(config.data_dir, clock, rows_of_run, picture["uptime_s"])
    picture["ledger"] |= stored
    if picture["sync"] is not None:
        picture["sync"] |= {key: stored[key] for key in BACKLOG}
    picture["seen"] = seen.read(config.data_dir)
    newer_models(picture["lanes"], config)


def _lane(
    keeper: LaneLike, config: Config, field: dict[str, Any] | None, now_ns: int
) -> dict[str, Any]:
    """A lane's row, with the triggers that never reached it: those the field process knows of."""
    row = lane_row(keeper, config, now_ns)
    counters: dict[str, int] = {} if field is None else field["counters"]
    for what in ("missed", "undelivered"):
        row["triggers"]["missed"] += counters.get(f"trigger.{keeper.name}.{what}", 0)
    return row


def _outputs(station: Station, field: dict[str, Any] | None, now_ns: int) -> list[dict[str, Any]]:
    told = {} if station.field is None else station.field.outputs
    known = not is_silent(field)
    return [
        _output(name, settings, told.get(name) if known else None, station.config, now_ns)
        for name, settings in station.config.outputs.items()
    ]


def _output(
    name: str, settings: Output, told: OutputState | None, config: Config, now_ns: int
) -> dict[str, Any]:
    """A row of its own; ``unknown`` where the field process does not say how it is.

    ``unused``: no lane has it, so nobody drives it and nothing is wrong with it.
    """
    counters = {} if told is None else told.counters
    lanes = [lane for lane, each in config.lanes.items() if name in each.outputs]
    unsaid = "unknown" if lanes else "unused"
    return {
        "name": name,
        "kind": settings.__struct_config__.tag,
        "state": unsaid if told is None else told.state,
        "detail": "" if told is None else told.detail,
        "address": "" if told is None else told.address,
        "lanes": lanes,
        "last_ack_age_s": None if told is None else age_s(told.last_ack_ns, now_ns),
        "acknowledged": 0 if told is None else told.acknowledged,
        "unacknowledged": 0 if told is None else told.unacknowledged,
        "unacknowledged_running": 0 if told is None else told.unacknowledged_running,
        "held_by": [] if told is None else list(told.holds),
        "bypass_left_s": None if told is None else _left_s(told.bypass_until_ns, now_ns),
        "merged": counters.get("pulses_merged", 0),
        "refused": counters.get("refused", 0),
        "counters": dict(counters),
    }


def age_s(then_ns: int | None, now_ns: int) -> float | None:
    """How long ago; None for never."""
    return None if then_ns is None else round(max(0, now_ns - then_ns) / NS_PER_S, 1)


def _left_s(until_ns: int | None, now_ns: int) -> float | None:
    return None if until_ns is None else round(max(0, until_ns - now_ns) / NS_PER_S, 1)
