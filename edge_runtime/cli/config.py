"""``edge-runtime config``: check, show, compare or describe a config."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_runtime.cli.asking import ask
from edge_runtime.cli.groups import Group
from edge_runtime.config import DEFAULT_CONFIG, load_config
from edge_runtime.errors import ConfigError
from edge_runtime.redaction import redacted

if TYPE_CHECKING:
    from edge_runtime.config import Config

AS_JSON = click.option("--json", "as_json", is_flag=True, help="As JSON.")
_FILE = click.argument(
    "config", type=click.Path(path_type=Path, readable=False), default=DEFAULT_CONFIG
)


@click.group(cls=Group)
def config() -> None:
    """Check, show or describe the config."""


@config.command()
@_FILE
@AS_JSON
def check(config: Path, as_json: bool) -> int:
    """Read CONFIG and its conf.d, and the manifests of its models; name everything wrong.

    Exit code 78 when something is.
    """
    from edge_runtime.config.advice import advice
    from edge_runtime.supervisor.checking import model_problems

    problems: list[str] = []
    advised: list[str] = []
    try:
        loaded = load_config(config)
        problems = model_problems(loaded)
        advised = advice(loaded)
    except ConfigError as exc:
        problems = exc.problems
    if as_json:
        click.echo(
            json.dumps(
                {"config": str(config), "ok": not problems, "problems": problems, "advice": advised}
            )
        )
    elif problems:
        raise ConfigError(problems)
    else:
        for line in advised:
            click.echo(f"{config}: advice: {line}", err=True)
        click.echo(f"{config}: ok: {', '.join(loaded.lanes)}")
    return int(ConfigError.exit_code) if problems else 0


@config.command()
@_FILE
def show(config: Path) -> None:
    """Print CONFIG as the runtime sees it, defaults filled in, as JSON.

    Secrets stay references; users and passwords of cameras are left out.
    """
    import msgspec

    told = msgspec.to_builtins(load_config(config))
    for lane in told["lanes"].values():
        for one in (lane, *lane["views"].values()):
            one["source"] = redacted(one["source"])
    click.echo(msgspec.json.format(msgspec.json.encode(told), indent=2))


@config.command()
@click.argument("new", type=click.Path(path_type=Path, readable=False))
@click.argument("old", type=click.Path(path_type=Path, readable=False), required=False)
@click.option(
    "--data",
    type=click.Path(path_type=Path, readable=False),
    help="The running daemon's data folder.",
)
@AS_JSON
def diff(new: Path, old: Path | None, data: Path | None, as_json: bool) -> None:
    """Say what a reload of NEW would do: which lanes restart, and what waits for a restart.

    Against OLD, or else against what the daemon of that data folder runs now.
    """
    if old is not None:
        told = _diff_of_files(load_config(old), load_config(new))
    else:
        folder = data or load_config(new).data_dir
        told = ask(folder, "diff", path=str(new.absolute()))
    if as_json:
        click.echo(json.dumps(told["changes"]))
        return
    for line in told["lines"] or ["nothing changes"]:
        click.echo(line)


def _diff_of_files(before: Config, after: Config) -> dict[str, Any]:
    from edge_runtime.supervisor.changes import changes_between

    changes = changes_between(before, after)
    return {"changes": changes.as_dict(), "lines": changes.lines()}


@config.command()
def schema() -> None:
    """Print the JSON schema of the config, for editors."""
    from edge_runtime.config import json_schema

    click.echo(json.dumps(json_schema(), indent=2))
