"""Which bundle a lane loads for each model that its config asks for.

A model that the config names without a version is pinned when it first serves: a higher version
that is copied beside it changes nothing until somebody says so.  No native code is loaded here.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.codes import MODEL_NEWER
from edge_runtime.errors import ModelError, UsageError
from edge_runtime.link.messages import ResolvedModel
from edge_runtime.manifest import find_bundle, load_manifest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge_runtime.config import Lane
    from edge_runtime.manifest import Manifest

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pinned:
    """What stands for a name in one lane."""

    model: str
    """``name/version``."""
    folder: str
    sha256: str | None = None
    """Of the file that served; None before it has."""


Pins = dict[str, Pinned]
"""As the config asks -> what is loaded; of one lane."""


def resolve(
    lane: str, settings: Lane, models_dir: Path | None, pins: Mapping[str, Pinned]
) -> list[ResolvedModel]:
    """The lane's models in the config's order.  Raises `ModelError`."""
    return [_resolve(lane, asked, models_dir, pins.get(asked)) for asked in settings.all_models]


def is_open(asked: str) -> bool:
    """The config leaves the version to us: neither a folder nor ``name/version``."""
    return not asked.startswith((".", "/")) and "/" not in asked


def find_pinned(model: str, models_dir: Path | None) -> Pinned:
    """A bundle by ``name`` or ``name/version``, to be pinned.  Raises `ModelError`."""
    folder = find_bundle(model, models_dir)
    return Pinned(load_manifest(folder).id, str(folder))


def chosen_by(settings: Lane, name: str) -> str:
    """As the lane's config asks for this name; raises `UsageError` when the choice is not ours."""
    wanted = name.partition("/")[0]
    for asked in settings.all_models:
        if asked == wanted:
            return asked
        if asked.partition("/")[0] == wanted:
            raise UsageError(f"its config names {asked}: change it there, and reload")
    raise UsageError(f"its config asks for {', '.join(settings.all_models)}, not for {wanted}")


def one_before(
    history: Sequence[tuple[str, str]], serving: Pinned, models_dir: Path | None
) -> Pinned:
    """What the lane served before `serving`; `history` is newest first.  Raises `ModelError`."""
    name = serving.model.partition("/")[0]
    for model, sha256 in history:
        if model.partition("/")[0] != name or (model, sha256) == (serving.model, serving.sha256):
            continue
        found = replace(find_pinned(model, models_dir), sha256=sha256)
        if not _is_there(found):
            raise ModelError(f"{found.folder}: is not the {model} that served before: {sha256}")
        return found
    raise ModelError(f"no model served before {serving.model}")


def _resolve(lane: str, asked: str, models_dir: Path | None, pin: Pinned | None) -> ResolvedModel:
    if pin is not None and (_is_there(pin) or not is_open(asked)):
        if is_open(asked):
            _tell_newer(lane, asked, models_dir, pin)
        load_manifest(Path(pin.folder))
        return ResolvedModel(asked, pin.model, pin.folder, pin.sha256)
    found = find_pinned(asked, models_dir)
    if pin is not None:
        log.warning(
            "pin_lost lane=%s asked=%s pinned=%s folder=%s takes=%s",
            lane, asked, pin.model, pin.folder, found.model,
        )  # fmt: skip
    return ResolvedModel(asked, found.model, found.folder, None)


def _is_there(pin: Pinned) -> bool:
    """Its folder still holds what served."""
    try:
        manifest: Manifest = load_manifest(Path(pin.folder))
    except ModelError:
        return False
    return manifest.id == pin.model and (
        pin.sha256 is None or pin.sha256 in manifest.sha256.values()
    )


def _tell_newer(lane: str, asked: str, models_dir: Path | None, pin: Pinned) -> None:
    try:
        highest = find_pinned(asked, models_dir)
    except ModelError:
        return
    if highest.model != pin.model:
        log.warning(
            "model_newer code=%s lane=%s pinned=%s there=%s",
            MODEL_NEWER, lane, pin.model, highest.model,
        )  # fmt: skip
