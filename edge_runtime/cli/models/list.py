"""``edge-runtime models list``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from edge_runtime.cli.models import options
from edge_runtime.cli.models.options import AS_JSON, CONFIG, MODELS_DIR

if TYPE_CHECKING:
    from pathlib import Path


@click.command("list")
@MODELS_DIR
@CONFIG
@AS_JSON
def command(models_dir: Path | None, config: Path | None, as_json: bool) -> int:
    """List the bundles that can be used here, the most specific folder first.

    One whose manifest cannot be read is listed with the reason; the exit code is then 78.
    """
    from edge_runtime.errors import ExitCode
    from edge_runtime.manifest import list_bundles

    rows = [_row(folder) for folder in list_bundles(options.models_dir(models_dir, config))]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        _print(rows)
    return int(ExitCode.CONFIG if any(row["problem"] for row in rows) else ExitCode.OK)


def _row(folder: Path) -> dict[str, Any]:
    from edge_runtime.errors import ModelError
    from edge_runtime.manifest import load_manifest

    row: dict[str, Any] = {"model": f"{folder.parent.name}/{folder.name}", "folder": str(folder)}
    try:
        manifest = load_manifest(folder)
    except ModelError as exc:
        return {**row, "problem": str(exc)}
    file = folder / manifest.file
    return {
        **row,
        "task": manifest.task,
        "labels": manifest.labels,
        "file": manifest.file,
        "bytes": file.stat().st_size if file.is_file() else None,
        "licence": manifest.provenance.licence,
        "problem": "" if file.is_file() else f"{file}: there is no such file",
    }


def _print(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    table.add_column("model", no_wrap=True, overflow="fold")  # the name that `models use` needs
    for column in ("task", "labels", "file", "kB"):
        table.add_column(column)
    for row in rows:
        if row["problem"]:
            table.add_row(row["model"], f"[red]{row['problem']}[/red]")
            continue
        labels = ", ".join(row["labels"][:4]) + (" …" if len(row["labels"]) > 4 else "")
        kilobytes = f"{row['bytes'] / 1000:.0f}"
        table.add_row(row["model"], row["task"], labels, row["file"], kilobytes)
    Console().print(table)
