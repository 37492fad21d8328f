"""The gate in front of a model: hash → static checks → engine from the hashed bytes → shapes.

Nothing native sees a file whose sha256 is not the manifest's, and each file is read once: what was
hashed is what is loaded.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from edge_runtime.errors import ItemError, ModelError
from edge_runtime.inference.engines import open_engine
from edge_runtime.inference.fitting import check_answer, check_fit, sample_tensor
from edge_runtime.inference.network import Network
from edge_runtime.inference.runner import LoadedModel
from edge_runtime.manifest import load_manifest

if TYPE_CHECKING:
    from pathlib import Path

    from edge_runtime.manifest import Manifest

MAX_FILE_BYTES = 512 << 20
"""Of one file in a bundle; the largest models that a small box can run have about 200 MB."""


def load(folder: Path, *, threads: int = 1) -> LoadedModel:
    """A bundle, ready to run, its engine warm.  Raises `ModelError`."""
    manifest = load_manifest(folder)
    name = str(folder / manifest.file)
    model = _checked_files(folder, manifest)
    batch = manifest.tiles.batch if manifest.tiles else 1
    engine = open_engine(model, name, threads=threads, batch=batch)
    network = Network(manifest, engine)
    check_fit(manifest, network.input, name)
    _try_out(manifest, network, name)
    return LoadedModel(manifest, manifest.sha256[manifest.file], engine)


def _try_out(manifest: Manifest, network: Network, name: str) -> None:
    """Run once: the first run is slow, and only now all sizes are known."""
    try:
        made = network.run(sample_tensor(manifest, network.input))
    except ItemError as exc:
        raise ModelError(f"{name}: cannot be run: {exc}") from exc
    network.reset()
    check_answer(manifest, network.outputs, [values.shape for values in made], name)


def _checked_files(folder: Path, manifest: Manifest) -> bytes:
    """Hash every file of the bundle; the model's bytes."""
    model = b""
    for file, expected in manifest.sha256.items():
        data = _hashed(folder / file, expected)
        if file == manifest.file:
            model = data
    return model


def _hashed(path: Path, expected: str) -> bytes:
    try:
        if not path.is_file():
            raise ModelError(f"{path}: listed in the manifest's sha256, but there is no such file")
        size_bytes = path.stat().st_size
        if size_bytes > MAX_FILE_BYTES:
            raise ModelError(f"{path}: {size_bytes} bytes; at most {MAX_FILE_BYTES} are loaded")
        data = path.read_bytes()
    except OSError as exc:
        raise ModelError(f"{path}: cannot be read: {exc.strerror}") from exc
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise ModelError(
            f"{path}: sha256 is {found[:12]}…, the manifest says {expected[:12]}…: the file is not "
            "the one that was checked; install the bundle again"
        )
    return data
