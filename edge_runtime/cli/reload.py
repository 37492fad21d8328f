"""``edge-runtime reload``: the daemon reads its config again."""

from __future__ import annotations

import json
from pathlib import Path

import click

from edge_runtime.cli.asking import ask
from edge_runtime.cli.status import data_folder
from edge_runtime.errors import ExitCode


@click.command()
@click.option(
    "--config", type=click.Path(path_type=Path, readable=False), help="The daemon's config."
)
@click.option("--data", type=click.Path(path_type=Path, readable=False), help="Its data folder.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def reload(config: Path | None, data: Path | None, as_json: bool) -> int:
    """Have the running daemon read its config again; only what the change concerns restarts.

    Exit code 78: it is refused, every problem is told, and the last good one runs on.  1: a lane
    that was started anew does not serve.  See edge-runtime config diff for what would happen.
    """
    told = ask(data_folder(config, data), "reload")
    if as_json:
        click.echo(json.dumps(told))
    else:
        for line in told["lines"] or ["nothing changes"]:
            click.echo(line)
        for lane, reason in told["not_serving"].items():
            click.echo(f"lane '{lane}': does not serve: {reason}", err=True)
    return int(ExitCode.FAILED if told["not_serving"] else ExitCode.OK)
