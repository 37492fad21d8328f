"""Teachable Machine's "TensorFlow Lite" downloads: a zip of a model and ``labels.txt``.

Pictures: ``model_unquant.tflite`` or ``model.tflite``, 224 x 224 RGB in -1..1, cut square out of
the middle, as the snippet that its export dialogue shows does it.  Sound:
``soundclassifier_with_metadata.tflite``, about a second of samples at 44.1 kHz in -1..1.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from edge_runtime.errors import ModelError
from edge_runtime.importers.labels import labels_of
from edge_runtime.importers.tflite_metadata import with_waveform

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edge_runtime.importers.draft import Draft
    from edge_runtime.importers.given import Given

ORIGIN = "Teachable Machine"
_PICTURES = ("model_unquant.tflite", "model.tflite")
_SOUND = "soundclassifier_with_metadata.tflite"
_RATE_HZ = 44_100
_NOISE = ("Background Noise", "_background_noise_")
_OTHER_DOWNLOADS = {
    "keras_model.h5": "Keras",
    "model_edgetpu.tflite": "EdgeTPU",
    "weights.bin": "TensorFlow.js",
}


def model_in(members: Iterable[str]) -> str | None:
    """The member of such a zip that is the model; None for another zip.

    Raises `ModelError` for its downloads that cannot run here.
    """
    by_name = {PurePosixPath(member).name: member for member in members}
    for file in (*_PICTURES, _SOUND):
        if file in by_name and "labels.txt" in by_name:
            return by_name[file]
    for file, format_name in _OTHER_DOWNLOADS.items():
        if file in by_name and ("labels.txt" in by_name or "metadata.json" in by_name):
            raise ModelError(
                f"a Teachable Machine download for {format_name}; export it again as "
                "TensorFlow Lite, floating point or quantized"
            )
    return None


def with_practice(draft: Draft, given: Given) -> Draft:
    """What Teachable Machine does, where the file does not say it."""
    listed = labels_of(given.beside["labels.txt"], f"{given.name}: labels.txt")
    draft = draft.with_facts(f"{ORIGIN}: labels.txt", labels=listed)
    draft = draft.with_facts(ORIGIN, output={"activation": "none"}, provenance={"source": ORIGIN})
    if given.file == _SOUND:
        draft = draft.with_facts(ORIGIN, task="audio-classification", audio={"rate_hz": _RATE_HZ})
        noise = [label for label in listed if label in _NOISE]
        if noise:
            draft = draft.with_facts(ORIGIN, ignore=noise, silence=noise)
        samples = [size for size in draft.inputs[0].shape if size not in (1, None)]
        return with_waveform(draft, samples, _RATE_HZ)
    image = {
        "resize": "crop",
        "interpolation": "antialias",
        "mean": [127.5],
        "scale": [1 / 127.5],
        "colour": "GRAY" if draft.inputs[0].shape[-1] == 1 else "RGB",
    }
    return draft.with_facts(ORIGIN, task="image-classification", image=image)
