"""Whether a model file is what its manifest describes: shapes, dtypes, number of labels.  Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.errors import ModelError
from edge_runtime.inference.decoders import picture_decoder
from edge_runtime.inference.engines.tensors import fitted_shape
from edge_runtime.manifest import STREAMING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_runtime.inference.engines.tensors import Tensor
    from edge_runtime.manifest import Manifest

_INPUT_DTYPES = ("float32", "float16", "uint8", "int8", "uint16", "int16")


def check_fit(manifest: Manifest, given: Tensor, name: str) -> None:
    """Refuse a model whose input, `given`, is not what the manifest makes.

    Raises `ModelError`; `name` is for messages.
    """
    if given.dtype.name not in _INPUT_DTYPES:
        raise ModelError(
            f"{name}: the model's input is {given}; supported are {', '.join(_INPUT_DTYPES)}"
        )
    if manifest.tiles and manifest.tiles.cell and not _is_size_open(manifest, given):
        raise ModelError(
            f"{name}: the model's input is {given}; with tiles.cell the model takes pictures of "
            "any size: export it with open height and width"
        )
    wanted, section, accepts = _wanted(manifest, given)
    if not accepts and manifest.image is not None:
        _check_batch(manifest, given, name)
    if not accepts:
        raise ModelError(
            f"{name}: the manifest says {list(wanted)}, the model's input is {given}; "
            f"correct {section} in model.toml"
        )


def sample_tensor(manifest: Manifest, given: Tensor) -> NDArray[np.generic]:
    """Zeros of the shape that the manifest makes."""
    if manifest.image is None:
        return np.zeros(feature_tensor_shape(manifest, given), given.dtype)
    return np.zeros(
        picture_tensor_shape(manifest, given) or image_tensor_shape(manifest), given.dtype
    )


def check_answer(
    manifest: Manifest, outputs: Sequence[Tensor], shapes: Sequence[Sequence[int]], name: str
) -> None:
    """Refuse outputs that the decoder cannot read; `shapes` are those of a real run.

    Raises `ModelError`.
    """
    if manifest.image is not None and manifest.decoder != "classification":
        _check_picture_answer(manifest, outputs, shapes, name)
        return
    if manifest.image is None and manifest.task in ("anomaly", "embedding"):
        _check_number_answer(manifest, outputs, shapes, name)
        return
    if manifest.tiles and manifest.tiles.cell:
        _check_cells(manifest, outputs[0], shapes[0], name)
        return
    batch = manifest.tiles.batch if manifest.tiles else 1
    count = math.prod(shapes[0])
    if manifest.task in STREAMING and count == 1 and len(manifest.labels) == 2:
        return  # it is the second label's
    if count != batch * len(manifest.labels):
        each = f" for a batch of {batch}" if batch > 1 else ""
        raise ModelError(
            f"{name}: the manifest has {len(manifest.labels)} labels, the model's output is "
            f"'{outputs[0].name}' {list(shapes[0])} {outputs[0].dtype}{each}; correct labels in "
            "model.toml"
        )


def _check_number_answer(
    manifest: Manifest, outputs: Sequence[Tensor], shapes: Sequence[Sequence[int]], name: str
) -> None:
    count, given = math.prod(shapes[0]), math.prod(feature_shape(manifest))
    if manifest.task == "anomaly" and count not in (1, given):
        raise ModelError(
            f"{name}: an anomaly model answers with one score, or with as many numbers as it is "
            f"given, {given}; the model's output is '{outputs[0].name}' {list(shapes[0])}"
        )


def _check_picture_answer(
    manifest: Manifest, outputs: Sequence[Tensor], shapes: Sequence[Sequence[int]], name: str
) -> None:
    wanted = picture_decoder(manifest, outputs).mismatch(shapes)
    if wanted:
        found = ", ".join(
            f"'{spec.name}' {list(shape)} {spec.dtype}"
            for spec, shape in zip(outputs, shapes, strict=True)
        )
        raise ModelError(
            f"{name}: decoder '{manifest.decoder}' with {len(manifest.labels)} labels wants "
            f"{wanted}; the model's outputs are {found}; correct [output] or labels in model.toml"
        )


def cells_shape(manifest: Manifest, width: int, height: int) -> tuple[int, ...]:
    """The output for a picture of whole cells, `width` x `height` pixels, by the input's layout."""
    assert manifest.image is not None
    assert manifest.tiles is not None
    cell, labels = manifest.tiles.cell, len(manifest.labels)
    if manifest.image.layout == "NCHW":
        return (1, labels, height // cell, width // cell)
    return (1, height // cell, width // cell, labels)


def _check_cells(manifest: Manifest, made: Tensor, shape: Sequence[int], name: str) -> None:
    assert manifest.image is not None
    wanted = cells_shape(manifest, manifest.image.width, manifest.image.height)
    if tuple(shape) != wanted:
        raise ModelError(
            f"{name}: the manifest's cells and labels are {list(wanted)} for a picture of "
            f"{manifest.image.width} x {manifest.image.height}, the model's output is "
            f"'{made.name}' {list(shape)}; correct tiles.cell or labels in model.toml"
        )


def _is_size_open(manifest: Manifest, given: Tensor) -> bool:
    assert manifest.image is not None
    axes = (2, 3) if manifest.image.layout == "NCHW" else (1, 2)
    return len(given.shape) == 4 and all(given.shape[axis] is None for axis in axes)


def image_tensor_shape(manifest: Manifest) -> tuple[int, ...]:
    """The tensor that ``[image]`` and ``[tiles]`` make."""
    assert manifest.image is not None
    image = manifest.image
    batch = manifest.tiles.batch if manifest.tiles else 1
    channels = 1 if image.colour == "GRAY" else 3
    if image.layout == "NCHW":
        return (batch, channels, image.height, image.width)
    return (batch, image.height, image.width, channels)


def picture_tensor_shape(manifest: Manifest, given: Tensor) -> tuple[int, ...] | None:
    """The model's own axes for what ``[image]`` makes; None where it does not go in.

    ``[1, 1, 28, 28]`` also goes, as the same numbers in the same order, into ``[1, 28, 28]``,
    ``[28, 28]`` and ``[1, 784]``; colours and tiles go in as their layout says.
    """
    shape = image_tensor_shape(manifest)
    if given.accepts(shape):
        return shape
    assert manifest.image is not None
    has_colours = len(given.shape) == len(shape) and manifest.image.colour != "GRAY"
    if manifest.tiles is not None or has_colours:
        return None
    return fitted_shape(shape[1:], given.shape)


def _check_batch(manifest: Manifest, given: Tensor, name: str) -> None:
    """Refuse an export for several pictures at a time in words of its own."""
    wanted, batch = image_tensor_shape(manifest), given.shape[0] if given.shape else None
    if batch in (None, 1) or not given.accepts((batch, *wanted[1:])):
        return
    advice = "export it again for one picture at a time (batch 1, or an open batch)"
    if manifest.tiles is not None:
        advice = f"set tiles.batch = {batch} in model.toml"
    raise ModelError(
        f"{name}: the model was exported for {batch} pictures at a time, its input is {given}; "
        f"here it is given {wanted[0]}: {advice}"
    )


def feature_tensor_shape(manifest: Manifest, given: Tensor) -> tuple[int, ...]:
    """The model's own axes for what ``[audio]`` or ``[numbers]`` makes.

    Such as ``[1, 49, 10, 1]``, ``[1, 1, 64, 128]`` or, flat, ``[1, 1960]``; axes that the model
    leaves open are closed, the first ones at 1.  Where nothing fits, all at 1.
    """
    wanted = feature_shape(manifest)
    return fitted_shape(wanted, given.shape) or tuple(size or 1 for size in given.shape)


def feature_shape(manifest: Manifest) -> tuple[int, ...]:
    """What ``[audio]`` makes of one window or step, or ``[numbers]`` of its rows."""
    if manifest.numbers is not None:
        return (manifest.numbers.rows, manifest.numbers.columns)
    audio = manifest.audio
    assert audio is not None
    if audio.front_end == "waveform":
        if manifest.task in STREAMING:
            return (manifest.steps.context + manifest.steps.step,)
        return (audio.window,)
    inner = audio.coefficients if audio.front_end == "mfcc" else audio.mels
    if audio.layout == "mels_first":
        return (inner, audio.frames)
    return (audio.frames, inner)


def _wanted(manifest: Manifest, given: Tensor) -> tuple[tuple[int, ...], str, bool]:
    """(shape, the manifest's section, whether the model takes it)."""
    if manifest.image is not None:
        shape = image_tensor_shape(manifest)
        section = "[image] or [tiles]" if manifest.tiles else "[image]"
        return shape, section, picture_tensor_shape(manifest, given) is not None
    features = feature_shape(manifest)
    section = "[numbers]" if manifest.numbers is not None else "[audio]"
    if manifest.stream is not None:
        section += " or [stream]"
    return features, section, fitted_shape(features, given.shape) is not None
