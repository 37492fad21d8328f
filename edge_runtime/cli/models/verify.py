"""``edge-runtime models verify``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from edge_runtime.cli.models import options
from edge_runtime.cli.models.options import AS_JSON, CONFIG, MODELS_DIR, RUNTIME
from edge_runtime.errors import ExitCode, ModelError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from edge_runtime.inference.trust.probing import Agreement, Report
    from edge_runtime.types import RuntimeChoice

PASSES = 100
SECONDS = 5.0
MEBIBYTE = 1 << 20


@click.command("verify")
@click.argument("model", required=False)
@click.option("--all", "every", is_flag=True, help="Every bundle that can be used here.")
@RUNTIME
@MODELS_DIR
@CONFIG
@AS_JSON
def command(
    model: str | None,
    every: bool,
    runtime: RuntimeChoice,
    models_dir: Path | None,
    config: Path | None,
    as_json: bool,
) -> int:
    """Try MODEL in a process of its own, with every runtime here that reads it.

    Shows how far its answers are from the recorded ones, the time that the slowest golden sample
    takes, and memory.  The exit code is 1 when a runtime that the bundle has a file for (or the
    one of --runtime) disagrees, crashes or is too slow; others are shown.
    """
    from edge_runtime.manifest import find_bundle, list_bundles

    if bool(model) == every:
        raise UsageError("models verify: name a MODEL, or --all")
    looked = options.models_dir(models_dir, config)
    folders = list_bundles(looked) if every else [find_bundle(str(model), looked)]
    rows, untried = [], []
    for folder in folders:
        try:
            rows += _verified(folder, runtime)
        except ModelError as exc:
            if not every:
                raise
            untried.append(str(exc))
    if as_json:
        click.echo(json.dumps([row for row, _ in rows], indent=2))
    else:
        for number, (row, report) in enumerate(rows):
            if number:
                click.echo()
            _print(row, report)
    for line in untried:
        click.echo(f"models verify: {line}", err=True)
    failed = any(row["trouble"] and row["counts"] for row, _ in rows)
    return int(ExitCode.FAILED if failed or untried else ExitCode.OK)


def _verified(folder: Path, wanted: RuntimeChoice) -> list[tuple[dict[str, Any], Report]]:
    """A row and the whole report for each way to run the bundle."""
    import msgspec

    from edge_runtime.inference.engines.runtimes import FIRST, able, choose, ending_of, package_of
    from edge_runtime.inference.trust.probing import probe
    from edge_runtime.manifest import load_manifest

    manifest = load_manifest(folder)
    files = [manifest.file, *manifest.alternatives]
    ways = [(f, r) for f, r in able(files) if wanted in ("auto", r)]
    rows = []
    for file, runtime in ways or [choose(files, wanted)]:
        report = probe(folder, runtime=runtime, file=file, passes=PASSES, seconds=SECONDS)
        times = sorted(report.latency_ms)
        row = {
            "model": manifest.id,
            "folder": str(folder),
            **msgspec.to_builtins(report),
            "package": report.package or package_of(runtime) or f"{runtime} (not installed)",
            "counts": runtime in (wanted, FIRST[ending_of(file)]),
            "latency_p50_ms": _percentile(times, 50),
            "latency_p95_ms": _percentile(times, 95),
        }
        del row["latency_ms"], row["digests"]
        rows.append((row, report))
    return rows


def _percentile(times: list[float], percent: int) -> float | None:
    """Nearest rank."""
    return times[max(0, -(-len(times) * percent // 100) - 1)] if times else None


def _print(row: dict[str, Any], report: Report) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    console.print(f"[bold]{row['model']}[/bold] {row['file']} by {row['package']}: {_result(row)}")
    if report.trouble:
        told = f"{report.trouble}\n{report.stderr}".strip()
        console.print("\n".join(f"  {line}" for line in told.splitlines()), markup=False)
    if report.agreement:
        table = Table("sample", "output", "differs by", "at most", "", box=None, padding=(0, 2))
        for each in report.agreement:
            table.add_row(each.sample, each.output, _number(each), _limit(each), _word(each))
        console.print(table)
    elif not report.golden and report.package:
        console.print("  no golden samples: nothing to compare with (models export-golden)")
    if row["latency_p50_ms"] is not None:
        of = report.latency_of
        console.print(
            f"  {of}: p50 {row['latency_p50_ms']:.2f} ms, p95 {row['latency_p95_ms']:.2f} ms, best "
            f"{min(report.latency_ms):.2f} ms of {len(report.latency_ms)}; {_budget(report)}"
        )
        before, loaded, peak = (
            value / MEBIBYTE
            for value in (report.rss_before_bytes, report.rss_loaded_bytes, report.rss_peak_bytes)
        )
        console.print(
            f"  memory: {before:.0f} MiB before, {loaded:.0f} MiB loaded, {peak:.0f} MiB at most"
        )
        told = "the same bits twice" if report.repeats else "other bits the second time"
        console.print(f"  repeated: {told}")


def _result(row: dict[str, Any]) -> str:
    if not row["trouble"]:
        return "[green]good[/green]"
    if row["counts"]:
        return "[red]refused[/red]"
    return (
        f'[yellow]refused, and used only where runtime = "{row["runtime"]}" asks for it[/yellow]: '
        "the bundle has no file made for it"
    )


def _budget(report: Report) -> str:
    return f"budget {report.budget_ms:g} ms" if report.budget_ms else "no budget in the manifest"


def _number(each: Agreement) -> str:
    return "-" if each.largest is None else f"{each.largest:.3g} {each.unit}"


def _limit(each: Agreement) -> str:
    return f"{each.limit:.3g}"


def _word(each: Agreement) -> str:
    if each.agrees:
        return "[green]agrees[/green]"
    return "[red]disagrees[/red]" if each.judged else "[yellow]differs, not judged[/yellow]"
