"""Teachable Machine's "TensorFlow Lite" downloads: a zip of a model and ``labels.txt``.

Pictures: ``model_unquant.tflite`` or ``model.tflite``, 224 x 224 RGB (its small grey kind 96 x 96)
in -1..1, cut square out of the middle, as the snippet that its export dialogue shows does it.
Sound: ``soundclassifier_with_metadata.tflite``, about a second of samples at 44.1 kHz in -1..1.

Anybody's network may have such a name and labels beside it: what counts is what only these exports
have together, in a zip and as a loose file alike.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.errors import ModelError
from edge_runtime.importers.labels import classes, labels_of
from edge_runtime.importers.tflite_metadata import with_waveform

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edge_runtime.importers.draft import Draft
    from edge_runtime.importers.given import Given
    from edge_runtime.inference.engines.tensors import Tensor
    from edge_runtime.inference.files.tflite import TfliteFile

ORIGIN = "Teachable Machine"
_FLOAT, _QUANTISED = "model_unquant.tflite", "model.tflite"
_SOUND = "soundclassifier_with_metadata.tflite"
_LABELS = "labels.txt"
_SIDES = {3: 224, 1: 96}
"""Channels: side in px, whatever is taught."""
_NUMBERED = re.compile(rb"^(\d+) \S")
_KERAS_NAME = re.compile(r"(^|[/_])sequential(_\d+)?[/_]")
"""Its networks are two Keras models in a row in a third, which tensors are named after."""
_MARKS_NEEDED = 2
_RATE_HZ, _LEAST_SAMPLES = 44_100, 8000
_NOISE = ("Background Noise", "_background_noise_")
_OTHER_DOWNLOADS = {
    "keras_model.h5": "Keras",
    "model_edgetpu.tflite": "EdgeTPU",
    "weights.bin": "TensorFlow.js",
}


def check_download(members: Iterable[str]) -> None:
    """Raises `ModelError` for its downloads that cannot run here; a zip with a model is none."""
    names = {PurePosixPath(member).name for member in members}
    if names & {_FLOAT, _QUANTISED, _SOUND}:
        return
    for file, format_name in _OTHER_DOWNLOADS.items():
        if file in names and (_LABELS in names or "metadata.json" in names):
            raise ModelError(
                f"a Teachable Machine download for {format_name}; export it again as "
                "TensorFlow Lite, floating point or quantized"
            )


def is_export(given: Given, file: TfliteFile) -> bool:
    """Whether nothing else looks like this; its labels may be elsewhere."""
    if len(file.inputs) != 1 or len(file.outputs) != 1:
        return False
    if given.file == _SOUND:
        return _samples(file.inputs[0]) >= _LEAST_SAMPLES
    return _has_its_size(file.inputs[0]) and _marks(given, file) >= _MARKS_NEEDED


def may_be_export(given: Given, file: TfliteFile) -> bool:
    """Whether it is likely, but could be another's."""
    if len(file.inputs) != 1 or len(file.outputs) != 1:
        return False
    return _has_its_size(file.inputs[0]) and _marks(given, file) > 0


def with_suggestions(draft: Draft) -> Draft:
    """What is likely of something that looks a little like one of its exports."""
    draft = draft.suggesting(image=_picture(draft.inputs[0]))
    return draft.with_note(
        "It looks a little like an export of Teachable Machine (which cuts the middle out of a "
        "picture and takes -1..1), but could be another's: look at what it sees of a --sample."
    )


def with_practice(draft: Draft, given: Given) -> Draft:
    """What Teachable Machine does, where neither a person nor the file says it."""
    if _LABELS in given.beside and not draft.knows("labels"):
        listed = labels_of(given.beside[_LABELS], f"{given.name}: {_LABELS}")
        draft = draft.with_facts(f"{ORIGIN}: {_LABELS}", labels=listed)
    draft = draft.with_facts(ORIGIN, output={"activation": "none"}, provenance={"source": ORIGIN})
    if given.file == _SOUND:
        draft = draft.with_facts(ORIGIN, task="audio-classification", audio={"rate_hz": _RATE_HZ})
        noise = [label for label in draft.value("labels") or () if label in _NOISE]
        if noise:
            draft = draft.with_facts(ORIGIN, ignore=noise, silence=noise)
        samples = [size for size in draft.inputs[0].shape if size not in (1, None)]
        return with_waveform(draft, samples, _RATE_HZ)
    image = _picture(draft.inputs[0])
    return draft.with_facts(ORIGIN, task="image-classification", image=image)


def _picture(given: Tensor) -> dict[str, object]:
    return {
        "resize": "crop",
        "interpolation": "antialias",
        "mean": [127.5],
        "scale": [1 / 127.5],
        "colour": "GRAY" if given.shape[-1] == 1 else "RGB",
    }


def _has_its_size(given: Tensor) -> bool:
    if len(given.shape) != 4:
        return False
    _, height, width, channels = given.shape
    return height == width and height is not None and _SIDES.get(channels or 0) == height


def _marks(given: Given, file: TfliteFile) -> int:
    """How many of three are there: its file's name, its labels' numbers, its tensors' names."""
    is_quantised = file.inputs[0].dtype == np.uint8
    is_named = given.file == _FLOAT or (given.file == _QUANTISED and is_quantised)
    names = (file.inputs[0].name, file.outputs[0].name)
    is_keras = any(_KERAS_NAME.search(name) for name in names)
    return is_named + _is_numbered(given, classes(file.outputs)) + is_keras


def _is_numbered(given: Given, count: int | None) -> bool:
    """``0 Class 1``: numbers from 0 and one blank, as many as the model has classes."""
    lines = [line for line in given.beside.get(_LABELS, b"").splitlines() if line.strip()]
    numbers = [_NUMBERED.match(line.strip()) for line in lines]
    return len(lines) == count and all(
        found is not None and int(found[1]) == at for at, found in enumerate(numbers)
    )


def _samples(given: Tensor) -> int:
    sizes = [size for size in given.shape if size not in (1, None)]
    return sizes[0] or 0 if len(sizes) == 1 else 0
