"""TFLite Metadata: a flatbuffer in the buffer ``TFLITE_METADATA``, label files in a zip behind.

Field indices are those of ``metadata_schema.fbs`` of TFLite Support (identifier M001); the values
say (pixel - mean) / std, then the tensor's own quantisation.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edge_runtime.errors import ModelError
from edge_runtime.importers.labels import labels_of
from edge_runtime.inference.files.flatbuffer import root

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge_runtime.importers.draft import Draft
    from edge_runtime.inference.engines.tensors import Tensor
    from edge_runtime.inference.files.flatbuffer import Table

BUFFER = "TFLITE_METADATA"
ORIGIN = "TFLite Metadata"
_IDENTIFIER = b"M001"
_MODEL_NAME, _MODEL_DESCRIPTION, _MODEL_VERSION = 0, 1, 2
_MODEL_SUBGRAPHS, _MODEL_AUTHOR, _MODEL_LICENSE = 3, 4, 5
_GRAPH_INPUTS, _GRAPH_OUTPUTS = 2, 3
_TENSOR_NAME, _TENSOR_CONTENT, _TENSOR_UNITS, _TENSOR_FILES = 0, 3, 4, 6
_CONTENT_KIND, _CONTENT_PROPERTIES = 0, 1
_IMAGE, _BOXES, _AUDIO = 2, 3, 4
_IMAGE_COLOUR = 0
_BOXES_ORDER, _BOXES_FORM, _BOXES_UNIT = 0, 1, 2
_BOUNDARIES, _PIXELS = 1, 1
_TOP_LEFT_BOTTOM_RIGHT = [1, 0, 3, 2]
_COLOURS = {1: "RGB", 2: "GRAY"}
_AUDIO_RATE_HZ, _AUDIO_CHANNELS = 0, 1
_UNIT_KIND, _UNIT_OPTIONS = 0, 1
_NORMALISATION, _CALIBRATION, _THRESHOLD = 1, 2, 3
_MEANS, _DEVIATIONS = 0, 1
_FILE_NAME, _FILE_KIND = 0, 2
_AXIS_LABELS, _VALUE_LABELS = 2, 3
_SSD_ORDER = ("location", "category", "score", "number of detections")
_MAX_TEXT = 2000


@dataclass(frozen=True, slots=True)
class TensorNotes:
    """What is said of one input or output."""

    name: str = ""
    kind: int = 0
    """Of its content: image, boxes, audio; 0 where it does not say."""
    colour: str | None = None
    is_ssd_order: bool = True
    """Boxes are top, left, bottom, right, as TFLite's own operator makes them."""
    in_pixels: bool = False
    rate_hz: int | None = None
    channels: int | None = None
    mean: list[float] = field(default_factory=list)
    deviation: list[float] = field(default_factory=list)
    threshold: float | None = None
    is_calibrated: bool = False
    label_files: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ModelNotes:
    """What is said of a model."""

    name: str
    description: str
    version: str
    author: str
    licence: str
    inputs: list[TensorNotes]
    outputs: list[TensorNotes]


def parse(buffer: bytes, name: str) -> ModelNotes:
    """The metadata.  Raises `ModelError`; `name` is for messages."""
    if buffer[4:8] != _IDENTIFIER:
        raise ModelError(f"{name}: its {BUFFER} has no {_IDENTIFIER.decode()} mark")
    try:
        model = root(buffer)
        graphs = model.tables(_MODEL_SUBGRAPHS)
        return ModelNotes(
            name=model.text(_MODEL_NAME),
            description=model.text(_MODEL_DESCRIPTION),
            version=model.text(_MODEL_VERSION),
            author=model.text(_MODEL_AUTHOR),
            licence=model.text(_MODEL_LICENSE, limit=_MAX_TEXT),
            inputs=[_notes(t) for t in graphs[0].tables(_GRAPH_INPUTS)] if graphs else [],
            outputs=[_notes(t) for t in graphs[0].tables(_GRAPH_OUTPUTS)] if graphs else [],
        )
    except (ValueError, struct.error) as exc:
        raise ModelError(f"{name}: its TFLite Metadata are damaged: {exc}") from exc


def with_notes(draft: Draft, notes: ModelNotes, files: Mapping[str, bytes], name: str) -> Draft:
    """All that the metadata say; `files` are those behind the model.  Raises `ModelError`."""
    draft = _with_input(draft, notes, name)
    draft = _with_outputs(draft, notes, files, name)
    licence = notes.licence.strip().splitlines()
    provenance = {
        "licence": licence[0][:100] if licence else None,
        "trained_by": notes.author or None,
        "source": f"TFLite Metadata: {notes.name} {notes.version}".strip() if notes.name else None,
    }
    draft = draft.with_facts(ORIGIN, provenance=provenance)
    return draft.with_facts(ORIGIN, description=notes.description or None)


def _notes(tensor: Table) -> TensorNotes:
    content = tensor.table(_TENSOR_CONTENT)
    kind = content.integer(_CONTENT_KIND, "<B") if content else 0
    properties = content.table(_CONTENT_PROPERTIES) if content else None
    colour = rate_hz = channels = None
    is_ssd_order, in_pixels = True, False
    if properties is not None and kind == _BOXES:
        order = properties.integers(_BOXES_ORDER, "<I") or [0, 1, 2, 3]
        form = properties.integer(_BOXES_FORM, "<b")
        is_ssd_order = form == _BOUNDARIES and order == _TOP_LEFT_BOTTOM_RIGHT
        in_pixels = properties.integer(_BOXES_UNIT, "<b") == _PIXELS
    if properties is not None and kind == _IMAGE:
        colour = _COLOURS.get(properties.integer(_IMAGE_COLOUR, "<b"))
    elif properties is not None and kind == _AUDIO:
        rate_hz = properties.integer(_AUDIO_RATE_HZ, "<I") or None
        channels = properties.integer(_AUDIO_CHANNELS, "<I") or None
    units = {unit.integer(_UNIT_KIND, "<B"): unit.table(_UNIT_OPTIONS) for unit in _units(tensor)}
    normalisation, threshold = units.get(_NORMALISATION), units.get(_THRESHOLD)
    return TensorNotes(
        name=tensor.text(_TENSOR_NAME),
        kind=kind,
        colour=colour,
        is_ssd_order=is_ssd_order,
        in_pixels=in_pixels,
        rate_hz=rate_hz,
        channels=channels,
        mean=normalisation.numbers(_MEANS, "<f") if normalisation else [],
        deviation=normalisation.numbers(_DEVIATIONS, "<f") if normalisation else [],
        threshold=threshold.number(0, "<f") if threshold else None,
        is_calibrated=_CALIBRATION in units,
        label_files=[
            file.text(_FILE_NAME)
            for file in tensor.tables(_TENSOR_FILES)
            if file.integer(_FILE_KIND, "<b") in (_AXIS_LABELS, _VALUE_LABELS)
        ],
    )


def _units(tensor: Table) -> list[Table]:
    return tensor.tables(_TENSOR_UNITS)


def _with_input(draft: Draft, notes: ModelNotes, name: str) -> Draft:
    if len(notes.inputs) != 1 or len(draft.inputs) != 1:
        return draft
    (told,), (given,) = notes.inputs, draft.inputs
    if told.kind == _AUDIO:
        return _with_sound(draft, told, given, name)
    if told.kind != _IMAGE:
        return draft
    image: dict[str, Any] = {"colour": told.colour}
    if told.mean and told.deviation and all(told.deviation):
        image["mean"] = [round(value, 6) for value in told.mean]
        image["scale"] = [1 / value for value in told.deviation]
    return draft.with_facts(ORIGIN, image=image).suggesting(image={"resize": "stretch"})


def _with_sound(draft: Draft, told: TensorNotes, given: Tensor, name: str) -> Draft:
    if told.channels not in (None, 1):
        raise ModelError(f"{name}: takes {told.channels} channels of sound; one is given here")
    draft = draft.with_facts(ORIGIN, task="audio-classification", audio={"rate_hz": told.rate_hz})
    samples = [size for size in given.shape if size not in (1, None)]
    return with_waveform(draft, samples, told.rate_hz)


def with_waveform(draft: Draft, samples: Sequence[int | None], rate_hz: int | None) -> Draft:
    """A model that takes samples as they are, -1..1, so many at a time."""
    audio: dict[str, Any] = {"front_end": "waveform", "normalise": "pcm"}
    if len(samples) == 1 and samples[0] and rate_hz:
        window_ms = samples[0] * 1000 // rate_hz
        audio |= {"window_ms": window_ms, "hop_ms": max(10, window_ms // 4)}
        if rate_hz * window_ms // 1000 != samples[0]:
            audio["window_samples"] = samples[0]
    return draft.with_facts("the input's shape", audio=audio)


def _with_outputs(draft: Draft, notes: ModelNotes, files: Mapping[str, bytes], name: str) -> Draft:
    if not draft.knows("labels"):
        draft = draft.with_facts(ORIGIN, labels=_labels(notes.outputs, files, name))
    labels = draft.value("labels")
    if any(told.kind == _BOXES for told in notes.outputs):
        return _with_boxes(draft, notes.outputs, name)
    if any(told.is_calibrated for told in notes.outputs):
        draft = draft.with_note(
            "The file asks for a calibration of its scores, which is not applied here: its scores "
            "are the network's own."
        )
    if draft.knows("task") or len(draft.outputs) != 1:
        return draft
    shape = [size for size in draft.outputs[0].shape if size != 1]
    if notes.inputs and notes.inputs[0].kind == _IMAGE and labels and len(shape) == 1:
        return draft.with_facts(ORIGIN, task="image-classification")
    if labels and len(draft.outputs[0].shape) == 4 and draft.outputs[0].shape[-1] == len(labels):
        return draft.with_facts(ORIGIN, task="segmentation", output={"decoder": "semantic"})
    return draft


def _with_boxes(draft: Draft, told: Sequence[TensorNotes], name: str) -> Draft:
    """A detector with its own suppression: boxes, classes, scores, count."""
    if not all(notes.is_ssd_order for notes in told) and not draft.knows("output.box_form"):
        raise ModelError(
            f"{name}: its TFLite Metadata say that boxes are not top, left, bottom, right; no "
            "order is taken for granted; say it with --set output.box_form"
        )
    unit = "pixels" if any(notes.in_pixels for notes in told) else "fractions"
    draft = draft.with_facts(ORIGIN, output={"coordinates": unit})
    draft = draft.with_facts(ORIGIN, task="detection", output={"decoder": "ssd"})
    by_name = {notes.name: tensor.name for notes, tensor in zip(told, draft.outputs, strict=False)}
    if all(name in by_name for name in _SSD_ORDER[:3]):
        order = [by_name[name] for name in _SSD_ORDER if name in by_name]
        draft = draft.with_facts(ORIGIN, output={"tensors": order})
    limits = [notes.threshold for notes in told if notes.threshold]
    return draft.with_facts(ORIGIN, output={"score_min": limits[0] if limits else None})


def _labels(
    outputs: Sequence[TensorNotes], files: Mapping[str, bytes], name: str
) -> list[str] | None:
    for told in outputs:
        for file in told.label_files:
            if file not in files:
                raise ModelError(f"{name}: names the labels '{file}', which are not in the file")
            return labels_of(files[file], f"{name}: {file}")
    return None
