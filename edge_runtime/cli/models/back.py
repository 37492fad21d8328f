"""``edge-runtime models back``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from edge_runtime.cli.asking import ask
from edge_runtime.cli.models.options import AS_JSON
from edge_runtime.cli.status import data_folder


@click.command("back")
@click.option("--lane", help="This lane; needed where there are several.")
@click.option(
    "--config", type=click.Path(path_type=Path, readable=False), help="The daemon's config."
)
@click.option("--data", type=click.Path(path_type=Path, readable=False), help="Its data folder.")
@AS_JSON
def command(lane: str | None, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Give a lane of the running daemon the model that it served before this one."""
    told = ask(data_folder(config, data), "back", lane=lane)
    if as_json:
        click.echo(json.dumps(told))
        return
    for each in told["used"]:
        click.echo(f"lane '{each['lane']}': {each['model']} in place of {each['before']}")
