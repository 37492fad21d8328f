"""``edge-runtime infer``: one model over files, exactly as a lane would run it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from edge_runtime.errors import ExitCode


@click.command()
@click.argument("model")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--detail", is_flag=True, help="Also every tile, in pixels of the original.")
@click.option("--models-dir", type=click.Path(path_type=Path), help="Where bundles are.")
def infer(model: str, paths: tuple[Path, ...], detail: bool, models_dir: Path | None) -> int:
    """Run MODEL over PATHS (pictures, videos, sounds, folders); one JSON line an answer.

    A file that cannot be read is a line with an `error`, the rest goes on, and the exit code is 66.
    """
    from edge_runtime.inference import load_model
    from edge_runtime.inference.infer_files import infer_paths
    from edge_runtime.inference.preprocess import limit_threads
    from edge_runtime.manifest import find_bundle

    limit_threads()
    loaded = load_model(find_bundle(model, models_dir))
    bad = done = 0
    for answer in infer_paths(loaded, paths):
        click.echo(json.dumps(answer.as_json(detail=detail)))
        bad += answer.inference is None
        done += 1
        if sys.stderr.isatty() and not sys.stdout.isatty():
            click.echo(f"\r{done} answers, {bad} bad", err=True, nl=False)
    return int(ExitCode.NO_INPUT if bad else ExitCode.OK)
