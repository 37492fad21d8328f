"""``[image]`` and ``[tiles]``: how a picture becomes the input tensor."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from edge_runtime.manifest.table import Table

Level = Annotated[int, Meta(ge=0, le=255)]


class ImageInput(Table, frozen=True, kw_only=True):
    """``[image]``: how a BGR picture becomes the input tensor.

    tensor = (pixel - mean) * scale, channel by channel, pixel in 0..255, in the order of `colour`;
    then, where the model's input is quantised, q = round(tensor / q_scale) + q_zero.
    """

    width: Annotated[int, Meta(ge=1, le=8192)]
    height: Annotated[int, Meta(ge=1, le=8192)]
    layout: Literal["NCHW", "NHWC"]
    colour: Literal["RGB", "BGR", "GRAY"] = "RGB"
    resize: Literal["stretch", "letterbox", "crop"] = "stretch"
    crop_from: Annotated[
        int,
        Meta(
            ge=0,
            le=16384,
            description="crop: the shorter side is scaled to so many pixels first, then the middle "
            "is cut out; 0: the largest middle part that fits is scaled",
        ),
    ] = 0
    interpolation: Annotated[
        Literal["nearest", "linear", "area", "cubic", "antialias"],
        Meta(description="OpenCV's; antialias: Pillow's and torchvision's bilinear"),
    ] = "linear"
    pad_value: Annotated[Level, Meta(description="letterbox: grey of the bars")] = 114
    pad_colour: Annotated[
        tuple[Level, ...],
        Meta(description="letterbox: the bars' colour in the order of `colour`, if not grey"),
    ] = ()
    pad_at: Annotated[
        Literal["around", "after"],
        Meta(description="letterbox: bars on both sides, or only to the right and below"),
    ] = "around"
    mean: tuple[float, ...] = (0.0,)
    scale: tuple[float, ...] = (1.0 / 255.0,)


class Tiles(Table, frozen=True, kw_only=True):
    """``[tiles]``: the picture is cut into tiles, each is classified, the worst decides.

    Tiles are `width` x `height` pixels of the picture after it was resized so that its longer side
    is `longer_side` (never enlarged; 0: not resized), `stride` apart, the last row and column
    moved in to end at the border.

    With `cell`, the model takes the resized picture as a whole, its right and lower border repeated
    up to whole cells, and answers for every cell: [1, rows, columns, labels], or [1, labels, rows,
    columns] where ``image.layout`` is NCHW.  A tile then is so many cells, as bad as its worst
    one, and regions are made of cells.
    """

    width: Annotated[int, Meta(ge=8, le=4096)]
    height: Annotated[int, Meta(ge=8, le=4096)]
    stride: Annotated[int, Meta(ge=4, le=4096)]
    longer_side: Annotated[int, Meta(ge=0, le=16384)] = 0
    batch: Annotated[int, Meta(ge=1, le=1024, description="tiles in one run of the model")] = 1
    cell: Annotated[
        int,
        Meta(
            ge=0,
            le=256,
            description="side in pixels of what a model of whole pictures answers for; 0: tiles",
        ),
    ] = 0
    positive: Annotated[str, Meta(description="the label that a tile is scored by")]
