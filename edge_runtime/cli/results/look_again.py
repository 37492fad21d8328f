"""A part's models on its stored picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.errors import ItemError, NoInput, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from edge_runtime.config import Lane
    from edge_runtime.inference.runner import LoadedModel
    from edge_runtime.lane.models import Asked
    from edge_runtime.ledger.reader import MediaRow
    from edge_runtime.manifest import Manifest
    from edge_runtime.types import Finding, Result


@dataclass(frozen=True, slots=True)
class LookedAgain:
    """What was found, and by what."""

    now: list[Finding]
    then: list[Finding]
    manifests: dict[str, Manifest]
    """By ``name/version``."""


def look_again(
    result: Result,
    now: Lane,
    then: Lane,
    pinned: Mapping[str, str],
    models_dir: Path | None,
    media: Sequence[MediaRow],
) -> LookedAgain:
    """What the models of both lanes find in the stored picture.

    Raises `NoInput` when there is none, `UsageError` for a part that is not of one picture.
    """
    for lane in (now, then):
        if not lane.is_camera or lane.views or lane.part.frames > 1:
            raise UsageError(
                f"part of lane {result.lane}: only a part of one picture can be looked at again"
            )
    pixels = _picture(media)
    loaded: dict[str, LoadedModel] = {}
    found = [_findings(lane, pixels, pinned, models_dir, loaded) for lane in (now, then)]
    manifests = {model.manifest.id: model.manifest for model in loaded.values()}
    return LookedAgain(found[0], found[1], manifests)


def _picture(media: Sequence[MediaRow]) -> NDArray[np.uint8]:
    from edge_runtime.files.image import read_image

    kept = [m for m in media if m.kind == "frame" and m.state != "evicted" and m.path.is_file()]
    if not kept:
        raise NoInput("its picture is not on this box: it was not kept, or made way for others")
    return read_image(kept[0].path)


def _findings(
    lane: Lane,
    pixels: NDArray[np.uint8],
    pinned: Mapping[str, str],
    models_dir: Path | None,
    loaded: dict[str, LoadedModel],
) -> list[Finding]:
    from edge_runtime.inference import load_model
    from edge_runtime.lane.models import asked_of
    from edge_runtime.manifest import find_bundle

    found = []
    for asked in asked_of(lane, ""):
        for name in asked.names:
            if name not in loaded:
                folder = find_bundle(pinned.get(name, name), models_dir)
                loaded[name] = load_model(folder, runtime=lane.runtime)
        found.append(_found(lane, asked, [loaded[name] for name in asked.names], pixels))
    return found


def _found(
    lane: Lane, asked: Asked, models: list[LoadedModel], pixels: NDArray[np.uint8]
) -> Finding:
    from edge_runtime.inference.pictures.region_of_interest import of_region
    from edge_runtime.lane.looking import finding_of
    from edge_runtime.types import Finding

    runners = [model.picture_runner() for model in models]
    runner = runners[0]
    if len(runners) > 1:
        from edge_runtime.inference.pictures.chain import ChainRunner

        runner = ChainRunner(*runners)
    try:
        answer = of_region(runner, lane.gate.roi).frame(pixels)
    except ItemError as exc:
        return Finding(role=asked.role, model=models[-1].manifest.id, failure=str(exc))
    return finding_of(answer, "", 0, asked.role)
