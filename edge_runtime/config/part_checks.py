"""A lane's sources, views and trigger, and how the findings of a part become one verdict.  Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from edge_runtime.config import sound_names
from edge_runtime.redaction import PORTS, address_in, address_problem, redacted
from edge_runtime.toml.table import suggest

if TYPE_CHECKING:
    from edge_runtime.config.tables import Capture, Lane

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
LIVE = ("v4l2:", "rtsp://", "rtsps://", "http://", "https://")
SCHEMES = ("file:", "folder:", *LIVE, "microphone:")


def source_problems(where: str, lane: Lane) -> list[str]:
    """Of the source, or of the views."""
    if not lane.views:
        problems = _source(f"{where}.source", lane.source) or _of_its_kind(where, lane)
        if lane.gate.roi is not None and not lane.is_camera:
            problems.append(f"{where}.gate.roi: has no effect on a microphone lane")
        return problems
    problems = []
    if lane.source:
        problems.append(
            f"{where}.source: found beside views; a lane has one source, or views with one each"
        )
    if not lane.is_camera:
        problems.append(f"{where}.views: are for cameras; a microphone lane has a source")
    if lane.gate.roi is not None:
        problems.append(f"{where}.gate.roi: has no effect beside views; give each view its own roi")
    seen: dict[str, str] = {}
    for name, view in lane.all_views.items():
        key = f"{where}.views.{name}"
        if not NAME.fullmatch(name):
            problems.append(f"{key}: a name is a-z, 0-9, _ and -, at most 64")
        problems += _view_source(f"{key}.source", view.source, view.capture or lane.capture)
        if view.source in seen:
            problems.append(f"{key}.source: is that of views.{seen[view.source]}, too")
        seen.setdefault(view.source, name)
    return problems + _view_models(where, lane)


def part_problems(where: str, lane: Lane) -> list[str]:
    """Of ``part`` and ``trigger``."""
    return [
        *_trigger(where, lane),
        *_combine(f"{where}.part", lane),
        *_weights(f"{where}.part", lane),
        *_frames(f"{where}.part", lane),
    ]


def findings_of_a_part(lane: Lane) -> int:
    """How many serving findings make one verdict: models of each view, times frames."""
    models = 1 if lane.chain else len(lane.serving_models)
    whole = sum(
        len(set(view.models) & set(lane.serving_models)) if view.models else models
        for view in lane.all_views.values()
    )
    return whole * lane.part.frames


def _source(key: str, source: str) -> list[str]:
    scheme = next((s for s in SCHEMES if source.startswith(s)), None)
    if scheme is None:
        return [f"{key}: found '{redacted(source)}'; it starts with one of " + " ".join(SCHEMES)]
    if source == scheme:
        return [f"{key}: found '{source}'; there is nothing behind {scheme}"]
    if scheme.partition(":")[0] not in PORTS and (other := address_in(source[len(scheme) :])):
        is_camera = other.lower() in PORTS
        told = f"write {other}://… alone" if is_camera else "mount it, and name its folder"
        return [
            f"{key}: found '{redacted(source)}': behind {scheme} is no path of this box; {told}"
        ]
    if scheme.partition(":")[0] in PORTS and (problem := address_problem(source)):
        return [f"{key}: found '{redacted(source)}', which {problem}"]
    return []


def _of_its_kind(where: str, lane: Lane) -> list[str]:
    is_microphone = lane.source.startswith("microphone:")
    if lane.is_camera and is_microphone:
        return [f"{where}.source: found '{redacted(lane.source)}' in a lane of kind 'camera'"]
    if not lane.is_camera and lane.source.startswith("file:"):
        path = lane.source.removeprefix("file:")
        told = "" if address_in(path) else sound_names.advice(path)
        return [f"{where}.source: {told}"] if told else []
    if lane.is_camera or is_microphone:
        return []
    hears, told = "microphone:NAME or file:PATH", redacted(lane.source)
    return [f"{where}.source: found '{told}'; a lane of kind 'microphone' hears {hears}"]


def _view_source(key: str, source: str, capture: Capture) -> list[str]:
    if problems := _source(key, source):
        return problems
    if source.startswith("microphone:"):
        return [f"{key}: found '{redacted(source)}'; views are cameras"]
    if not _is_live(source, capture):
        return [f"{key}: found '{redacted(source)}'; {_needs_live('views of one part are')}"]
    return []


def _view_models(where: str, lane: Lane) -> list[str]:
    problems = []
    known = [*lane.serving_models, *lane.shadow]
    for name, view in lane.views.items():
        key = f"{where}.views.{name}.models"
        if lane.chain and view.models:
            problems.append(f"{key}: a chain looks at every view; leave it out")
            continue
        problems += [
            f"{key}: found '{model}', which is no model of the lane; "
            + (suggest(model, known) if known else "the lane has none")
            for model in view.models
            if model not in known
        ]
        if view.models and not set(view.models) & set(lane.serving_models):
            problems.append(f"{key}: none of these decides; name one of the lane's own models")
    unseen = [
        model
        for model in lane.serving_models
        if all(view.models and model not in view.models for view in lane.views.values())
    ]
    return problems + [f"{where}.views: no view names model '{model}'" for model in unseen]


def _trigger(where: str, lane: Lane) -> list[str]:
    if lane.trigger is None:
        return []
    key = f"{where}.trigger"
    if not lane.is_camera:
        return [f"{key}: is for cameras; a microphone lane listens all the time"]
    problems = [
        f"{key}: {_needs_live('a triggered lane sees')}; found '{redacted(view.source)}'"
        for view in lane.all_views.values()
        if view.source and not _is_live(view.source, view.capture or lane.capture)
    ]
    if lane.gate.interval_s is not None:
        problems.append(f"{where}.gate.interval_s: has no effect beside a trigger; leave one out")
    deadline_ms, delay_ms = lane.part.deadline_ms, lane.trigger.delay_ms
    if deadline_ms is not None and deadline_ms <= delay_ms:
        problems.append(
            f"{where}.part.deadline_ms: found {deadline_ms}; the part is before the camera only "
            f"{delay_ms} ms after its trigger (trigger.delay_ms)"
        )
    return problems


def _combine(key: str, lane: Lane) -> list[str]:
    votes = lane.part.votes
    if votes is None:
        return []
    count = findings_of_a_part(lane)
    if votes[1] == count or count == 0:
        return []
    views, frames = len(lane.all_views), lane.part.frames
    told = (
        f"{key}.combine: found '{lane.part.combine}'; a part has {count} findings "
        f"(views: {views}, frames: {frames}, each with its models); write "
        f"'{min(votes[0], count)} of {count}'"
    )
    return [told]


def _weights(key: str, lane: Lane) -> list[str]:
    weights = lane.part.weights
    if weights and lane.part.combine != "weighted":
        return [f"{key}.weights: have no effect; write combine = 'weighted', or leave them out"]
    serving = [*lane.serving_models, *lane.chain[-1:]]
    if any(model.startswith((".", "/")) for model in serving):
        return []  # a folder does not tell its name here
    known = {model.partition("/")[0] for model in serving} | set(serving)
    problems = [
        f"{key}.weights.{name}: is no model of the lane; {suggest(name, known)}"
        for name in weights
        if name not in known and name.partition("/")[0] not in set(serving)
    ]
    is_full = all(model in weights or model.partition("/")[0] in weights for model in serving)
    if weights and is_full and not any(weights.values()):
        problems.append(f"{key}.weights: all are 0; nothing would ever be rejected")
    return problems


def _frames(key: str, lane: Lane) -> list[str]:
    if lane.part.frames > 1 and not lane.is_camera:
        return [f"{key}.frames: is for cameras; a part of a microphone is a segment or a word"]
    if lane.part.frames > 1 and lane.trigger is None:
        line = (
            f'{key}.frames: needs a trigger, such as trigger = {{ kind = "command" }}; without '
            "one each picture is a part of its own"
        )
        return [line]
    return []


def _is_live(source: str, capture: Capture) -> bool:
    return capture.live or source.startswith(LIVE)


def _needs_live(who: str) -> str:
    return f"{who} live cameras ({' '.join(LIVE)}), or a replay with capture.live = true"
