"""From a draft with nothing missing to a bundle on the disk, seen at work on samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_runtime.errors import ItemError, ModelError, UsageError
from edge_runtime.importers.bundling import install
from edge_runtime.importers.card import model_card, with_doubts
from edge_runtime.importers.questions import LABELS_FILE, labels_text
from edge_runtime.importers.sample_view import Sample, main_input, sample_views
from edge_runtime.importers.toml_text import toml_text
from edge_runtime.manifest import MANIFEST, load_manifest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from edge_runtime.importers.draft import Draft

CARD, LICENCE = "MODEL_CARD.md", "LICENSE"


@dataclass(frozen=True, slots=True)
class Added:
    """What is on the disk now."""

    folder: Path
    id: str
    """``name/version``."""
    samples: list[Sample]
    """Seen by the model; their views are in the folder."""
    doubts: list[str]
    """Why it may be read wrongly, one sentence each; they are in the card, too."""


def bundle_files(
    draft: Draft, table: Mapping[str, Any], *, source: str, today: str, licence: bytes
) -> dict[str, bytes]:
    """Name = bytes of every file of the bundle.  `licence` may be empty.  Pure."""
    files = dict(draft.files)
    files[MANIFEST] = toml_text(table).encode()
    files[LABELS_FILE] = labels_text(table["labels"]).encode()
    files[CARD] = model_card(draft, table, source, today).encode()
    if licence:
        files[LICENCE] = licence
    return files


def add(
    models_dir: Path,
    bundle_id: str,
    files: Mapping[str, bytes],
    samples: Sequence[Path],
    *,
    is_replacing: bool = False,
    has_golden: bool = False,
) -> Added:
    """Install a bundle that loads here, with views of `samples`.

    What it answers to them and to noise becomes its golden samples, unless it brings its own
    (`has_golden`).  Raises `ModelError`, `UsageError`, `StorageReadOnly`; nothing is left behind
    then.
    """

    def finish(folder: Path) -> tuple[list[Sample], list[str]]:
        from edge_runtime.importers.doubts import doubts_of
        from edge_runtime.inference import load_model
        from edge_runtime.inference.trust.golden.export import export_golden

        loaded = load_model(folder)
        try:
            seen = sample_views(loaded, samples, folder)
            doubts = doubts_of(loaded, samples, main_input(folder, loaded.manifest))
        except ItemError as exc:
            raise UsageError(f"models add: --sample: {exc}") from exc
        finally:
            loaded.close()
        if not has_golden:
            export_golden(folder, samples)
        if doubts and CARD in files and not has_golden:
            (folder / CARD).write_text(with_doubts(files[CARD].decode(), doubts))
        return seen, doubts

    folder, (seen, doubts) = install(
        models_dir, bundle_id, files, finish, is_replacing=is_replacing
    )
    return Added(folder, bundle_id, seen, doubts)


def brings_golden(files: Mapping[str, bytes]) -> bool:
    """Whether a bundle has golden samples already."""
    return any(name.startswith("golden/") for name in files)


def ready_bundle_id(files: Mapping[str, bytes], name: str) -> str:
    """``name/version`` of a bundle that needs no importing.  Raises `ModelError`."""
    import tempfile
    from pathlib import Path

    # The manifest's reader wants a folder; only the one file is looked at.
    with tempfile.TemporaryDirectory(prefix="edge-runtime-") as place:
        Path(place, MANIFEST).write_bytes(files[MANIFEST])
        try:
            return load_manifest(Path(place)).id
        except ModelError as exc:
            raise ModelError(str(exc).replace(place, name)) from exc
