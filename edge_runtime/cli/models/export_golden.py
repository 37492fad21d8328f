"""``edge-runtime models export-golden``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_runtime.cli.models import options
from edge_runtime.cli.models.options import CONFIG, MODEL, MODELS_DIR, RUNTIME
from edge_runtime.errors import UsageError

if TYPE_CHECKING:
    from edge_runtime.types import RuntimeChoice


@click.command("export-golden")
@MODEL
@click.argument("samples", nargs=-1, type=click.Path(path_type=Path, readable=False))
@click.option("--noise", type=int, help="So many random tensors; else as many as cost little.")
@click.option("--force", is_flag=True, help="Also where MODEL came with the program.")
@RUNTIME
@MODELS_DIR
@CONFIG
def command(
    model: str,
    samples: tuple[Path, ...],
    noise: int | None,
    force: bool,
    runtime: RuntimeChoice,
    models_dir: Path | None,
    config: Path | None,
) -> None:
    """Record what MODEL answers here to SAMPLES: pictures, sounds, rows of numbers (.npy).

    Do it where the model was made and its answers were looked at: from then on every box compares
    with them before it uses the model.  What was recorded before is replaced.
    """
    from edge_runtime.inference.engines.threads import limit_threads
    from edge_runtime.inference.trust.golden.export import export_golden
    from edge_runtime.manifest import find_bundle, shipped_models

    limit_threads()
    folder = find_bundle(model, options.models_dir(models_dir, config)).resolve()
    if shipped_models().resolve() in folder.parents and not force:
        raise UsageError(f"models export-golden: {folder} came with the program; copy it first")
    index = export_golden(folder, samples, noise=noise, runtime=runtime)
    for sample in index.samples:
        if sample.kind == "noise":
            continue
        told = ", ".join(f"{label} {score:.3f}" for label, score in sample.best[:3])
        click.echo(f"{sample.name}  {sample.file}  {told}".rstrip())
    count = sum(sample.kind == "noise" for sample in index.samples)
    click.echo(f"{count} noise samples")
    click.echo(f"recorded in {folder / 'golden'} with {index.recorded.package}")
