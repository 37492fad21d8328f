"""Whether a model file is what its manifest describes: shapes, dtypes, number of labels.  Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.errors import ModelError
from edge_runtime.inference.decoders import picture_decoder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_runtime.inference.tensors import Tensor
    from edge_runtime.manifest import AudioInput, Manifest

_INPUT_DTYPES = ("float32", "float16", "uint8", "int8", "uint16", "int16")


def check_fit(manifest: Manifest, given: Tensor, name: str) -> None:
    """Refuse a model whose input, `given`, is not what the manifest makes.

    Raises `ModelError`; `name` is for messages.
    """
    if given.dtype.name not in _INPUT_DTYPES:
        raise ModelError(
            f"{name}: the model's input is {given}; supported are {', '.join(_INPUT_DTYPES)}"
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


def check_answer(
    manifest: Manifest, outputs: Sequence[Tensor], shapes: Sequence[Sequence[int]], name: str
) -> None:
    """Refuse outputs that the decoder cannot read; `shapes` are those of a real run.

    Raises `ModelError`.
    """
    if manifest.image is not None and manifest.decoder != "classification":
        _check_picture_answer(manifest, outputs, shapes, name)
        return
    batch = manifest.tiles.batch if manifest.tiles else 1
    if math.prod(shapes[0]) != batch * len(manifest.labels):
        each = f" for a batch of {batch}" if batch > 1 else ""
        raise ModelError(
            f"{name}: the manifest has {len(manifest.labels)} labels, the model's output is "
            f"'{outputs[0].name}' {list(shapes[0])} {outputs[0].dtype}{each}; correct labels in "
            "model.toml"
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
