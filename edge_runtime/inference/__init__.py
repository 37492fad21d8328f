"""Models: bundle -> checked bytes -> engine -> preprocessing and decoding -> `Inference`.

Importing this package loads no native library; `load_model` loads those that the model needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from edge_runtime.inference.runner import LoadedModel
    from edge_runtime.types import RuntimeChoice


def load_model(
    folder: Path,
    *,
    threads: int = 1,
    runtime: RuntimeChoice = "auto",
    verified: Path | None = None,
) -> LoadedModel:
    """Load a bundle: hash, static checks, engine, shapes against the manifest, golden samples.

    `verified`: the folder of this box's records; a bundle that has none there is tried in a process
    of its own first.  Raises `ModelError` with one clear line.  Holds the GIL for a while: never
    call it in a process that is serving.
    """
    from edge_runtime.inference.trust.loading import load

    return load(folder, threads=threads, runtime=runtime, verified=verified)
