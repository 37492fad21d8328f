"""Exports of Ultralytics' programs: v5, v8, 11, 26 and their like, as ONNX and TFLite.

What they write into ``metadata_props`` (ONNX) and into a zip behind the model (TFLite:
``metadata.json``, before that ``temp_meta.txt``) is in ``ultralytics/engine/exporter.py``, what
they do to a picture in ``ultralytics/data/augment.py``: detectors take RGB / 255 letterboxed
with grey 114, classifiers the shorter side scaled and the middle cut out.  YOLOv5's own export
writes ``stride`` and ``names`` only.
"""

from __future__ import annotations

import ast
import json
from typing import TYPE_CHECKING, Any

from edge_runtime.errors import ModelError
from edge_runtime.importers.labels import distinct, named

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_runtime.importers.draft import Draft
    from edge_runtime.inference.engines.tensors import Tensor

ORIGIN = "Ultralytics metadata"
PRACTICE = "how Ultralytics prepares pictures"
_TASKS = {
    "detect": "detection",
    "segment": "segmentation",
    "classify": "image-classification",
}
_END_TO_END_COLUMNS = 6
_GREY = 114
_MAX_TEXT = 1 << 20
_TFLITE_METADATA = ("metadata.json", "temp_meta.txt", "metadata.txt")


def is_ultralytics(metadata: Mapping[str, str]) -> bool:
    """Whether ``metadata_props`` are theirs."""
    return "names" in metadata and "stride" in metadata


def from_zip(members: Mapping[str, bytes]) -> dict[str, Any] | None:
    """The metadata behind a TFLite export; None where there are none of theirs."""
    for name in _TFLITE_METADATA:
        if name in members:
            text = members[name].decode("utf-8", "replace")
            found = literal(text, f"{name} behind the model")
            if isinstance(found, dict) and "names" in found and "stride" in found:
                return {str(key): value for key, value in found.items()}
    return None


def literal(text: str, what: str) -> Any:  # noqa: ANN401 - JSON, or Python's way to write it
    """JSON or a Python literal, which older exports write.  Raises `ModelError`."""
    if len(text) > _MAX_TEXT:
        raise ModelError(f"{what} is larger than {_MAX_TEXT} bytes")
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError) as exc:
        raise ModelError(f"{what} cannot be read: {exc}") from exc


def with_metadata(draft: Draft, metadata: Mapping[str, Any], name: str) -> Draft:
    """All that the metadata say.  Raises `ModelError` for tasks that have no decoder here."""
    told = {key: _plain(value, f"{name}: {key}") for key, value in metadata.items()}
    try:
        labels = distinct(named(told["names"]))
    except (ValueError, TypeError) as exc:
        raise ModelError(f"{name}: its names are no list of labels: {exc}") from exc
    task = told.get("task", "detect")
    if task not in _TASKS:
        raise ModelError(
            f"{name}: Ultralytics task '{task}' has no decoder here; possible: {', '.join(_TASKS)}"
        )
    draft = draft.with_facts(ORIGIN, labels=labels)
    draft = draft.with_facts(ORIGIN if "task" in told else "outputs", task=_TASKS[task])
    draft = _with_picture(draft, told, task, name)
    if task == "classify":
        draft = draft.with_facts(
            "Ultralytics classifiers end in a softmax", output={"activation": "none"}
        )
    else:
        draft = _with_boxes(draft, told, task, len(labels), name)
    return _with_provenance(draft, told)


def _with_picture(draft: Draft, told: Mapping[str, Any], task: str, name: str) -> Draft:
    image: dict[str, Any] = {}
    size = told.get("imgsz")
    if isinstance(size, int):
        size = [size, size]
    if isinstance(size, (list, tuple)) and len(size) == 2:
        image |= {"height": int(size[0]), "width": int(size[1])}
    channels = int(told.get("channels", 3))
    if channels not in (1, 3):
        raise ModelError(f"{name}: takes {channels} channels; cameras here give 1 or 3")
    image["colour"] = "RGB" if channels == 3 else "GRAY"
    draft = draft.with_facts(ORIGIN, image=image)
    image = {"mean": [0.0], "scale": [1 / 255]}
    if task == "classify":
        image |= {"resize": "crop", "interpolation": "antialias"}
        if draft.value("image.width") == draft.value("image.height"):
            image["crop_from"] = draft.value("image.width")
    else:
        image |= {"resize": "letterbox", "pad_value": _GREY, "interpolation": "linear"}
    return draft.with_facts(PRACTICE, image=image)


def _with_boxes(draft: Draft, told: Mapping[str, Any], task: str, labels: int, name: str) -> Draft:
    decoder = head(draft.outputs, told, task, labels)
    if decoder is None:
        shapes = ", ".join(str(tensor) for tensor in draft.outputs)
        raise ModelError(
            f"{name}: outputs {shapes} are none that {labels} labels make of task '{task}'"
        )
    output: dict[str, Any] = {"decoder": decoder}
    if decoder.startswith("end-to-end"):
        output["suppress"] = "none"
    draft = draft.with_facts("the outputs' shapes and Ultralytics metadata", output=output)
    if draft.file.endswith(".tflite"):
        # The converter divides boxes by the picture's size; `AutoBackend` multiplies again.
        draft = draft.with_facts("Ultralytics' TFLite exports", output={"coordinates": "fractions"})
    return with_masks_last(draft)


def with_masks_last(draft: Draft) -> Draft:
    """Of two outputs, the boxes (three axes) are read before the masks (four)."""
    if len(draft.outputs) != 2:
        return draft
    names = [tensor.name for tensor in sorted(draft.outputs, key=lambda t: len(t.shape))]
    return draft.with_facts("the outputs' shapes", output={"tensors": names})


def head(
    outputs: tuple[Tensor, ...], told: Mapping[str, Any], task: str, labels: int
) -> str | None:
    """The decoder of such outputs, None where no labels make them.

    (1, 4 + labels [+ masks], boxes), (1, boxes, 5 + labels) or (1, kept, 6 [+ masks]).
    """
    boxes = [tensor.shape for tensor in outputs if len(tensor.shape) == 3]
    if len(boxes) != 1 or len(outputs) != (2 if task == "segment" else 1):
        return None
    _, rows, columns = boxes[0]
    arguments = told.get("args")
    has_nms = isinstance(arguments, dict) and bool(arguments.get("nms"))
    masks = 32 if task == "segment" else 0
    tail = "-seg" if masks else ""
    if told.get("end2end") is True or has_nms:
        return f"end-to-end{tail}" if columns == _END_TO_END_COLUMNS + masks else None
    if rows == 4 + labels + masks:
        return f"yolov8{tail}"
    if columns == 5 + labels and not masks:
        return "yolov5"
    return f"end-to-end{tail}" if columns == _END_TO_END_COLUMNS + masks else None


def _with_provenance(draft: Draft, told: Mapping[str, Any]) -> Draft:
    licence = told.get("license")
    provenance = {
        "licence": licence if isinstance(licence, str) else None,
        "source": _source(told),
    }
    draft = draft.with_facts(ORIGIN, provenance=provenance)
    if isinstance(licence, str) and "AGPL" in licence:
        draft = draft.with_note(
            "The file says that it is under AGPL-3.0: see whether that suits your use, or whether "
            "you hold another licence from its makers."
        )
    if isinstance(told.get("description"), str):
        draft = draft.with_facts(ORIGIN, description=told["description"][:200].strip())
    return draft


def _source(told: Mapping[str, Any]) -> str | None:
    known = [str(told[key]) for key in ("author", "version", "date") if key in told]
    return " ".join(known)[:200] or None


def _plain(value: Any, what: str) -> Any:  # noqa: ANN401 - JSON
    """ONNX keeps every value as text; lists, maps and numbers are Python's way to write them."""
    if not isinstance(value, str):
        return value
    if value[:1] in "[{(" or value in ("True", "False") or value.lstrip("-").isdigit():
        return literal(value, what)
    return value
