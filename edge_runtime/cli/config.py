"""``edge-runtime config``: check, show or describe a config."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_runtime.config import DEFAULT_CONFIG, load_config
from edge_runtime.errors import ConfigError, ModelError

if TYPE_CHECKING:
    from edge_runtime.config import Config
    from edge_runtime.config import Lane as LaneConfig

_FILE = click.argument("config", type=click.Path(path_type=Path), default=DEFAULT_CONFIG)


@click.group()
def config() -> None:
    """Check, show or describe the config."""


@config.command()
@_FILE
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def check(config: Path, as_json: bool) -> int:
    """Read CONFIG and its conf.d, and the manifests of its models; name everything wrong.

    Exit code 78 when something is.
    """
    problems: list[str] = []
    try:
        loaded = load_config(config)
        problems = _model_problems(loaded)
    except ConfigError as exc:
        problems = exc.problems
    if as_json:
        click.echo(json.dumps({"config": str(config), "ok": not problems, "problems": problems}))
    elif problems:
        raise ConfigError(problems)
    else:
        click.echo(f"{config}: ok: {', '.join(loaded.lanes)}")
    return int(ConfigError.exit_code) if problems else 0


@config.command()
@_FILE
def show(config: Path) -> None:
    """Print CONFIG as the runtime sees it, defaults filled in, as JSON.

    Secrets stay references.
    """
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(load_config(config)), indent=2))


@config.command()
def schema() -> None:
    """Print the JSON schema of the config, for editors."""
    from edge_runtime.config import json_schema

    click.echo(json.dumps(json_schema(), indent=2))


def _model_problems(loaded: Config) -> list[str]:
    """What is wrong with the lanes' models as far as text tells, and their rules against them."""
    problems = []
    for name, lane in loaded.lanes.items():
        try:
            _check_lane(lane, loaded.device.models_dir)
        except ConfigError as exc:
            problems += [f"lanes.{name}.{line}" for line in exc.problems]
        except ModelError as exc:
            problems += [f"lanes.{name}.model: {line}" for line in str(exc).splitlines()]
        try:
            _check_vad(lane, loaded.device.models_dir)
        except ModelError as exc:
            problems += [f"lanes.{name}.gate.vad: {line}" for line in str(exc).splitlines()]
    return problems


def _check_vad(lane: LaneConfig, models_dir: str) -> None:
    """Raises `ModelError` for a gate's speech detector that there is not."""
    from edge_runtime.manifest import find_speech_bundle

    if lane.vad_model is not None:
        find_speech_bundle(lane.vad_model, Path(models_dir) if models_dir else None)


def _check_lane(lane: LaneConfig, models_dir: str) -> None:
    """Raises `ModelError`, `ConfigError`.  No native library is loaded."""
    from edge_runtime.manifest import find_bundle, load_manifest
    from edge_runtime.rules import Judge

    folder = Path(models_dir) if models_dir else None
    manifests = [load_manifest(find_bundle(model, folder)) for model in lane.all_models]
    for manifest in manifests:
        Judge(lane.rules, manifest, is_camera=lane.is_camera, siblings=manifests)
