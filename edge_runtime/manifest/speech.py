"""The bundle that a microphone's gate names as its speech detector."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_runtime.errors import ModelError
from edge_runtime.manifest.manifest import load_manifest
from edge_runtime.manifest.places import find_bundle, list_bundles

if TYPE_CHECKING:
    from pathlib import Path

TASK = "speech-detection"


def find_speech_bundle(vad: str, models_dir: Path | None) -> Path:
    """The folder of the bundle that ``vad`` names.

    Raises `ModelError` when there is none, when its manifest is wrong, or when it is for another
    task, telling which bundles would do.  No native library is loaded.
    """
    try:
        folder = find_bundle(vad, models_dir)
    except ModelError as exc:
        raise ModelError(
            f"found '{vad}'; it is webrtc, energy or a bundle of task {TASK}"
            f"{_known(models_dir)}; {exc}"
        ) from exc
    manifest = load_manifest(folder)
    if manifest.task != TASK:
        raise ModelError(
            f"found '{vad}', a bundle of task {manifest.task}; it is webrtc, energy or a bundle of "
            f"task {TASK}{_known(models_dir)}"
        )
    return folder


def _known(models_dir: Path | None) -> str:
    """Those on the search path; a bundle that cannot be read is none."""
    names = set()
    for folder in list_bundles(models_dir):
        try:
            manifest = load_manifest(folder)
        except ModelError:
            continue
        if manifest.task == TASK:
            names.add(manifest.name)
    return f" ({', '.join(sorted(names))})" if names else ", of which there is none here"
