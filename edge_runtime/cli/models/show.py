"""``edge-runtime models show``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from edge_runtime.cli.models import options
from edge_runtime.cli.models.options import AS_JSON, CONFIG, MODEL, MODELS_DIR

if TYPE_CHECKING:
    from pathlib import Path

    from edge_runtime.manifest import Manifest


@click.command("show")
@MODEL
@MODELS_DIR
@CONFIG
@AS_JSON
def command(model: str, models_dir: Path | None, config: Path | None, as_json: bool) -> None:
    """Show one bundle as its manifest describes it, defaults filled in.  Loads no model."""
    import msgspec

    from edge_runtime.manifest import find_bundle, load_manifest

    folder = find_bundle(model, options.models_dir(models_dir, config))
    manifest = load_manifest(folder)
    if as_json:
        shown = {"folder": str(folder), **msgspec.to_builtins(manifest)}
        click.echo(msgspec.json.format(msgspec.json.encode(shown), indent=2))
    else:
        _print(folder, manifest)


def _print(folder: Path, manifest: Manifest) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for key, value in _lines(folder, manifest):
        table.add_row(key, escape(value))
    Console().print(table)


def _lines(folder: Path, manifest: Manifest) -> list[tuple[str, str]]:
    lines = [
        ("model", f"{manifest.id}  {manifest.description}"),
        ("folder", str(folder)),
        ("task", manifest.task),
        ("files", ", ".join([manifest.file, *manifest.alternatives])),
        ("labels", ", ".join(manifest.labels)),
        ("input", _input(manifest)),
    ]
    for name in ("reject", "review", "hear"):
        limits = getattr(manifest, name)
        if limits:
            lines.append((name, ", ".join(f"{label} {value:g}" for label, value in limits.items())))
    if manifest.latency:
        lines.append(("latency", f"at most {manifest.latency.budget_ms:g} ms"))
    origin = manifest.provenance
    plain = [(name, getattr(origin, name)) for name in ("trained_by", "source", "licence")]
    lines += [(name, told) for name, told in plain if told]
    lines += [("data", one) for one in origin.data]
    lines += [(name.replace("_", " "), f"{value:g}") for name, value in manifest.metrics.items()]
    return lines


def _input(manifest: Manifest) -> str:
    """One line, such as ``picture 64 x 64 GRAY NCHW, in tiles every 48 px``."""
    if manifest.image is not None:
        image = manifest.image
        told = f"picture {image.width} x {image.height} {image.colour} {image.layout}"
        return f"{told}, in tiles every {manifest.tiles.stride} px" if manifest.tiles else told
    if manifest.audio is not None:
        audio = manifest.audio
        return f"sound at {audio.rate_hz} Hz, {audio.front_end}"
    assert manifest.numbers is not None
    return f"{manifest.numbers.rows} rows of {manifest.numbers.columns} numbers"
