"""Which decoder a manifest of pictures names, with its numbers.  Pure; others are added here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.inference.decoders.anomaly import (
    AnomalyMap,
    AnomalyRules,
    Normalisation,
    Reconstruction,
)
from edge_runtime.inference.decoders.boxes import BoxRules
from edge_runtime.inference.decoders.classification import Classification
from edge_runtime.inference.decoders.detection import Detection, FinishedHead, RawHead, Ssd
from edge_runtime.inference.decoders.embedding import Embedding
from edge_runtime.inference.decoders.grids import FastestdetHead, Grids, NanodetHead, YoloxHead
from edge_runtime.inference.decoders.maps import MapRules
from edge_runtime.inference.decoders.scores_boxes import ScoresAndBoxes
from edge_runtime.inference.decoders.segmentation import BoxesWithMasks, ClassIds, Semantic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_runtime.inference.decoders.decoder import PictureDecoder
    from edge_runtime.inference.engines.tensors import Tensor
    from edge_runtime.manifest import ImageInput, Manifest

MASKS = 32
"""Mask coefficients a box, in all of Ultralytics' exports."""
BOX_FORMS = {
    "yolov8": "centre",
    "yolov5": "centre",
    "end-to-end": "corners",
    "ssd": "yx-corners",
    "scores-boxes": "corners",
}
"""What four numbers of a box are, where ``output.box_form`` does not say."""
STRIDES = {"yolox": (8, 16, 32), "nanodet": (8, 16, 32, 64)}
_CUT_ALREADY = ("pred_label", "pred_mask")


def picture_decoder(manifest: Manifest, outputs: Sequence[Tensor] = ()) -> PictureDecoder:
    """The decoder of a manifest with ``[image]``; `outputs` are the model's, in its order."""
    assert manifest.image is not None
    if manifest.decoder in _MAKERS:
        return _MAKERS[manifest.decoder](manifest, manifest.image)
    if manifest.decoder == "anomaly-map":
        read = tuple(spec.dtype != np.bool_ and spec.name not in _CUT_ALREADY for spec in outputs)
        return AnomalyMap(_anomaly(manifest, manifest.image, "max"), read)
    if manifest.decoder == "embedding":
        return Embedding(manifest.output.unit_length)
    return Classification(tuple(manifest.labels), manifest.output.activation)


def _semantic(manifest: Manifest, image: ImageInput) -> PictureDecoder:
    return Semantic(
        tuple(manifest.labels),
        frozenset(manifest.ignore),
        manifest.output.activation,
        _maps(manifest, image),
        is_channels_last=image.layout == "NHWC",
    )


def _class_ids(manifest: Manifest, image: ImageInput) -> PictureDecoder:
    return ClassIds(
        tuple(manifest.labels),
        frozenset(manifest.ignore),
        manifest.output.first_class,
        _maps(manifest, image),
    )


def _reconstruction(manifest: Manifest, image: ImageInput) -> PictureDecoder:
    return Reconstruction(
        _anomaly(manifest, image, "mean"), is_channels_last=image.layout == "NHWC"
    )


def _detection(manifest: Manifest, image: ImageInput) -> PictureDecoder:
    output, count = manifest.output, len(manifest.labels)
    form = output.box_form or BOX_FORMS[manifest.decoder]
    if manifest.decoder == "ssd":
        is_ordered = bool(output.tensors)
        rules = _boxes(manifest, image)
        return Ssd(rules, output.first_class, is_ordered=is_ordered, form=form)
    if manifest.decoder == "end-to-end":
        finished = FinishedHead(count, output.first_class, form=form)
        return Detection(finished, _boxes(manifest, image), "one output [1, n, 6]")
    is_v5 = manifest.decoder == "yolov5"
    head = RawHead(count, output.activation, has_objectness=is_v5, form=form)
    sizes = f"[1, n, {head.rows}]" if head.has_objectness else f"[1, {head.rows}, n]"
    parts = "4 of the box, 1 of the object, " if head.has_objectness else "4 of the box, "
    return Detection(
        head, _boxes(manifest, image), f"one output {sizes}: {parts}{count} of the labels"
    )


def _grid_detection(manifest: Manifest, image: ImageInput) -> PictureDecoder:
    output, count = manifest.output, len(manifest.labels)
    if manifest.decoder == "fastestdet":
        one = FastestdetHead(count, (image.width, image.height))
        parts = f"1 of the object, 4 of the box, {count} of the labels"
        wants = f"one output [1, {one.rows}, h, w] of square cells: {parts}"
        return Detection(one, _boxes(manifest, image), wants)
    strides = output.strides or STRIDES[manifest.decoder]
    grids = Grids((image.width, image.height), tuple(strides))
    head: YoloxHead | NanodetHead
    if manifest.decoder == "nanodet":
        head = NanodetHead(count, grids, output.activation)
        parts = f"{count} of the labels, {4 * head.bins} of the borders"
    else:
        head = YoloxHead(count, grids, output.activation)
        parts = f"4 of the box, 1 of the object, {count} of the labels"
    wants = f"one output [1, {grids.count}, {head.rows}]: {parts}, for {grids} (output.strides)"
    return Detection(head, _boxes(manifest, image), wants)


def _scores_boxes(manifest: Manifest, image: ImageInput) -> PictureDecoder:
    output = manifest.output
    return ScoresAndBoxes(
        _boxes(manifest, image),
        output.box_form or BOX_FORMS[manifest.decoder],
        output.activation,
        output.first_class,
        is_ordered=bool(output.tensors),
    )


def _with_masks(manifest: Manifest, image: ImageInput) -> PictureDecoder:
    output, count = manifest.output, len(manifest.labels)
    head: RawHead | FinishedHead
    if manifest.decoder == "end-to-end-seg":
        head = FinishedHead(count, output.first_class, extra=MASKS)
        sizes = f"[1, n, {6 + MASKS}]"
    else:
        head = RawHead(count, output.activation, extra=MASKS)
        sizes = f"[1, {head.rows}, n]"
    return BoxesWithMasks(
        head,
        _boxes(manifest, image),
        _maps(manifest, image),
        f"boxes {sizes} and prototypes [1, {MASKS}, h, w]",
    )


def _boxes(manifest: Manifest, image: ImageInput) -> BoxRules:
    output = manifest.output
    usual = "fractions" if manifest.decoder in ("ssd", "scores-boxes") else "pixels"
    is_finished = manifest.decoder in ("end-to-end", "end-to-end-seg")
    return BoxRules(
        tuple(manifest.labels),
        (image.width, image.height),
        score_min=output.score_min,
        suppress="none" if is_finished else output.suppress,
        iou=output.iou,
        regions_max=output.regions_max,
        are_fractions=(output.coordinates or usual) == "fractions",
    )


def _maps(manifest: Manifest, image: ImageInput) -> MapRules:
    output = manifest.output
    return MapRules(
        (image.width, image.height),
        mask_min=output.mask_min,
        area_min_px=output.area_min_px,
        region_score=output.region_score,
        regions_max=output.regions_max,
    )


def _anomaly(manifest: Manifest, image: ImageInput, image_score: str) -> AnomalyRules:
    output = manifest.output
    return AnomalyRules(
        tuple(manifest.labels),
        Normalisation(
            output.image_threshold,
            output.pixel_threshold,
            output.minimum,
            output.maximum,
            output.map_minimum,
            output.map_maximum,
        ),
        _maps(manifest, image),
        output.image_score or image_score,
    )


_MAKERS = {
    "yolov5": _detection,
    "yolov8": _detection,
    "end-to-end": _detection,
    "ssd": _detection,
    "yolox": _grid_detection,
    "nanodet": _grid_detection,
    "fastestdet": _grid_detection,
    "scores-boxes": _scores_boxes,
    "yolov8-seg": _with_masks,
    "end-to-end-seg": _with_masks,
    "semantic": _semantic,
    "class-ids": _class_ids,
    "reconstruction": _reconstruction,
}
