"""``edge-runtime doctor``: check this box and say what to do."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_runtime.errors import ExitCode

if TYPE_CHECKING:
    from edge_runtime.checks import CheckResult

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red", "skip": "bright_black"}
_NAME_WIDTH = 22


@click.command()
@click.option(
    "--config", type=click.Path(path_type=Path, readable=False), help="Also check this config."
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def doctor(config: Path | None, as_json: bool) -> int:
    """Check Python, packages, devices, disk, clock, config, models and outputs; say what to do.

    Each line is ok, warn, fail or skip.  Exit code 1 when something fails.  A PLC is read, never
    written; while the daemon runs, what it holds is asked of it and not opened.
    """
    from edge_runtime.checks import Status, run_checks
    from edge_runtime.config import DEFAULT_CONFIG

    if config is None and DEFAULT_CONFIG.is_file():
        config = DEFAULT_CONFIG
    results = []
    for result in run_checks(config):
        results.append(result)
        if not as_json:
            click.echo(_text(result))
    count = {status: sum(result.status is status for result in results) for status in Status}
    if as_json:
        click.echo(json.dumps([asdict(result) for result in results]))
    else:
        click.echo(", ".join(f"{number} {status}" for status, number in count.items()))
    return int(ExitCode.FAILED if count[Status.FAIL] else ExitCode.OK)


def _text(result: CheckResult) -> str:
    mark = click.style(f"{result.status.value:<5}", fg=_COLOURS[result.status.value])
    code = f" ({result.code})" if result.code and result.code not in result.hint else ""
    first, *more = result.detail.splitlines() or [""]
    indent = " " * (5 + 1 + _NAME_WIDTH + 1)
    lines = [f"{mark} {result.name:<{_NAME_WIDTH}} {first}", *(indent + line for line in more)]
    if result.hint:
        lines.append(f"{indent}-> {result.hint}{code}")
    return "\n".join(lines)
