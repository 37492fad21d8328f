"""``edge-runtime config``: check, show or describe a config."""

from __future__ import annotations

import json
from pathlib import Path

import click

from edge_runtime.config import DEFAULT_CONFIG, load_config

_FILE = click.argument("config", type=click.Path(path_type=Path), default=DEFAULT_CONFIG)


@click.group()
def config() -> None:
    """Check, show or describe the config."""


@config.command()
@_FILE
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def check(config: Path, as_json: bool) -> int:
    """Read CONFIG and its conf.d, and the manifests of its models; name everything wrong."""
    from edge_runtime.errors import ConfigError, ModelError
    from edge_runtime.supervisor.daemon import check_models

    problems: list[str] = []
    try:
        loaded = load_config(config)
        check_models(loaded)
    except ConfigError as exc:
        problems = exc.problems
    except ModelError as exc:
        problems = str(exc).splitlines()
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
    """Print CONFIG as the runtime sees it, defaults filled in, as JSON.  Secrets stay references."""
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(load_config(config)), indent=2))


@config.command()
def schema() -> None:
    """Print the JSON schema of the config, for editors."""
    from edge_runtime.config import json_schema

    click.echo(json.dumps(json_schema(), indent=2))
