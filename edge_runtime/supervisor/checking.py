"""What is wrong with the lanes' models as far as text tells, and their rules against them.

Only manifests are read: no native code is loaded, and what this passes may still be refused when
it is loaded.  Used by ``config check``, at the start, and before a reload.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.errors import ConfigError, ModelError
from edge_runtime.manifest import find_bundle, find_speech_bundle, fits, load_manifest
from edge_runtime.rules import Judge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_runtime.config import Config, Lane
    from edge_runtime.manifest import Manifest


def model_problems(config: Config) -> list[str]:
    """Of every lane: one line ``key: what is wrong`` each."""
    return [line for name in config.lanes for line in lane_problems(name, config)]


def lane_problems(name: str, config: Config, folders: Mapping[str, str] | None = None) -> list[str]:
    """Of one lane.  `folders`: as the config asks -> the bundle that was pinned for it."""
    lane = config.lanes[name]
    models_dir = Path(config.device.models_dir) if config.device.models_dir else None
    where = f"lanes.{name}"
    problems = []
    manifests: dict[str, Manifest] = {}
    for asked in lane.all_models:
        try:
            pinned = (folders or {}).get(asked)
            found = Path(pinned) if pinned else find_bundle(asked, models_dir)
            manifests[asked] = load_manifest(found)
        except ModelError as exc:
            problems += [f"{where}.model: {line}" for line in str(exc).splitlines()]
    problems += fits.kind_problems(name, lane, manifests)
    if not problems:
        problems += [f"{where}.{line}" for line in _rules(lane, manifests)]
    if lane.vad_model is not None:
        try:
            find_speech_bundle(lane.vad_model, models_dir)
        except ModelError as exc:
            problems += [f"{where}.gate.vad: {line}" for line in str(exc).splitlines()]
    return problems


def check_lane(name: str, config: Config, folders: Mapping[str, str]) -> None:
    """Raises `ConfigError` with every problem."""
    if problems := lane_problems(name, config, folders):
        raise ConfigError(problems)


def _rules(lane: Lane, manifests: Mapping[str, Manifest]) -> list[str]:
    """Those whose answers are judged; of a chain the last step's."""
    judged = [manifests[asked] for asked in [*lane.serving_models, *lane.chain[-1:], *lane.shadow]]
    problems: list[str] = []
    for manifest in judged:
        try:
            Judge(lane.rules, manifest, is_camera=lane.is_camera, siblings=judged)
        except ConfigError as exc:
            problems += exc.problems
    return problems
