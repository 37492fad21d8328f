"""What no single table of the config can see: names, references, hardware that two would drive.

Pure.  Each problem is one line ``key: what is wrong and what to do``.
"""

from __future__ import annotations

import re
from itertools import combinations
from typing import TYPE_CHECKING

from edge_runtime.toml.table import suggest

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from edge_runtime.config.tables import Config, Lane, Output

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
SCHEMES = ("file:", "folder:", "v4l2:", "rtsp://", "rtsps://", "http://", "https://", "microphone:")


def cross_checks(config: Config, known_outputs: Collection[str]) -> list[str]:
    """Problems across tables; `known_outputs`: names of [outputs], also of those that are wrong."""
    problems = [] if config.lanes else ["lanes: at least one [lanes.NAME] is needed"]
    for name, lane in config.lanes.items():
        problems += _lane(f"lanes.{name}", lane, known_outputs)
    problems += [
        f"{table}.{name}: a name is a-z, 0-9, _ and -, at most 64"
        for table, names in (("lanes", config.lanes), ("outputs", config.outputs))
        for name in names
        if not NAME.fullmatch(name)
    ]
    problems += _driven_twice(config.lanes, config.outputs)
    if config.sync and config.sync.backoff_max_s < config.sync.backoff_min_s:
        problems.append("sync.backoff_max_s: is less than sync.backoff_min_s")
    if config.supervisor.backoff_max_s < config.supervisor.backoff_min_s:
        problems.append("supervisor.backoff_max_s: is less than supervisor.backoff_min_s")
    return problems


def _lane(where: str, lane: Lane, known_outputs: Collection[str]) -> list[str]:
    problems = []
    scheme = next((s for s in SCHEMES if lane.source.startswith(s)), None)
    if scheme is None:
        problems.append(
            f"{where}.source: found '{lane.source}'; it starts with one of " + " ".join(SCHEMES)
        )
    elif lane.source == scheme:
        problems.append(f"{where}.source: found '{lane.source}'; there is nothing behind {scheme}")
    if not lane.all_models:
        problems.append(f"{where}.model: missing; give a bundle's name such as 'surface-defect'")
    if lane.gate.roi is not None and not lane.is_camera:
        problems.append(f"{where}.gate.roi: has no effect on a microphone lane")
    problems += [
        f"{where}.outputs: found '{output}'; "
        + (suggest(output, known_outputs) if known_outputs else "there is no [outputs] table")
        for output in lane.outputs
        if output not in known_outputs
    ]
    return problems


def _driven_twice(lanes: Mapping[str, Lane], outputs: Mapping[str, Output]) -> list[str]:
    """Each lane has a connection of its own: one's release would end another's pulse."""
    drivers = {
        name: [lane for lane, settings in lanes.items() if name in settings.outputs]
        for name in outputs
    }
    problems = [
        f"outputs.{name}: lanes {' and '.join(by)} would both drive it; an output belongs to one "
        "lane: give each a coil of its own, and let the PLC join them"
        for name, by in drivers.items()
        if len(by) > 1
    ]
    used = [name for name, by in drivers.items() if by]
    for one, other in combinations(used, 2):
        if shared := _addresses(outputs[one]) & _addresses(outputs[other]):
            problems.append(
                f"outputs.{other}: drives {min(shared)[3]} of {outputs[other].host}, and so does "
                f"outputs.{one}: give each its own"
            )
    return problems


def _addresses(output: Output) -> set[tuple[str, int, int, str]]:
    written = [f"coil {output.coil}"]
    if output.safe_coil is not None:
        written.append(f"coil {output.safe_coil}")
    if output.heartbeat_register is not None:
        written.append(f"register {output.heartbeat_register}")
    return {(output.host, output.port, output.unit, what) for what in written}
