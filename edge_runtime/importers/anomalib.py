"""Exports of Anomalib as ONNX (and OpenVINO IR).

2.x keeps everything in the graph: it takes RGB / 255, resizes and normalises by itself, and gives
``pred_score``, ``pred_label``, ``anomaly_map``, ``pred_mask`` scaled so that the threshold is 0.5
(``models/components/base/export_mixin.py``).  1.x and 0.x give a raw map and write thresholds and
the range seen into ``metadata.json`` beside it: ``min`` and ``max``, from 1.1 on of ``pred_scores``
and ``anomaly_maps`` each.  0.x also writes the transform, which is then not in the graph
(``deploy/export.py`` of those versions).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from edge_runtime.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge_runtime.importers.draft import Draft
    from edge_runtime.importers.given import Given
    from edge_runtime.inference.engines.tensors import Tensor

GOOD, BAD = "normal", "anomalous"
_METADATA = "metadata.json"
_OUTPUTS = frozenset({"pred_score", "anomaly_map", "pred_label", "pred_mask"})
_THRESHOLD = 0.5


def is_anomalib_2(outputs: Sequence[Tensor]) -> bool:
    """By the outputs' names."""
    names = {tensor.name for tensor in outputs}
    return names <= _OUTPUTS and bool(names & {"pred_score", "anomaly_map"})


def metadata_beside(given: Given) -> dict[str, Any] | None:
    """``metadata.json`` of 1.x and 0.x, None where there is none.  Raises `ModelError`."""
    data = given.beside.get(_METADATA)
    if data is None:
        return None
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as exc:
        raise ModelError(f"{given.name}: {_METADATA} beside it is not JSON: {exc}") from exc
    if isinstance(found, dict) and "image_threshold" in found:
        return found
    return None


def with_outputs(draft: Draft) -> Draft:
    """2.x."""
    names = [tensor.name for tensor in draft.outputs]
    read = [name for name in ("anomaly_map", "pred_score") if name in names]
    draft = _with_picture(draft, "Anomalib 2 prepares pictures in the graph")
    draft = draft.with_facts("the outputs' names", output={"tensors": read})
    return _with_task(draft, "the outputs' names")


def with_metadata(draft: Draft, metadata: Mapping[str, Any], name: str) -> Draft:
    """1.x and 0.x.  Raises `ModelError` for metadata that make no sense."""
    scores, maps = _ranges(metadata, draft, name)
    threshold = _number(metadata, "image_threshold", name)
    output = {
        "image_threshold": threshold,
        "pixel_threshold": _number(metadata, "pixel_threshold", name, threshold),
        "minimum": scores[0],
        "maximum": scores[1],
        "tensors": [draft.outputs[0].name],
    }
    if maps != scores:
        output |= {"map_minimum": maps[0], "map_maximum": maps[1]}
    draft = draft.with_facts(_METADATA, output=output)
    transform = metadata.get("transform")
    if isinstance(transform, dict):
        draft = draft.with_facts(f"transform in {_METADATA}", image=_normalised(transform, name))
    return _with_task(_with_picture(draft, "Anomalib 1 prepares pictures in the graph"), _METADATA)


def _with_picture(draft: Draft, origin: str) -> Draft:
    image = {"colour": "RGB", "mean": [0.0], "scale": [1 / 255], "resize": "stretch"}
    draft = draft.with_facts(origin, image=image)
    # Anomalib trains and validates with antialiasing, which its exports leave out.  Of one STFPM
    # model and a 640 x 360 picture: 0.522 as validated, 0.503 by its export, 0.519 by this.
    return draft.with_facts(
        "Anomalib trains with antialiasing", image={"interpolation": "antialias"}
    )


def _with_task(draft: Draft, origin: str) -> Draft:
    draft = draft.with_facts(origin, task="anomaly", output={"decoder": "anomaly-map"})
    draft = draft.with_facts("Anomalib's two classes", labels=[GOOD, BAD])
    return draft.with_facts(
        "Anomalib scales scores so", reject={draft.value("labels")[-1]: _THRESHOLD}
    )


def _ranges(
    metadata: Mapping[str, Any], draft: Draft, name: str
) -> tuple[tuple[float, float], tuple[float, float]]:
    """(lowest, highest) of scores and of maps: from 1.1 on each has its own, before one had both.

    What an option said of the score stays.
    """
    given = (draft.value("output.minimum"), draft.value("output.maximum"))
    both = given if None not in given else _range(metadata, "min", "max", name)
    scores = _range(metadata, "pred_scores.min", "pred_scores.max", name) or both
    maps = _range(metadata, "anomaly_maps.min", "anomaly_maps.max", name) or both
    scores, maps = scores or maps, maps or scores
    if scores is None or maps is None:
        raise ModelError(
            f"{name}: {_METADATA} has no min and max: exported without normalisation, its scores "
            "have no scale; export again with min-max normalisation"
        )
    return scores, maps


def _range(
    metadata: Mapping[str, Any], low: str, high: str, name: str
) -> tuple[float, float] | None:
    if low not in metadata or high not in metadata:
        return None
    return _number(metadata, low, name), _number(metadata, high, name)


def _number(
    metadata: Mapping[str, Any], key: str, name: str, default: float | None = None
) -> float:
    value = metadata.get(key, default)
    while isinstance(value, list) and len(value) == 1:
        (value,) = value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ModelError(f"{name}: {_METADATA}: {key} is no number")
    return float(value)


def _normalised(transform: Mapping[str, Any], name: str) -> dict[str, Any]:
    """``Normalize`` of an Albumentations dump: (pixel / max - mean) / std.

    Raises `ModelError` for steps that change what is seen and are not understood.
    """
    found: dict[str, Any] = {}
    steps = transform.get("transform", transform).get("transforms", [])
    for step in steps:
        kind = str(step.get("__class_fullname__", "")).rpartition(".")[2]
        if kind == "Normalize":
            top = float(step.get("max_pixel_value", 255.0))
            found["mean"] = [float(m) * top for m in step["mean"]]
            found["scale"] = [1 / (float(s) * top) for s in step["std"]]
        elif kind not in ("Resize", "ToTensorV2"):
            raise ModelError(f"{name}: {_METADATA} has the transform {kind}, which is not known")
    return found
