"""``[output]``: how output tensors become an answer."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from edge_runtime.manifest.table import Table

DecoderName = Literal[
    "classification",
    "yolov5",
    "yolov8",
    "end-to-end",
    "ssd",
    "yolox",
    "nanodet",
    "fastestdet",
    "scores-boxes",
    "semantic",
    "class-ids",
    "yolov8-seg",
    "end-to-end-seg",
    "anomaly-map",
    "reconstruction",
    "embedding",
]
DECODERS: dict[str, tuple[DecoderName, ...]] = {
    "image-classification": ("classification",),
    "tile-classification": ("classification",),
    "detection": (
        "yolov8",
        "yolov5",
        "end-to-end",
        "ssd",
        "yolox",
        "nanodet",
        "fastestdet",
        "scores-boxes",
    ),
    "segmentation": ("semantic", "class-ids", "yolov8-seg", "end-to-end-seg"),
    "anomaly": ("anomaly-map", "reconstruction"),
    "embedding": ("embedding",),
}
"""Those that a task on pictures may name; the first is its default."""

Fraction = Annotated[float, Meta(ge=0.0, le=1.0)]


class Decoder(Table, frozen=True, kw_only=True):
    """``[output]``: how the (dequantised) output tensors become an answer.

    Keys that the decoder has no use for are left alone.  See docs/models.md for each decoder.
    """

    decoder: Annotated[DecoderName, Meta(description="default: the task's own")] | None = None
    activation: Annotated[
        Literal["none", "softmax", "sigmoid"],
        Meta(description="applied to the labels' outputs; none: already probabilities"),
    ] = "none"
    tensors: Annotated[
        tuple[str, ...],
        Meta(description="the output tensors that are read, in the decoder's order; none: all"),
    ] = ()
    score_min: Annotated[
        Fraction, Meta(description="detection: a box below this is none, whatever the rules say")
    ] = 0.25
    suppress: Annotated[
        Literal["per_label", "across_labels", "none"],
        Meta(description="boxes that a better one overlaps are dropped: among its label, or all"),
    ] = "per_label"
    iou: Annotated[
        Fraction, Meta(description="suppress: from above this intersection over union")
    ] = 0.7
    regions_max: Annotated[int, Meta(ge=1, le=10000, description="the best that are kept")] = 300
    coordinates: (
        Annotated[
            Literal["pixels", "fractions"],
            Meta(
                description="boxes are in pixels of the model's input, or 0..1; "
                "default: pixels, of ssd and scores-boxes fractions"
            ),
        ]
        | None
    ) = None
    first_class: Annotated[
        int,
        Meta(
            ge=0,
            le=1000,
            description="class id that stands for the first label; scores-boxes: its column",
        ),
    ] = 0
    box_form: (
        Annotated[
            Literal["corners", "yx-corners", "centre", "corner-size"],
            Meta(
                description="four numbers of a box: x0 y0 x1 y1; y0 x0 y1 x1; x y width height "
                "around the middle; x0 y0 width height; default: the decoder's own"
            ),
        ]
        | None
    ) = None
    strides: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=1024)], ...],
        Meta(
            max_length=16,
            description="yolox, nanodet: px a cell of each grid; default: 8 16 32, nanodet also 64",
        ),
    ] = ()
    mask_min: Annotated[
        Fraction, Meta(description="a pixel from here on belongs to its region")
    ] = 0.5
    area_min_px: Annotated[
        float, Meta(ge=0, description="smaller regions are dropped; pixels of the original")
    ] = 0.0
    region_score: Annotated[
        Literal["max", "mean"], Meta(description="of the pixels in a region of a map")
    ] = "max"
    image_threshold: Annotated[
        float | None, Meta(description="anomaly: the raw score that becomes 0.5")
    ] = None
    pixel_threshold: Annotated[
        float | None, Meta(description="the same for the map; default: image_threshold")
    ] = None
    image_score: Annotated[
        Literal["max", "mean"] | None,
        Meta(
            description="anomaly: of the map, where the model gives no score; "
            "default: max, of a reconstruction mean"
        ),
    ] = None
    minimum: Annotated[float, Meta(description="anomaly: lowest raw value seen")] = 0.0
    maximum: Annotated[float, Meta(description="anomaly: highest raw value seen")] = 1.0
    map_minimum: Annotated[
        float | None, Meta(description="the same for the map; default: minimum")
    ] = None
    map_maximum: Annotated[
        float | None, Meta(description="the same for the map; default: maximum")
    ] = None
    unit_length: Annotated[
        bool, Meta(description="embedding: values are divided by their Euclidean length")
    ] = True
