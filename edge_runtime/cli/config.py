"""``edge-runtime config``: check, show or describe a config."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_runtime.config import DEFAULT_CONFIG, load_config
from edge_runtime.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_runtime.config import Config
    from edge_runtime.config import Lane as LaneConfig
    from edge_runtime.manifest import Manifest

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
    from edge_runtime.manifest import fits

    folder = Path(loaded.device.models_dir) if loaded.device.models_dir else None
    problems = []
    for name, lane in loaded.lanes.items():
        found = fits.lane_problems(name, lane, folder)
        if not found:  # rules are for the right models
            manifests, _ = fits.manifests_of(name, lane, folder)
            found = _rule_problems(name, lane, manifests)
        problems += found
    return problems


def _rule_problems(name: str, lane: LaneConfig, manifests: Mapping[str, Manifest]) -> list[str]:
    """The rules against each model that they judge: of a chain the last."""
    from edge_runtime.rules import Judge

    judged = [manifests[model] for model in (*lane.serving_models, *lane.chain[-1:], *lane.shadow)]
    problems: list[str] = []
    for manifest in judged:
        try:
            Judge(lane.rules, manifest, is_camera=lane.is_camera, siblings=judged)
        except ConfigError as exc:
            problems += [f"lanes.{name}.{line}" for line in exc.problems]
    return problems
