"""A bundle's files, each read once and hashed: what is loaded is what was hashed.

Nothing native sees a file whose sha256 is not the manifest's.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edge_runtime.errors import ModelError
from edge_runtime.inference.engines.opening import check_static
from edge_runtime.inference.engines.runtimes import choose, ending_of
from edge_runtime.manifest import MANIFEST, load_manifest
from edge_runtime.manifest.checks import GOLDEN

if TYPE_CHECKING:
    from pathlib import Path

    from edge_runtime.inference.engines.runtimes import Runtime
    from edge_runtime.manifest import Manifest
    from edge_runtime.types import RuntimeChoice

MAX_FILE_BYTES = 512 << 20
"""Of one file in a bundle; the largest models that a small box can run have about 200 MB."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose hashes are right and whose model file passed the static checks."""

    folder: Path
    manifest: Manifest
    digest: str
    """sha256 of ``model.toml``, which holds the hashes of all other files."""
    file: str
    """The one of ``file`` and ``alternatives`` that is run."""
    runtime: Runtime
    model: bytes = field(repr=False)
    weights: bytes = field(repr=False, default=b"")
    """The ``.bin`` of an OpenVINO IR."""
    golden: dict[str, bytes] = field(repr=False, default_factory=dict)
    """The files of ``golden/`` by their name in that folder."""

    @property
    def name(self) -> str:
        """The model file's path, for messages."""
        return str(self.folder / self.file)

    @property
    def sha256(self) -> str:
        """Of the model file."""
        return self.manifest.sha256[self.file]


def read_bundle(
    folder: Path, runtime: RuntimeChoice = "auto", *, file: str = "", golden: bool = True
) -> Bundle:
    """Hash every file that the manifest lists, then check the model file statically.

    `file`: take this one of ``file`` and ``alternatives``; `golden` False: leave the golden files
    alone, which are about to be replaced.  Raises `ModelError`.
    """
    manifest = load_manifest(folder)
    files = [manifest.file, *manifest.alternatives]
    if file and file not in files:
        raise ModelError(f"{folder}: '{file}' is not among its model files, {', '.join(files)}")
    file, chosen = choose([file] if file else files, runtime)
    weights_file = weights_of(file)
    kept: dict[str, bytes] = {}
    for name, expected in manifest.sha256.items():
        is_golden = name.startswith(f"{GOLDEN}/")
        if is_golden and not golden:
            continue
        data = _hashed(folder / name, expected)
        if is_golden or name in (file, weights_file):
            kept[name] = data
    if weights_file and weights_file not in kept:
        raise ModelError(f"{folder / MANIFEST}: sha256: has no entry for '{weights_file}'")
    bundle = Bundle(
        folder,
        manifest,
        hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest(),
        file,
        chosen,
        kept[file],
        kept.get(weights_file, b""),
        {name.partition("/")[2]: data for name, data in kept.items() if "/" in name},
    )
    check_static(bundle.model, bundle.name, weights=bundle.weights)
    return bundle


def weights_of(file: str) -> str:
    """The file beside an OpenVINO IR that holds its weights; empty for other formats."""
    return f"{file[:-4]}.bin" if ending_of(file) == ".xml" else ""


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
