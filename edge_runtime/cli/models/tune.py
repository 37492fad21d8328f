"""``edge-runtime models tune``."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_runtime.cli.models import options
from edge_runtime.cli.models.options import AS_JSON, CONFIG, MODEL, MODELS_DIR
from edge_runtime.errors import NoInput, UsageError

if TYPE_CHECKING:
    from edge_runtime.tuning.tune import TuneReport

VERSION = "1.0.0"
GOLDEN_OF_EACH = 2
"""Good and bad pictures that become golden samples of the new bundle."""
_FOLDER = click.Path(path_type=Path, readable=False)


@click.command("tune")
@MODEL
@click.option("--ok", type=_FOLDER, required=True, help="Folder of good pictures.")
@click.option("--ng", type=_FOLDER, required=True, help="Folder of bad pictures.")
@click.option("--as", "name", required=True, help="Name of the new bundle.")
@MODELS_DIR
@CONFIG
@AS_JSON
def command(
    model: str,
    ok: Path,
    ng: Path,
    name: str,
    models_dir: Path | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Teach MODEL with pictures of your own parts: a new bundle, in minutes, on this box.

    A third of the pictures is held out: they choose the thresholds and tell how good it is, and
    some of all become golden samples.  MODEL itself is left as it is.
    """
    from edge_runtime.inference.engines.threads import limit_threads
    from edge_runtime.manifest import find_bundle

    limit_threads()
    base = find_bundle(model, options.models_dir(models_dir, config))
    out = options.target_dir(models_dir, config, "tune") / name / VERSION
    if out.exists():
        raise UsageError(f"models tune: {out} is there already; give another name or remove it")
    report = _tuned(base, _pictures(ok), _pictures(ng), out, name)
    if as_json:
        told = {**dataclasses.asdict(report), "bundle": str(out)}
        click.echo(json.dumps(told))
    else:
        _print(report, out, name)


def _tuned(base: Path, ok: list[Path], ng: list[Path], out: Path, name: str) -> TuneReport:
    """Made out of sight, golden samples and all, then put in its place by one rename."""
    from rich.console import Console

    from edge_runtime.inference.trust.golden.export import export_golden
    from edge_runtime.tuning import tune

    hidden = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        with Console(stderr=True).status("looking at the pictures") as status:
            report = tune(base, ok, ng, hidden, name=name, progress=status.update)
            status.update("recording golden samples")
            export_golden(hidden, [*ok[:GOLDEN_OF_EACH], *ng[:GOLDEN_OF_EACH]])
        hidden.rename(out)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    return report


def _pictures(folder: Path) -> list[Path]:
    """Every picture below `folder`, sorted.  Raises `NoInput`."""
    from edge_runtime.files.image import SUFFIXES

    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not found:
        raise NoInput(f"{folder}: no picture ({', '.join(sorted(SUFFIXES))}) in this folder")
    return found


def _print(report: TuneReport, out: Path, name: str) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, show_header=False)
    table.add_column(style="bold")
    learnt = f"{report.ok_learnt} good and {report.ng_learnt} bad"
    held = f"{report.ok_held_out} good and {report.ng_held_out} bad"
    table.add_row("learnt from", f"{learnt} pictures in {report.seconds:.0f} s")
    table.add_row("held out", held)
    table.add_row("AUC before, after", f"{report.auc_before:.3f}, {report.auc_after:.3f}")
    table.add_row("thresholds", f"reject {report.reject:g}, review {report.review:g}")
    table.add_row(
        "at these",
        f"{report.ok_passed:.0%} of the good pass, {report.ng_rejected:.0%} of the bad are "
        "rejected (held out)",
    )
    if not report.is_taught:
        table.add_row("note", "nothing learnt was better than the base: only thresholds are new")
    Console().print(table)
    click.echo(f'{name}/{VERSION} is in {out}; write model = "{name}" in a lane')
