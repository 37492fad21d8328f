"""``edge-runtime models remove``."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import click

from edge_runtime.cli.models import options
from edge_runtime.cli.models.options import CONFIG, MODEL, MODELS_DIR
from edge_runtime.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


@click.command("remove")
@MODEL
@MODELS_DIR
@CONFIG
@click.option("--yes", is_flag=True, help="Do not ask.")
def command(model: str, models_dir: Path | None, config: Path | None, yes: bool) -> None:
    """Take MODEL, given as name/version, off this box.  Bundles that were shipped stay.

    A running lane keeps the model that it has loaded.
    """
    from edge_runtime.manifest import find_bundle, load_manifest, shipped_models

    if "/" not in model:
        raise UsageError(f"models remove: '{model}' names no version; write {model}/VERSION")
    folder = find_bundle(model, options.models_dir(models_dir, config)).resolve()
    if shipped_models().resolve() in folder.parents:
        raise UsageError(f"models remove: {folder} came with the program; it cannot be removed")
    told = load_manifest(folder).id
    if not yes:
        click.confirm(f"Remove {told} in {folder}?", abort=True)
    _remove(folder)
    click.echo(f"removed {told}")


def _remove(folder: Path) -> None:
    """Out of sight by one rename first: nobody ever finds half a bundle."""
    hidden = folder.with_name(f".{folder.name}.removed-{os.getpid()}")
    try:
        folder.rename(hidden)
        shutil.rmtree(hidden)
        if not any(folder.parent.iterdir()):
            folder.parent.rmdir()
    except OSError as exc:
        raise UsageError(f"models remove: {folder}: {exc.strerror}") from exc
