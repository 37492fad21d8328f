"""An ONNX, TFLite or OpenVINO file that says nothing of itself but its tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_runtime.importers import labels, shapes
from edge_runtime.importers.draft import Draft
from edge_runtime.inference.files.onnx import read_onnx
from edge_runtime.inference.files.tflite import read_tflite

if TYPE_CHECKING:
    from edge_runtime.importers.given import Given
    from edge_runtime.inference.files.onnx import OnnxFile
    from edge_runtime.inference.files.tflite import TfliteFile


def onnx_draft(given: Given, file: OnnxFile, kind: str = "plain ONNX") -> Draft:
    """What any ONNX file says."""
    return Draft(
        kind=kind,
        files={"model.onnx": given.data},
        inputs=file.inputs,
        outputs=file.outputs,
        facts=given.said,
    )


def tflite_draft(given: Given, file: TfliteFile, kind: str = "plain TFLite") -> Draft:
    """What any TFLite file says."""
    return Draft(
        kind=kind,
        files={"model.tflite": given.data},
        inputs=file.inputs,
        outputs=file.outputs,
        facts=given.said,
    )


def with_plain_facts(draft: Draft, given: Given, last_operators: dict[str, str]) -> Draft:
    """What shapes, the last operator and files beside the model say; the last reader of all."""
    draft = shapes.with_shapes(draft)
    found = shapes.activation(draft.outputs, last_operators)
    if found is not None and not draft.knows("output.activation"):
        draft = draft.with_facts("the graph's last operator", output={"activation": found})
    likely = shapes.suggested_activation(draft.outputs, last_operators)
    draft = draft.suggesting(output={"activation": likely})
    if not draft.knows("labels"):
        listed = labels.beside(given, labels.classes(draft.outputs))
        if listed is not None:
            draft = draft.with_facts(f"{listed[1]} beside it", labels=listed[0])
    if not draft.knows("task") and draft.knows("image.width") and labels.classes(draft.outputs):
        draft = draft.suggesting(task="image-classification")
    return draft.with_facts("the file's name", name=labels.slug(given.stem)).with_facts(
        "the first of its name", version="1.0.0"
    )


def read(given: Given) -> tuple[Draft, dict[str, str]]:
    """A draft that only knows tensors, and the operators that outputs come from."""
    if given.suffix == ".onnx":
        onnx = read_onnx(given.data, given.name)
        return onnx_draft(given, onnx), onnx.last_operators
    tflite = read_tflite(given.data, given.name)
    return tflite_draft(given, tflite), tflite.last_operators
