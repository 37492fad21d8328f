"""OpenVINO's ``model_info``: in an IR's ``rt_info``, or in an ONNX file's ``metadata_props``.

The keys are those of Model API (``models/parameters.py``, ``models/image_model.py``): pixels are
taken as OpenCV reads them, (pixel - mean_values) / scale_values, channels turned round by
``reverse_input_channels``; in ONNX a key is ``model_info labels``, a list has blanks between.
Ultralytics' OpenVINO exports write the same (``export_openvino`` in their exporter).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge_runtime.errors import ModelError
from edge_runtime.importers import anomalib, heads, ultralytics
from edge_runtime.importers.labels import distinct

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_runtime.importers.draft import Draft

ORIGIN = "model_info"
_PREFIX = "model_info "
_EXPLANATIONS = ("saliency_map", "feature_vector")
"""Outputs that Model API puts beside the scores."""
_RESIZE: dict[str, dict[str, Any]] = {
    "standard": {"resize": "stretch"},
    "crop": {"resize": "crop"},
    "fit_to_window_letterbox": {"resize": "letterbox"},
    "fit_to_window": {"resize": "letterbox", "pad_at": "after"},
}
_YES = ("true", "yes", "1")


def from_props(metadata: Mapping[str, str]) -> dict[str, str]:
    """``metadata_props`` that are ``model_info``, without that word; empty if there are none."""
    return {
        key.removeprefix(_PREFIX): value
        for key, value in metadata.items()
        if key.startswith(_PREFIX)
    }


def with_info(draft: Draft, told: Mapping[str, str], name: str) -> Draft:
    """All that ``model_info`` says.  Raises `ModelError` for model types without a decoder."""
    labels = told.get("labels", "").split()
    draft = draft.with_facts(ORIGIN, labels=distinct(labels) if labels else None)
    kind = told.get("model_type", "").lower()
    draft = _with_picture(draft, told, name)
    if kind.startswith("yolo"):
        return _with_boxes(draft, told, name)
    if kind == "classification":
        return _with_classes(draft, told)
    if kind == "anomalydetection":
        return _with_anomalies(draft, told, name)
    if kind == "segmentation":
        return draft.with_facts(ORIGIN, task="segmentation", output={"decoder": "semantic"})
    if kind and not draft.knows("task"):
        raise ModelError(
            f"{name}: model_info's model_type '{told['model_type']}' has no decoder here; "
            "possible: YOLO, Classification, AnomalyDetection, Segmentation, or --task"
        )
    return draft


def _with_picture(draft: Draft, told: Mapping[str, str], name: str) -> Draft:
    image: dict[str, Any] = {}
    resize = told.get("resize_type")
    if resize is not None and resize not in _RESIZE and not draft.knows("image.resize"):
        raise ModelError(f"{name}: model_info's resize_type '{resize}' is not known; say --resize")
    if resize in _RESIZE:
        image |= _RESIZE[resize]
    if image.get("resize") == "letterbox":
        image["pad_value"] = int(_numbers(told, "pad_value", name, [0.0])[0])
    if told.get("reverse_input_channels", "").lower() in _YES:
        image["colour"] = "RGB"
    draft = draft.with_facts(ORIGIN, image=image)
    if told.get("model_type", "").lower() == "anomalydetection":
        return draft
    if told.get("embedded_processing", "").lower() in _YES:
        values = {"mean": [0.0], "scale": [1.0]}
        return draft.with_facts("model_info: the graph prepares pixels itself", image=values)
    values = {
        "mean": _numbers(told, "mean_values", name, [0.0]),
        "scale": [1 / value for value in _numbers(told, "scale_values", name, [1.0])],
    }
    draft = draft.with_facts(ORIGIN, image=values)
    return draft.suggesting(image={"colour": "BGR", "resize": "stretch"})


def _with_boxes(draft: Draft, told: Mapping[str, str], name: str) -> Draft:
    labels = draft.value("labels")
    task, decoder = draft.value("task") or "detection", draft.value("output.decoder")
    if decoder is None and labels and _has_masks(draft):
        task, decoder = "segmentation", ultralytics.head(draft.outputs, {}, "segment", len(labels))
    elif decoder is None:
        count = len(labels) if labels else None
        decoder = heads.box_decoder(draft.outputs, count, trial=draft.trial)
    if decoder is None:
        found = ", ".join(str(tensor) for tensor in draft.outputs)
        raise ModelError(
            f"{name}: model_info says YOLO, but its outputs are {found}; where "
            "you know better, say --labels, --decoder and --set output.tensors"
        )
    output: dict[str, Any] = {"decoder": decoder}
    if "confidence_threshold" in told:
        output["score_min"] = _numbers(told, "confidence_threshold", name, [])[0]
    if "iou_threshold" in told:
        output["iou"] = _numbers(told, "iou_threshold", name, [])[0]
    return ultralytics.with_masks_last(draft.with_facts(ORIGIN, task=task, output=output))


def _has_masks(draft: Draft) -> bool:
    axes = [len(tensor.shape) for tensor in draft.outputs]
    return draft.value("task") != "detection" and axes.count(3) == 1 and axes.count(4) == 1


def _with_classes(draft: Draft, told: Mapping[str, str]) -> Draft:
    scores = [tensor.name for tensor in draft.outputs if tensor.name not in _EXPLANATIONS]
    several = told.get("multilabel", "").lower() in _YES
    output: dict[str, Any] = {"activation": "sigmoid"} if several else {}
    if len(draft.outputs) > 1 and scores:
        output["tensors"] = scores[:1]
    return draft.with_facts(ORIGIN, task="image-classification", output=output)


def _with_anomalies(draft: Draft, told: Mapping[str, str], name: str) -> Draft:
    if anomalib.is_anomalib_2(draft.outputs):
        return anomalib.with_outputs(draft)
    (scale,) = _numbers(told, "normalization_scale", name, [1.0])
    metadata: dict[str, Any] = {
        "image_threshold": _numbers(told, "image_threshold", name, [0.5])[0],
        "min": 0.0,
        "max": scale,
    }
    if "pixel_threshold" in told:
        metadata["pixel_threshold"] = _numbers(told, "pixel_threshold", name, [])[0]
    return anomalib.with_metadata(draft, metadata, name)


def _numbers(told: Mapping[str, str], key: str, name: str, default: list[float]) -> list[float]:
    text = told.get(key, "").strip("[] ").replace(",", " ")
    if not text:
        return default
    try:
        found = [float(word) for word in text.split()]
    except ValueError as exc:
        raise ModelError(f"{name}: model_info's {key} is '{told[key]}', no numbers") from exc
    if key == "scale_values" and not all(found):
        raise ModelError(f"{name}: model_info's scale_values hold a 0")
    return found
