"""``edge-runtime doctor``: check this box and say what to do."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from edge_runtime.errors import ExitCode

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red", "skip": "bright_black"}


@click.command()
@click.option("--config", type=click.Path(path_type=Path), help="Also check this config.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def doctor(config: Path | None, as_json: bool) -> int:
    """Check Python, packages, devices, disk, clock, config and models; say what to do.

    Exit code 1 when something fails.
    """
    from edge_runtime.checks import Level, run_checks
    from edge_runtime.config import DEFAULT_CONFIG

    if config is None and DEFAULT_CONFIG.is_file():
        config = DEFAULT_CONFIG
    results = []
    for result in run_checks(config):
        results.append(result)
        if not as_json:
            mark = click.style(f"{result.level.value:<5}", fg=_COLOURS[result.level.value])
            click.echo(f"{mark} {result.name:<24} {result.detail}")
            if result.hint:
                click.echo(f"      {'':<24} -> {result.hint}")
    if as_json:
        click.echo(json.dumps([asdict(result) for result in results]))
    failed = any(result.level is Level.FAIL for result in results)
    return int(ExitCode.FAILED if failed else ExitCode.OK)
