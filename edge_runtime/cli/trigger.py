"""``edge-runtime trigger``: a part is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from edge_runtime.cli.asking import checked
from edge_runtime.cli.status import data_folder
from edge_runtime.errors import ExitCode, NotServing


@click.command()
@click.argument("lane")
@click.option("--part", help="What the part is called; default: a number of its own.")
@click.option("--wait", "wait_s", type=float, metavar="S", help="Wait so long for its verdict.")
@click.option(
    "--config", type=click.Path(path_type=Path, readable=False), help="The daemon's config."
)
@click.option("--data", type=click.Path(path_type=Path, readable=False), help="Its data folder.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def trigger(
    lane: str,
    part: str | None,
    wait_s: float | None,
    config: Path | None,
    data: Path | None,
    as_json: bool,
) -> int:
    """Tell LANE of the running daemon that a part is there.

    The lane needs a [lanes.LANE.trigger] table.  With --wait its verdict is printed; exit code 69
    when none came in time, or the lane does not serve.
    """
    told = _told(data_folder(config, data), lane, part, wait_s)
    if as_json:
        click.echo(json.dumps(told))
    elif wait_s is None:
        click.echo(f"{lane}: part {told['part']} is triggered")
    else:
        score = "" if told["score"] is None else f" {told['score']:.2f}"
        label = f" {told['label']}" if told["label"] else ""
        why = f": {told['reason']}" if told.get("reason") else ""
        click.echo(f"{lane}: part {told['part']}: {told['verdict']}{label}{score}{why}")
    return int(ExitCode.OK)


def _told(folder: Path, lane: str, part: str | None, wait_s: float | None) -> dict[str, Any]:
    from edge_runtime.supervisor.control import ControlClient

    with ControlClient(folder) as client:
        if wait_s is None:
            return checked(client.ask("trigger", lane=lane, part=part))
        with ControlClient(folder) as listener:
            entries = listener.follow(for_s=wait_s)  # listens before the part is triggered
            next(entries)
            triggered = checked(client.ask("trigger", lane=lane, part=part))
            for entry in entries:
                if _is_its_verdict(entry, lane, triggered["part"]):
                    return entry
    raise NotServing(f"lane '{lane}': no verdict on part {triggered['part']} in {wait_s:g} s")


def _is_its_verdict(entry: dict[str, Any], lane: str, part: str) -> bool:
    return entry.get("lane") == lane and entry.get("part") == part and "verdict" in entry
