"""A lane's models: loaded from where they are pinned, and each worker's ways into them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.errors import ModelError
from edge_runtime.inference import load_model
from edge_runtime.lane.looking import Looker
from edge_runtime.types import Role

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge_runtime.config import Lane as LaneConfig
    from edge_runtime.inference.runner import LoadedModel
    from edge_runtime.lane.wiring import Parts
    from edge_runtime.link.messages import ResolvedModel
    from edge_runtime.manifest import Manifest
    from edge_runtime.parts import Key
    from edge_runtime.protocols import PictureRunner


@dataclass(frozen=True, slots=True)
class Asked:
    """One way of looking: a model by itself, or a chain of several."""

    names: tuple[str, ...]
    """As the config names them, in order."""
    role: Role


def asked_of(config: LaneConfig, view: str) -> list[Asked]:
    """What looks at one view, serving ones first."""
    wanted = config.all_views[view].models
    serving = [Asked((name,), Role.SERVING) for name in config.serving_models]
    if config.chain:
        serving.append(Asked(tuple(config.chain), Role.SERVING))
    shadow = [Asked((name,), Role.SHADOW) for name in config.shadow]
    return [asked for asked in (*serving, *shadow) if not wanted or asked.names[-1] in wanted]


def load_all(
    config: LaneConfig, models: Sequence[ResolvedModel], verified: Path
) -> dict[str, LoadedModel]:
    """Each model that the config names, as it was pinned.  Raises `ModelError`.

    A bundle whose file is not the pinned one any more is refused: nothing changes silently.
    """
    loaded: dict[str, LoadedModel] = {}
    for model in models:
        one = load_model(Path(model.folder), runtime=config.runtime, verified=verified)
        if model.sha256 is not None and one.sha256 != model.sha256:
            raise ModelError(
                f"{model.folder}: its model file is not the one that is pinned "
                f"({one.sha256[:12]}, pinned {model.sha256[:12]}); put it back, or take it over "
                f"with 'edge-runtime models use {model.id}'"
            )
        loaded[model.asked] = one
    return loaded


def id_of(asked: Asked, loaded: Mapping[str, LoadedModel]) -> str:
    """What findings of it are filed under: the last step's ``name/version``."""
    return loaded[asked.names[-1]].manifest.id


def keys_of(config: LaneConfig, loaded: Mapping[str, LoadedModel], role: Role) -> frozenset[Key]:
    """What each part waits for (serving), or takes along (shadow)."""
    return frozenset(
        (view, frame, id_of(asked, loaded))
        for view in config.all_views
        for asked in asked_of(config, view)
        if asked.role is role
        for frame in range(config.part.frames)
    )


def judged_manifests(config: LaneConfig, loaded: Mapping[str, LoadedModel]) -> list[Manifest]:
    """Those whose answers are judged: of a chain the last step's."""
    found: dict[str, Manifest] = {}
    for view in config.all_views:
        for asked in asked_of(config, view):
            manifest = loaded[asked.names[-1]].manifest
            found[manifest.id] = manifest
    return list(found.values())


def expected_ms(config: LaneConfig, loaded: Mapping[str, LoadedModel]) -> float:
    """What all models of one part should take together."""
    each = sum(
        _expected_ms([loaded[name] for name in asked.names])
        for view in config.all_views
        for asked in asked_of(config, view)
    )
    return each * config.part.frames


def lookers_of(parts: Parts) -> dict[str, list[Looker]]:
    """One worker's ways into the models, by view.  Called by the worker's own thread."""
    return {
        view: [_looker(parts, view, asked) for asked in asked_of(parts.config, view)]
        for view in parts.config.all_views
    }


def _looker(parts: Parts, view: str, asked: Asked) -> Looker:
    models = [parts.models[name] for name in asked.names]
    expected = _expected_ms(models)
    key = id_of(asked, parts.models)
    if not parts.config.is_camera:  # sound does without the code for pictures
        return Looker(key, asked.role, models[0].sound_runner(), expected)
    from edge_runtime.inference.pictures.region_of_interest import of_region

    roi = parts.config.all_views[view].roi
    return Looker(key, asked.role, of_region(_picture_runner(models), roi), expected)


def _picture_runner(models: Sequence[LoadedModel]) -> PictureRunner:
    if len(models) == 1:
        return models[0].picture_runner()
    from edge_runtime.inference.pictures.chain import chain_of

    return chain_of(models)


def _expected_ms(models: Sequence[LoadedModel]) -> float:
    if len(models) == 1:
        return models[0].expected_ms()
    from edge_runtime.inference.pictures import chain

    return chain.expected_ms(models)
