"""``edge-runtime models use``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from edge_runtime.cli.asking import ask
from edge_runtime.cli.models.options import AS_JSON, MODEL
from edge_runtime.cli.status import data_folder


@click.command("use")
@MODEL
@click.option("--lane", help="This lane alone; default: every lane whose config asks for it.")
@click.option(
    "--config", type=click.Path(path_type=Path, readable=False), help="The daemon's config."
)
@click.option("--data", type=click.Path(path_type=Path, readable=False), help="Its data folder.")
@AS_JSON
def command(
    model: str, lane: str | None, config: Path | None, data: Path | None, as_json: bool
) -> None:
    """Give a lane of the running daemon MODEL: NAME/VERSION, or NAME for its highest version.

    Only the lanes concerned restart.  One that cannot serve MODEL has its old model again, and
    the command fails.  A version that the config names can only be changed there.
    """
    told = ask(data_folder(config, data), "use", model=model, lane=lane)
    if as_json:
        click.echo(json.dumps(told))
        return
    for each in told["used"]:
        click.echo(f"lane '{each['lane']}': {each['model']} in place of {each['before']}")
