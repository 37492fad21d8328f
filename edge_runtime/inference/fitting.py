"""Whether a model file is what its manifest describes: shapes, dtypes, number of labels.  Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_runtime.inference.engines import ThreadEngine
    from edge_runtime.inference.tensors import Tensor
    from edge_runtime.manifest import AudioInput, Manifest

_INPUT_DTYPES = ("float32", "float16", "uint8", "int8", "uint16", "int16")


def check_fit(manifest: Manifest, engine: ThreadEngine, name: str) -> None:
    """Refuse a model whose input is not what the manifest makes.

    Raises `ModelError`; `name` is for messages.
    """
    if len(engine.inputs) != 1 or len(engine.outputs) != 1:
        raise ModelError(
            f"{name}: has {len(engine.inputs)} inputs and {len(engine.outputs)} outputs; "
            f"task {manifest.task} takes a model with one of each"
        )
    given = engine.inputs[0]
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
    if not accepts:
        raise ModelError(
            f"{name}: the manifest says {list(wanted)}, the model's input is {given}; "
            f"correct {section} in model.toml"
        )


def sample_tensor(manifest: Manifest, given: Tensor) -> NDArray[np.generic]:
    """Zeros of the shape that the manifest makes."""
    if manifest.audio is not None:
        return np.zeros(feature_tensor_shape(given), given.dtype)
    return np.zeros(image_tensor_shape(manifest), given.dtype)


def check_answer(manifest: Manifest, made: Tensor, shape: Sequence[int], name: str) -> None:
    """Refuse an output that is not one number a label.  Raises `ModelError`."""
    batch = manifest.tiles.batch if manifest.tiles else 1
    if manifest.tiles and manifest.tiles.cell:
        _check_cells(manifest, made, shape, name)
    elif math.prod(shape) != batch * len(manifest.labels):
        each = f" for a batch of {batch}" if batch > 1 else ""
        raise ModelError(
            f"{name}: the manifest has {len(manifest.labels)} labels, the model's output is "
            f"'{made.name}' {list(shape)} {made.dtype}{each}; correct labels in model.toml"
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


def feature_tensor_shape(given: Tensor) -> tuple[int, ...]:
    """The model's own axes for one window, such as ``[1, 49, 10, 1]`` or ``[1, 1, 64, 128]``."""
    return tuple(1 if size is None else size for size in given.shape)


def feature_shape(audio: AudioInput) -> tuple[int, int]:
    """What ``[audio]`` makes of one window."""
    inner = audio.coefficients if audio.front_end == "mfcc" else audio.mels
    if audio.layout == "mels_first":
        return (inner, audio.frames)
    return (audio.frames, inner)


def _wanted(manifest: Manifest, given: Tensor) -> tuple[tuple[int, ...], str, bool]:
    """(shape, the manifest's section, whether the model takes it)."""
    if manifest.audio is None:
        shape = image_tensor_shape(manifest)
        section = "[image] or [tiles]" if manifest.tiles else "[image]"
        return shape, section, given.accepts(shape)
    features = feature_shape(manifest.audio)
    sizes = [size for size in given.shape if size not in (1, None)]
    flat = [math.prod(features)]
    return features, "[audio]", sizes in ([size for size in features if size != 1], flat)
