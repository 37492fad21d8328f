"""``sync now`` and ``sync retry``: what the running daemon is asked to do."""

from __future__ import annotations

import json
from pathlib import Path

import click

from edge_runtime.cli.asking import ask
from edge_runtime.cli.status import data_folder
from edge_runtime.errors import ExitCode, UsageError


@click.command()
@click.option("--config", type=click.Path(path_type=Path), help="The daemon's config.")
@click.option("--data", type=click.Path(path_type=Path), help="Its data folder.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def now(config: Path | None, data: Path | None, as_json: bool) -> int:
    """Try to reach the collector now, whatever sync is waiting for."""
    told = ask(data_folder(config, data), "sync_now")
    click.echo(json.dumps(told) if as_json else "asked; edge-runtime sync status tells how it goes")
    return int(ExitCode.OK)


@click.command()
@click.argument("seqs", nargs=-1, type=click.IntRange(min=1))
@click.option("--all", "everything", is_flag=True, help="All that sync quarantine lists.")
@click.option("--config", type=click.Path(path_type=Path), help="The daemon's config.")
@click.option("--data", type=click.Path(path_type=Path), help="Its data folder.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def retry(
    seqs: tuple[int, ...], everything: bool, config: Path | None, data: Path | None, as_json: bool
) -> int:
    """Send entries in quarantine again: those of SEQS, or --all.

    What the collector takes is in quarantine no longer; what it refuses again comes back.
    Exit code 1: none of SEQS is in quarantine.
    """
    if bool(seqs) == everything:
        raise UsageError("sync retry: give the seq of entries, or --all")
    asked = None if everything else list(seqs)
    told = ask(data_folder(config, data), "sync_retry", seqs=asked)
    number = told["released"]
    click.echo(json.dumps(told) if as_json else f"{number} entries are sent again")
    return int(ExitCode.OK if number or everything else ExitCode.FAILED)
