"""What no single table of the config can see: names, references, what contradicts itself.

Pure.  Each problem is one line ``key: what is wrong and what to do``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_runtime.config.far_side_checks import far_side_problems
from edge_runtime.config.part_checks import NAME, part_problems, source_problems
from edge_runtime.config.sync_checks import sync_problems
from edge_runtime.toml.table import suggest

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from edge_runtime.config.outputs import Output
    from edge_runtime.config.tables import Config, Lane

SAYS = {
    "camera": ("pass", "reject", "review", "no_read"),
    "microphone": ("heard", "no_read"),
}
"""What a lane of each kind can tell an output."""


def cross_checks(config: Config, known_outputs: Collection[str]) -> list[str]:
    """Problems across tables; `known_outputs`: names of [outputs], also of those that are wrong."""
    problems = [] if config.lanes else ["lanes: at least one [lanes.NAME] is needed"]
    for name, lane in config.lanes.items():
        where = f"lanes.{name}"
        problems += source_problems(where, lane)
        problems += _models(where, lane)
        problems += part_problems(where, lane)
        problems += _outputs(where, lane, config.outputs, known_outputs)
    problems += [
        f"{table}.{name}: a name is a-z, 0-9, _ and -, at most 64"
        for table, names in (("lanes", config.lanes), ("outputs", config.outputs))
        for name in names
        if not NAME.fullmatch(name)
    ]
    problems += far_side_problems(config)
    if config.sync:
        problems += sync_problems(config.sync)
    if config.supervisor.backoff_max_s < config.supervisor.backoff_min_s:
        problems.append("supervisor.backoff_max_s: is less than supervisor.backoff_min_s")
    return problems


def _models(where: str, lane: Lane) -> list[str]:
    problems = []
    serving = [*lane.serving_models, *lane.chain]
    if not serving:
        problems.append(f"{where}.model: missing; give a bundle's name such as 'surface-defect'")
    if len(lane.chain) == 1:
        problems.append(
            f"{where}.chain: found one model; a chain has a detector and what looks at its boxes, "
            "or else write model"
        )
    if lane.chain and lane.serving_models:
        key = "model" if lane.model else "models"
        problems.append(f"{where}.{key}: found beside chain; a lane has models, or one chain")
    if lane.chain and not lane.is_camera:
        problems.append(f"{where}.chain: is for cameras; a microphone lane has a model")
    problems += [
        f"{where}.shadow: '{model}' decides already; a shadow is another model, which decides "
        "nothing"
        for model in lane.shadow
        if model in serving
    ]
    return problems


def _outputs(
    where: str, lane: Lane, outputs: Mapping[str, Output], known: Collection[str]
) -> list[str]:
    problems = [
        f"{where}.outputs: found '{output}'; "
        + (suggest(output, known) if known else "there is no [outputs] table")
        for output in lane.outputs
        if output not in known
    ]
    kind = "camera" if lane.is_camera else "microphone"
    problems += [
        f"{where}.outputs: '{name}' acts on {' and '.join(outputs[name].on)}, which a "
        f"{kind} never says; it says {', '.join(SAYS[kind])}"
        for name in lane.outputs
        if name in outputs and outputs[name].on and not set(outputs[name].on) & set(SAYS[kind])
    ]
    return problems
