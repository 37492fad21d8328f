"""What is wrong with the lanes' models as far as text tells, and their rules against them.

Only manifests are read: no native code is loaded, and what this passes may still be refused when
it is loaded.  Used by ``config check``, at the start, and before a reload.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.errors import ConfigError, ModelError
from edge_runtime.manifest import find_bundle, find_speech_bundle, load_manifest
from edge_runtime.rules import Judge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_runtime.config import Config, Lane
    from edge_runtime.manifest import Manifest

_KINDS = {"image": "pictures", "audio": "sound", "numbers": "rows of numbers"}


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
    wrong = [line for asked in manifests for line in _kind(lane, manifests[asked])]
    problems += [f"{where}.model: {line}" for line in wrong]
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


def _kind(lane: Lane, manifest: Manifest) -> list[str]:
    """A model of sounds before a camera, and the other way round."""
    wanted = "image" if lane.is_camera else "audio"
    if manifest.input_kind == wanted:
        return []
    kind = "camera" if lane.is_camera else "microphone"
    line = (
        f"{manifest.id} is for {_KINDS[manifest.input_kind]}, and this is a {kind} lane, whose "
        f"models are for {_KINDS[wanted]}"
    )
    return [line]


def _rules(lane: Lane, manifests: Mapping[str, Manifest]) -> list[str]:
    """Those whose opinion counts; a chain's is its last step's."""
    judged = [manifests[asked] for asked in [*lane.serving_models, *lane.chain[-1:]]]
    problems: list[str] = []
    for manifest in judged:
        try:
            Judge(lane.rules, manifest, is_camera=lane.is_camera, siblings=judged)
        except ConfigError as exc:
            problems += exc.problems
    return problems
