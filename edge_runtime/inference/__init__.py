"""Models: bundle -> checked bytes -> engine -> preprocessing and decoding -> `Inference`.

Importing this package loads no native library; `load_model` loads those that the model needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from edge_runtime.inference.runner import LoadedModel


def load_model(folder: Path, *, threads: int = 1) -> LoadedModel:
    """Load a bundle: hash, static checks, engine, shapes against the manifest.

    Raises `ModelError` with one clear line.  Holds the GIL for a while: never call it in a process
    that is serving.
    """
    from edge_runtime.inference.loading import load

    return load(folder, threads=threads)
