"""Exports of Ultralytics' programs: v5, v8, 11, 26 and their like, as ONNX and TFLite.

What they write into ``metadata_props`` (ONNX) and into a zip behind the model (TFLite:
``metadata.json``, before that ``temp_meta.txt``) is in ``ultralytics/engine/exporter.py``, what
they do to a picture in ``ultralytics/data/augment.py``: detectors take RGB / 255 letterboxed
with grey 114, RT-DETR stretched, classifiers the shorter side scaled and the middle cut out.
YOLOv5's own export writes ``stride`` and ``names`` only, and up to 6.1 gives its three grids beside
the boxes.
"""

from __future__ import annotations

import ast
import json
from typing import TYPE_CHECKING, Any

from edge_runtime.errors import ModelError
from edge_runtime.importers.labels import distinct, named

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
_IMAGENET_MEAN = (123.675, 116.28, 103.53)
_IMAGENET_SCALE = (1 / 58.395, 1 / 57.12, 1 / 57.375)
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


def size_of(metadata: Mapping[str, Any]) -> tuple[int, int] | None:
    """(width, height) that the metadata say; None where they say none that makes sense."""
    try:
        size = _plain(metadata.get("imgsz"), "imgsz")
        height, width = (size, size) if isinstance(size, int) else size
        return int(width), int(height)
    except (ModelError, ValueError, TypeError):
        return None


def with_metadata(draft: Draft, metadata: Mapping[str, Any], name: str) -> Draft:
    """All that the metadata say, where no option said it before.

    Raises `ModelError` for tasks and outputs that have no decoder here, naming the options that go
    before the metadata.
    """
    told = {key: _plain(value, f"{name}: {key}") for key, value in metadata.items()}
    try:
        labels = distinct(named(told["names"]))
    except (ValueError, TypeError) as exc:
        if not draft.knows("labels"):
            raise ModelError(f"{name}: its names are no list of labels: {exc}") from exc
        labels = None
    draft = draft.with_facts(ORIGIN, labels=labels)
    task = _task(draft, told, name)
    if task is None:
        return _with_provenance(draft, told)
    draft = draft.with_facts(ORIGIN if "task" in told else "outputs", task=_TASKS[task])
    draft = _with_picture(draft, told, task, name)
    if task != "classify":
        draft = _with_boxes(draft, told, task, name)
    elif "task" in told:
        draft = draft.with_facts(
            "Ultralytics classifiers end in a softmax", output={"activation": "none"}
        )
    return _with_provenance(draft, told)


def _task(draft: Draft, told: Mapping[str, Any], name: str) -> str | None:
    """Its word for the task; None for one that a person chose and it has no word for."""
    if draft.knows("task"):
        chosen = draft.value("task")
        return next((word for word, task in _TASKS.items() if task == chosen), None)
    task: str = told.get("task", "detect")
    if task not in _TASKS:
        raise ModelError(
            f"{name}: Ultralytics task '{task}' has no decoder here; possible: "
            f"{', '.join(_TASKS)}, or --task and --decoder where its outputs are those of another"
        )
    return task


def _with_picture(draft: Draft, told: Mapping[str, Any], task: str, name: str) -> Draft:
    image: dict[str, Any] = {}
    size = None if draft.size else told.get("imgsz")
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
        if "task" not in told:  # YOLOv5's classifiers are fed as torchvision's are
            image = {"mean": list(_IMAGENET_MEAN), "scale": list(_IMAGENET_SCALE)}
        image |= {"resize": "crop", "interpolation": "antialias"}
        if draft.value("image.width") == draft.value("image.height"):
            image["crop_from"] = draft.value("image.width")
    elif _is_rtdetr(draft, told):
        image |= {"resize": "stretch", "interpolation": "linear"}
    else:
        image |= {"resize": "letterbox", "pad_value": _GREY, "interpolation": "linear"}
    return draft.with_facts(PRACTICE, image=image)


def _with_boxes(draft: Draft, told: Mapping[str, Any], task: str, name: str) -> Draft:
    count = len(draft.value("labels") or ())
    if not draft.knows("output.decoder"):
        decoder = head(draft.outputs, told, task, count)
        if decoder is None:
            shapes = ", ".join(str(tensor) for tensor in draft.outputs)
            raise ModelError(
                f"{name}: outputs {shapes} are none that {count} labels make of task '{task}'; "
                "where you know better, say --labels, --decoder and --set output.tensors"
            )
        origin = "the outputs' shapes and Ultralytics metadata"
        draft = draft.with_facts(origin, output={"decoder": decoder})
    decoder = draft.value("output.decoder")
    if decoder.startswith("end-to-end"):
        draft = draft.with_facts("it needs none", output={"suppress": "none"})
    if decoder == "yolov8" and _is_rtdetr(draft, told):
        draft = draft.with_facts(
            "RT-DETR gives fractions, each object once",
            output={"coordinates": "fractions", "suppress": "none"},
        )
    if draft.file.endswith(".tflite"):
        # The converter divides boxes by the picture's size; `AutoBackend` multiplies again.
        draft = draft.with_facts("Ultralytics' TFLite exports", output={"coordinates": "fractions"})
    return with_masks_last(draft)


def _is_rtdetr(draft: Draft, told: Mapping[str, Any]) -> bool:
    """By its name, or because a box is a row: ``[1, n, 4 + labels]``, which no YOLO gives."""
    if "rtdetr" in str(told.get("description", "")).lower().replace("-", ""):
        return True
    if told.get("task", "detect") != "detect":
        return False
    numbers = 4 + len(draft.value("labels") or ())
    boxes = [tensor.shape for tensor in draft.outputs if len(tensor.shape) == 3]
    return (
        numbers != _END_TO_END_COLUMNS
        and len(boxes) == 1
        and boxes[0][2] == numbers
        and boxes[0][1] != numbers
    )


def with_masks_last(draft: Draft) -> Draft:
    """Of boxes (three axes) and masks (four), the boxes are read first; others are not."""
    boxes = [tensor.name for tensor in draft.outputs if len(tensor.shape) == 3]
    masks = [tensor.name for tensor in draft.outputs if len(tensor.shape) == 4]
    if len(boxes) != 1 or len(masks) != 1 or not str(draft.value("output.decoder")).endswith("seg"):
        return draft
    return draft.with_facts("the outputs' shapes", output={"tensors": [*boxes, *masks]})


def head(outputs: Sequence[Tensor], told: Mapping[str, Any], task: str, labels: int) -> str | None:
    """The decoder of such outputs, None where no labels make them.

    (1, 4 + labels [+ masks], boxes), (1, boxes, 5 + labels), RT-DETR's (1, boxes, 4 + labels) or
    (1, kept, 6 [+ masks]).  What stands beside them, such as the three grids that YOLOv5 up to 6.1
    exports too, is not read.
    """
    found = {
        decoder
        for tensor in outputs
        if len(tensor.shape) == 3
        and (decoder := _of_boxes(tensor.shape, told, task, labels)) is not None
    }
    has_masks = sum(len(tensor.shape) == 4 for tensor in outputs) == 1
    if len(found) != 1 or (task == "segment" and not has_masks):
        return None
    return found.pop()


def _of_boxes(
    shape: Sequence[int | None], told: Mapping[str, Any], task: str, labels: int
) -> str | None:
    _, rows, columns = shape
    arguments = told.get("args")
    has_nms = isinstance(arguments, dict) and bool(arguments.get("nms"))
    masks = 32 if task == "segment" else 0
    tail = "-seg" if masks else ""
    if told.get("end2end") is True or has_nms:
        return f"end-to-end{tail}" if columns == _END_TO_END_COLUMNS + masks else None
    is_named = "rtdetr" in str(told.get("description", "")).lower().replace("-", "")
    if rows == 4 + labels + masks or (is_named and columns == 4 + labels):
        return f"yolov8{tail}"
    if columns == 5 + labels and not masks:
        return "yolov5"
    if columns == _END_TO_END_COLUMNS + masks:
        return f"end-to-end{tail}"
    return "yolov8" if columns == 4 + labels and not masks else None


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
