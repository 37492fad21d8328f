"""What the ``models`` commands have in common: where bundles are looked up."""

from __future__ import annotations

import os
from pathlib import Path
from typing import get_args

import click

from edge_runtime.errors import UsageError
from edge_runtime.types import RuntimeChoice

MODEL = click.argument("model")
MODELS_DIR = click.option(
    "--models-dir", type=click.Path(path_type=Path, readable=False), help="Where bundles are."
)
CONFIG = click.option(
    "--config",
    type=click.Path(path_type=Path, readable=False),
    help="Look up MODEL as this config does.",
)
RUNTIME = click.option(
    "--runtime",
    type=click.Choice(get_args(RuntimeChoice)),
    default="auto",
    show_default=True,
    help="The library that runs it.",
)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="As JSON.")


def target_dir(folder: Path | None, config: Path | None, command: str) -> Path:
    """Where a new bundle goes.  Raises `UsageError` saying how to name it, `ConfigError`."""
    named = models_dir(folder, config)
    if named is None and (extra := os.environ.get("EDGE_RUNTIME_MODELS")):
        named = Path(extra)
    if named is None:
        raise UsageError(
            f"models {command}: where to? give --models-dir DIR, or --config FILE with models_dir "
            "in [device], or set EDGE_RUNTIME_MODELS"
        )
    return named


def models_dir(folder: Path | None, config: Path | None) -> Path | None:
    """The folder of bundles that the options name.  Raises `ConfigError`."""
    if folder is not None or config is None:
        return folder
    from edge_runtime.config import load_config

    named = load_config(config).device.models_dir
    return Path(named) if named else None
