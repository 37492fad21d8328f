"""Where bundles are, and how a name finds one."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

from edge_runtime.errors import ModelError

MANIFEST = "model.toml"


def find_bundle(model: str, models_dir: Path | None) -> Path:
    """The folder of a bundle given as ``name``, ``name/version`` or a path.

    Looks into `models_dir`, then ``$EDGE_RUNTIME_MODELS``, then the shipped models.  A name without
    a version takes the highest.  Raises `ModelError` saying where it looked.
    """
    if model.startswith((".", "/")):
        return _bundle_in(Path(model), model)
    name, _, version = model.partition("/")
    looked = search_path(models_dir)
    for folder in looked:
        home = folder / name
        if version and (home / version / MANIFEST).is_file():
            return home / version
        if not version and home.is_dir():
            versions = [v for v in home.iterdir() if _is_bundle(v)]
            if versions:
                return max(versions, key=lambda v: version_key(v.name))
    known = sorted({bundle.parent.name for bundle in list_bundles(models_dir)})
    raise ModelError(
        f"model '{model}' is not in {', '.join(map(str, looked))}; "
        f"known: {', '.join(known) or 'none'}"
    )


def list_bundles(models_dir: Path | None) -> list[Path]:
    """Every bundle's folder on the search path, in order."""
    return [
        manifest.parent
        for folder in search_path(models_dir)
        for manifest in sorted(folder.glob(f"*/*/{MANIFEST}"))
        if _is_bundle(manifest.parent)
    ]


def search_path(models_dir: Path | None) -> list[Path]:
    """Folders of bundles, the most specific first."""
    folders = [models_dir] if models_dir else []
    if extra := os.environ.get("EDGE_RUNTIME_MODELS"):
        folders.append(Path(extra))
    return [*folders, shipped_models()]


def shipped_models() -> Path:
    """The bundles that came with the program: in the wheel, or beside the source tree."""
    package = Path(str(resources.files("edge_runtime")))
    installed = package / "models"
    return installed if installed.is_dir() else package.parent / "models"


def version_key(version: str) -> tuple[tuple[int, int | str], ...]:
    """Sorts 0.10.0 behind 0.9.0."""
    parts = version.replace("-", ".").replace("+", ".").split(".")
    return tuple((1, int(part)) if part.isdecimal() else (0, part) for part in parts)


def _bundle_in(folder: Path, model: str) -> Path:
    if (folder / MANIFEST).is_file():
        return folder
    raise ModelError(f"model '{model}': {folder} holds no {MANIFEST}")


def _is_bundle(folder: Path) -> bool:
    """Hidden ones are being made or removed."""
    return not folder.name.startswith(".") and (folder / MANIFEST).is_file()
