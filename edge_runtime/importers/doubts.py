"""Whether the boxes of a detector that was just added make sense, over noise and samples.

A decoder that fits by its shapes may read other numbers than the head gives: then all boxes lie in
a corner, or none on the picture.  What is told here refuses nothing: a network may be odd.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from edge_runtime.errors import ItemError
from edge_runtime.files import image as image_file
from edge_runtime.inference.decoders import picture_decoder
from edge_runtime.inference.engines.tensors import to_real
from edge_runtime.inference.pictures.preprocess import Preprocess

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edge_runtime.inference.decoders import PictureDecoder
    from edge_runtime.inference.engines.tensors import Tensor
    from edge_runtime.inference.pictures.placement import Placement
    from edge_runtime.inference.runner import LoadedModel
    from edge_runtime.manifest import ImageInput
    from edge_runtime.types import Region

_SEED, _GRAIN_PX = 11, 8
_CORNER_PX, _CORNER_SHARE = 4.0, 0.02
_ALL = 10_000
_FINISHED = ("end-to-end", "ssd")
"""Heads that fill unused places with zeros: no box on noise means nothing."""
_ADVICE = "look at output.decoder, output.coordinates and output.box_form"


def doubts_of(model: LoadedModel, samples: Sequence[Path], given: Tensor) -> list[str]:
    """Sentences for a person; empty where nothing is odd, or the model finds no boxes.

    `given` is the input that pixels go into.  Raises `ItemError` for a sample that cannot be read.
    """
    manifest, image = model.manifest, model.manifest.image
    if manifest.task != "detection" or image is None:
        return []
    raw: list[list[NDArray[np.generic]]] = []
    runner = model.picture_runner(tap=lambda found: raw.append([values.copy() for values in found]))
    specs = list(model.outputs_read())
    everything = msgspec.structs.replace(
        manifest,
        output=msgspec.structs.replace(
            manifest.output, score_min=-1e9, suppress="none", regions_max=_ALL
        ),
    )
    decoder = picture_decoder(everything, specs)
    preprocess, regions, told = Preprocess(image, given), list[tuple[Any, ...]](), set[str]()
    for pixels in _pictures(image, samples):
        raw.clear()
        try:
            runner.frame(pixels)
        except ItemError as exc:
            told.add(f"On a picture it answers what cannot be read: {exc}.")
        if raw:
            real = [to_real(values, spec) for values, spec in zip(raw[-1], specs, strict=True)]
            size = (pixels.shape[1], pixels.shape[0])
            placement = preprocess.placement(*size)
            found = _decoded(decoder, real, placement, told)
            regions += [(region, size) for region in found]
    return sorted(told) + _of_places(regions, manifest.decoder, has_read=not told)


def _pictures(image: ImageInput, samples: Sequence[Path]) -> Iterator[NDArray[np.uint8]]:
    """Coarse noise of the input's own proportions, so that there are no bars; then samples."""
    cells = (-(-image.height // _GRAIN_PX), -(-image.width // _GRAIN_PX), 3)
    noise = np.random.default_rng(_SEED).integers(0, 256, cells, np.uint8)
    large = noise.repeat(_GRAIN_PX, axis=0).repeat(_GRAIN_PX, axis=1)
    yield np.ascontiguousarray(large[: image.height, : image.width])
    for sample in samples:
        yield image_file.read_image(sample)


def _decoded(
    decoder: PictureDecoder, real: list[NDArray[np.float32]], placement: Placement, told: set[str]
) -> Sequence[Region]:
    try:
        return decoder.decode(real, placement).regions
    except ItemError as exc:
        told.add(f"Its raw answer to a picture is odd: {exc}.")
        return ()


def _of_places(
    found: Sequence[tuple[Region, tuple[int, int]]], decoder: str, *, has_read: bool
) -> list[str]:
    if not found:
        if decoder in _FINISHED or not has_read:
            return []
        return [
            (
                f"Not one of the boxes that the decoder '{decoder}' reads on noise lies on the "
                f"picture: {_ADVICE}."
            )
        ]
    far = max(max(r.x1 / _corner_px(w), r.y1 / _corner_px(h)) for r, (w, h) in found)
    if far > 1:
        return []
    across = max(max(r.x1, r.y1) for r, _ in found)
    return [
        (
            f"Every one of the {len(found)} boxes that the decoder '{decoder}' reads lies within "
            f"{across} px of the picture's upper left corner: it is probably the wrong decoder or "
            f"unit; {_ADVICE}."
        )
    ]


def _corner_px(side: int) -> float:
    return max(_CORNER_PX, _CORNER_SHARE * side)
