"""``edge-runtime models bench``."""

from __future__ import annotations

import contextlib
import json
import statistics
from typing import TYPE_CHECKING, Any

import click

from edge_runtime.cli.models import options
from edge_runtime.cli.models.options import AS_JSON, CONFIG, MODELS_DIR
from edge_runtime.errors import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

    from edge_runtime.bench.contest import Standing

MEBIBYTE = 1 << 20
WIDTH = 120
"""Of the table where there is no terminal."""


@click.command("bench")
@click.argument("model", nargs=-1, required=True)
@click.option("--rounds", default=15, show_default=True, help="Everybody runs once in each.")
@click.option("--threads", default=1, show_default=True, help="Of each runtime.")
@click.option(
    "--also",
    multiple=True,
    metavar="PYTHON",
    help="An interpreter with other runtimes, such as one with tflite_runtime and numpy 1.",
)
@MODELS_DIR
@CONFIG
@AS_JSON
def command(
    model: tuple[str, ...],
    rounds: int,
    threads: int,
    also: tuple[str, ...],
    models_dir: Path | None,
    config: Path | None,
    as_json: bool,
) -> int:
    """Run each MODEL by every runtime here that reads it, side by side on the same noise.

    Times are of bare inferences, MiB is what the model and its runtime added to Python.  A ratio is
    against the first row of a model: the runtime that a lane would take.  The exit code is 1 when
    one could not be loaded.
    """
    from edge_runtime.manifest import find_bundle

    looked = options.models_dir(models_dir, config)
    rows = []
    for name in model:
        standings = _competed(find_bundle(name, looked), rounds, threads, also)
        rows += [_row(standing, standings[0]) for standing in standings]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        _print(rows)
    return int(ExitCode.FAILED if any(row["trouble"] for row in rows) else ExitCode.OK)


def _competed(folder: Path, rounds: int, threads: int, also: tuple[str, ...]) -> list[Standing]:
    import sys

    from edge_runtime.bench.contest import Contestant, compete
    from edge_runtime.bench.contestant import Entry
    from edge_runtime.inference.engines.runtimes import READS, RUNTIMES, able, choose, ending_of
    from edge_runtime.manifest import load_manifest

    manifest = load_manifest(folder)
    files = [manifest.file, *manifest.alternatives]
    first = choose(files, "auto")
    ways = [first, *(way for way in able(files) if way != first)]
    everywhere = [(f, r) for f in files for r in RUNTIMES if ending_of(f) in READS[r]]
    entries = [(sys.executable, way) for way in ways]
    entries += [(python, way) for python in also for way in everywhere]
    with contextlib.ExitStack() as stack:
        started = [
            Contestant(
                Entry(folder=str(folder), file=file, runtime=runtime, threads=threads), python
            )
            for python, (file, runtime) in entries
        ]
        loaded = [stack.enter_context(each) for each in started]
        here = [
            each
            for each in loaded
            if each.standing.python == sys.executable
            or (
                "is installed" not in each.standing.ready.trouble
                and "is not installed" not in each.standing.ready.trouble
            )
        ]
        return compete(here, rounds=rounds)


def _row(standing: Standing, first: Standing) -> dict[str, Any]:
    times = sorted(standing.ms)
    return {
        "model": standing.entry.folder,
        "file": standing.entry.file,
        "runtime": standing.entry.runtime,
        "package": standing.ready.package,
        "trouble": standing.ready.trouble,
        "inferences": len(times),
        "p50_ms": _rounded(times[len(times) // 2] if times else None),
        "p95_ms": _rounded(times[len(times) * 95 // 100] if times else None),
        "cpu_ms": _rounded(statistics.median(standing.cpu_ms) if standing.cpu_ms else None),
        "ratio": _rounded(standing.ratio_to(first)),
        "cpu_ratio": _rounded(standing.cpu_ratio_to(first)),
        "rss_model_bytes": standing.rss_peak_bytes - standing.ready.rss_before_bytes,
        "rss_peak_bytes": standing.rss_peak_bytes,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _print(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    heads = ("model", "file", "by", "p50 ms", "p95 ms", "CPU ms", "MiB", "ratio", "CPU ratio")
    table = Table(*heads, box=None, header_style="bold", padding=(0, 2))
    for row in rows:
        name = "/".join(row["model"].rstrip("/").split("/")[-2:])
        if row["trouble"]:
            table.add_row(name, row["file"], row["runtime"], f"[red]{row['trouble']}[/red]")
            continue
        table.add_row(
            name,
            row["file"],
            row["package"],
            f"{row['p50_ms']:.3f}",
            f"{row['p95_ms']:.3f}",
            f"{row['cpu_ms']:.3f}",
            f"{row['rss_model_bytes'] / MEBIBYTE:.0f}",
            f"{row['ratio']:.2f}",
            f"{row['cpu_ratio']:.2f}",
        )
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH
    console.print(table)
