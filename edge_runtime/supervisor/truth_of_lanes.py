"""What is wrong with one lane, by its part of the picture.  Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from edge_runtime import codes
from edge_runtime.supervisor.found import Found

if TYPE_CHECKING:
    from collections.abc import Iterator

BEAT_S: Final = 0.5
"""Lanes say how they are so often."""
GRACE_S: Final = 1.0
"""Beyond the dead man's time: a busy box tells late what it does in time."""
_MS_PER_MIN: Final = 60_000
_ENDED: Final = ("draining", "done")
_CODES: Final = {
    "refused": codes.LANE_REFUSED,
    "waiting": codes.LANE_CRASHED,
    "starting": codes.LANE_STARTING,
    "degraded": codes.LANE_NOT_DECIDING,
}
"""By state, where the lane or the supervisor has said no code."""


def lane_findings(lane: dict[str, Any], picture: dict[str, Any]) -> Iterator[Found]:
    """What is to be told of this lane."""
    main = _main(lane, picture["supervisor"]["dead_man_s"])
    if main is not None:
        yield main
    yield from _counted(lane)
    yield from _models(lane)
    yield from _targets(lane, picture["targets"])


def serves(lane: dict[str, Any], dead_man_s: float) -> bool:
    """Whether it sees or hears, and decides, now."""
    return lane["state"] == "running" and _main(lane, dead_man_s) is None


def _main(lane: dict[str, Any], dead_man_s: float) -> Found | None:
    """What keeps it from deciding; None when it decides, or has ended as a replay may."""
    state, where = lane["state"], f"lane {lane['name']}"
    if lane["crash_loop"] and state != "refused":
        told = f"{lane['restarts']} times since the daemon's start; {lane['last_exit']}"
        return Found(codes.LANE_CRASH_LOOP, where, told)
    if state == "running":
        return _stuck(lane, dead_man_s)
    if state in _ENDED and lane["is_replay"]:
        return None
    detail = lane["detail"] or lane["last_exit"]
    if state not in _CODES:
        detail = f"{state}, though its source is live" if state in _ENDED else state
    return Found(lane["code"] or _CODES.get(state, codes.LANE_NOT_DECIDING), where, detail)


def _stuck(lane: dict[str, Any], dead_man_s: float) -> Found | None:
    """Whether one that says ``running`` turns; None when it does."""
    where, age_s = f"lane {lane['name']}", lane["heartbeat_age_s"]
    if age_s is None or age_s > dead_man_s + BEAT_S + GRACE_S:
        told = "nothing was heard from it" + ("" if age_s is None else f" for {age_s:.1f} s")
        return Found(codes.LANE_NOT_DECIDING, where, told)
    stuck = {name: s + age_s for name, s in lane["loops"].items()}
    name = max(stuck, key=stuck.__getitem__, default="")
    if name and stuck[name] > dead_man_s + BEAT_S + GRACE_S:
        told = f"its loop '{name}' has not turned for {stuck[name]:.1f} s"
        return Found(codes.LANE_NOT_DECIDING, where, told)
    return None


def _counted(lane: dict[str, Any]) -> Iterator[Found]:
    where, name, life = f"lane {lane['name']}", lane["name"], lane["started_ns"]
    if lane["unstored"]:
        yield Found(codes.PARTS_UNSTORED, where, f"{lane['unstored']} parts")
    if buried := lane["buried"]:
        told = ", ".join(buried[-3:])
        yield Found(codes.ITEM_BURIED, where, told, len(buried), f"buried:{name}")
    if differs := lane.get("differs"):
        yield Found(codes.CAMERA_DIFFERS, where, differs)
    if unheard := lane.get("unheard"):
        yield Found(codes.DAMAGE_UNHEARD, where, unheard)
    if files := lane.get("left_out"):
        yield Found(codes.FILES_LEFT_OUT, where, files)
    if moves := lane.get("moves"):  # of a lane that hears
        yield Found(codes.SOURCE_MOVED, where, moves[-1], len(moves), f"moved:{name}")
    if lost := lane["media_lost"]:
        told = f"{lost} pictures or sounds"
        yield Found(codes.MEDIA_LOST, where, told, lost, f"media_lost:{name}:{life}")
    missed, double = lane["triggers"]["missed"], lane["triggers"]["double"]
    if missed or double:
        told = f"{missed} missed (no picture, or no lane to take it), {double} double"
        yield Found(codes.TRIGGERS_MISSED, where, told, missed + double, f"triggers:{name}:{life}")
    if left_out := lane["dropped"] + lane["gaps"]:
        told = f"{lane['dropped']} dropped, {lane['gaps']} gaps in the sound"
        yield Found(codes.ITEMS_DROPPED, where, told, left_out, f"dropped:{name}:{life}")


def _models(lane: dict[str, Any]) -> Iterator[Found]:
    for model in lane["models"]:
        if model["newer"]:
            told = f"{model['id']} serves, {model['newer']} is there"
            yield Found(codes.MODEL_NEWER, f"lane {lane['name']}", told)


def _targets(lane: dict[str, Any], targets: dict[str, float]) -> Iterator[Found]:
    """A line that gives few parts misses no target: what counts is how many could be judged."""
    where, p99, infer = f"lane {lane['name']}", lane["latency_p99_ms"], lane["infer_p50_ms"]
    most = targets.get("latency_p99_ms")
    if most is not None and p99 is not None and p99 > most:
        yield Found(codes.TARGET_MISSED, where, f"latency p99 {p99:.0f} ms, allowed {most:g} ms")
    wanted = targets.get("parts_per_minute")
    if wanted is not None and infer:
        could = lane["workers"] * _MS_PER_MIN / infer
        if could < wanted:
            told = f"the model allows for {could:.0f} parts a minute, wanted are {wanted:g}"
            yield Found(codes.TARGET_MISSED, where, told)
