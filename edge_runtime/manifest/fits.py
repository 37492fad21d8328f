"""Whether a lane's models are of the kind that the lane has items for, as far as text tells.

A model of another kind would make every frame a bad item on a lane that seems to run.  No native
library is loaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from edge_runtime.errors import ModelError
from edge_runtime.manifest.manifest import load_manifest
from edge_runtime.manifest.places import find_bundle
from edge_runtime.manifest.speech import TASK as SPEECH
from edge_runtime.manifest.speech import find_speech_bundle

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from edge_runtime.config import Config, Lane
    from edge_runtime.manifest.manifest import Manifest

FINDERS: Final = ("detection", "segmentation")
"""Tasks whose answer has boxes, which the next of a chain is shown."""
_TAKES: Final = {"image": "pictures", "audio": "sound", "numbers": "numbers"}


def check_models(config: Config) -> list[str]:
    """What is wrong with the models of all lanes: not there, unreadable, of the wrong kind."""
    folder = Path(config.device.models_dir) if config.device.models_dir else None
    return [
        line for name, lane in config.lanes.items() for line in lane_problems(name, lane, folder)
    ]


def lane_problems(lane_name: str, lane: Lane, models_dir: Path | None) -> list[str]:
    """The same of one lane, its speech detector too."""
    manifests, problems = manifests_of(lane_name, lane, models_dir)
    problems += kind_problems(lane_name, lane, manifests)
    if lane.vad_model is not None:
        try:
            find_speech_bundle(lane.vad_model, models_dir)
        except ModelError as exc:
            problems += [f"lanes.{lane_name}.gate.vad: {line}" for line in str(exc).splitlines()]
    return problems


def manifests_of(
    lane_name: str, lane: Lane, models_dir: Path | None
) -> tuple[dict[str, Manifest], list[str]]:
    """The manifests of a lane's models by the names in the config, and what cannot be read."""
    manifests, problems = {}, []
    for key, model in _named(lane):
        try:
            manifests[model] = load_manifest(find_bundle(model, models_dir))
        except ModelError as exc:
            problems += [f"lanes.{lane_name}.{key}: {line}" for line in str(exc).splitlines()]
    return manifests, list(dict.fromkeys(problems))


def kind_problems(lane_name: str, lane: Lane, manifests: Mapping[str, Manifest]) -> list[str]:
    """Models that the lane has no items for; one without a manifest in here is not judged."""
    wanted = "image" if lane.is_camera else "audio"
    problems = []
    for key, model in _named(lane):
        manifest = manifests.get(model)
        if manifest is None:
            continue
        if manifest.input_kind != wanted:
            which = "a camera" if lane.is_camera else "a microphone"
            problems.append(
                f"lanes.{lane_name}.{key}: model '{model}' takes {_TAKES[manifest.input_kind]}; "
                f"the lane is {which} and has {_TAKES[wanted]}"
            )
        elif manifest.task == SPEECH:
            problems.append(
                f"lanes.{lane_name}.{key}: model '{model}' tells speech from noise and judges "
                "nothing; name it in gate.vad"
            )
    problems += _chain(f"lanes.{lane_name}.chain", lane, manifests)
    problems += _twice(f"lanes.{lane_name}.shadow", lane, manifests)
    return problems


def _chain(key: str, lane: Lane, manifests: Mapping[str, Manifest]) -> Iterator[str]:
    """All but the last step have to find boxes."""
    for model in lane.chain[:-1]:
        manifest = manifests.get(model)
        if manifest is None or manifest.input_kind != "image" or manifest.task in FINDERS:
            continue
        yield (
            f"{key}: model '{model}' is of task {manifest.task} and finds no boxes; what stands "
            f"before another is of task {' or '.join(FINDERS)}"
        )


def _twice(key: str, lane: Lane, manifests: Mapping[str, Manifest]) -> Iterator[str]:
    """A shadow that is a serving model by another name."""
    serving = {
        manifests[model].id: model
        for model in (*lane.serving_models, *lane.chain)
        if model in manifests
    }
    for model in lane.shadow:
        known = serving.get(manifests[model].id) if model in manifests else None
        if known is not None:
            yield f"{key}: '{model}' is '{known}', which decides already"


def _named(lane: Lane) -> list[tuple[str, str]]:
    """(key of the config, model), each as often as it is named."""
    return [
        *([("model", lane.model)] if lane.model else []),
        *(("models", model) for model in lane.models),
        *(("chain", model) for model in lane.chain),
        *(("shadow", model) for model in lane.shadow),
    ]
