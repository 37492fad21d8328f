"""The thresholds that a lane's models have by now: a row holds none that nothing reached."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_runtime.errors import ConfigError, EdgeRuntimeError, NoInput

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from edge_runtime.config import Config


def limits_now(
    config: Path | None, data: Path | None, lane: str
) -> Callable[[str | None], Mapping[str, float]]:
    """Model ``name/version`` -> label = the score from which it is no more `pass`.

    Nothing of a model that is not here.  By the config that `results` reads; with only a
    `data` folder given, those of the models themselves.
    """
    whole = None if config is None and data is not None else _config(config)

    def limits(model: str | None) -> Mapping[str, float]:
        from edge_runtime.cli.ruler import limits_of
        from edge_runtime.manifest import find_bundle, load_manifest

        if not model:
            return {}
        folder = whole.device.models_dir if whole else None
        try:
            manifest = load_manifest(find_bundle(model, _path(folder)))
        except EdgeRuntimeError:
            return {}
        known = whole.lanes.get(lane) if whole else None
        rules = known.rules if known else None
        return limits_of(manifest, rules.reject if rules else {}, rules.review if rules else {})

    return limits


def _config(path: Path | None) -> Config | None:
    from edge_runtime.config import DEFAULT_CONFIG, load_config

    try:
        return load_config(path or DEFAULT_CONFIG)
    except (ConfigError, NoInput, OSError):
        return None


def _path(folder: str | None) -> Path | None:
    from pathlib import Path

    return Path(folder) if folder else None
