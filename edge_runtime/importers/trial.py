"""One run of a picture model on noise: what shapes it answers with, and numbers of what size.

Exporters leave axes open that every run has, and no file says whether boxes are pixels or
fractions.  The file has passed the static checks; what does not run tells nothing here, and is
refused with the reason when the bundle is loaded.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.errors import ItemError, ModelError
from edge_runtime.importers import shapes
from edge_runtime.inference.engines.opening import open_engine
from edge_runtime.inference.engines.tensors import to_real
from edge_runtime.inference.network import zeros_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_runtime.importers.draft import Draft
    from edge_runtime.inference.engines.tensors import Tensor

_SEED = 7
_MOST_PX = 4096


def tried(draft: Draft, size: tuple[int, int] | None) -> Draft:
    """The draft with outputs closed and their values, where shapes alone leave a question.

    `size`: (width, height) in px of an input that leaves them open, where the file says it.
    """
    if not _is_wanted(draft):
        return draft
    picture = _closed(draft, size)
    if picture is None:
        return draft
    weights = b"".join(list(draft.files.values())[1:])
    try:
        engine = open_engine(draft.files[draft.file], draft.file, weights=weights)
    except ModelError:
        return draft
    try:
        feeds = [
            picture if given.name == draft.inputs[0].name else zeros_of(given)
            for given in engine.inputs
        ]
        found = engine.infer(feeds)
        names = [spec.name for spec in engine.outputs]
    except ItemError:
        return draft
    finally:
        engine.close()
    return _with_trial(draft, dict(zip(names, found, strict=True)))


def _is_wanted(draft: Draft) -> bool:
    if len(draft.inputs) == 0 or not shapes.picture_facts(draft.inputs[0]):
        return False
    if draft.inputs[0].dtype.kind not in "fiu":
        return False
    return any(
        not tensor.shape or None in tensor.shape[1:] or len(tensor.shape) == 3
        for tensor in draft.outputs
    )


def _closed(draft: Draft, size: tuple[int, int] | None) -> NDArray[np.generic] | None:
    """Noise for the picture's input; None where nothing says how large it is."""
    given = draft.inputs[0]
    is_first = shapes.picture_facts(given)["layout"] == "NCHW"
    width, height = size or (None, None)
    width, height = draft.value("image.width") or width, draft.value("image.height") or height
    wanted = [1, None, height, width] if is_first else [1, height, width, None]
    sides = [want if have is None else have for have, want in zip(given.shape, wanted, strict=True)]
    if not all(isinstance(side, int) and 0 < side <= _MOST_PX for side in sides):
        return None
    noise = np.random.default_rng(_SEED).random([int(side or 1) for side in sides], np.float32)
    if given.is_float:
        return noise.astype(given.dtype)
    span = np.iinfo(given.dtype.name)
    return np.asarray(span.min + noise * (span.max - span.min), given.dtype)


def _with_trial(draft: Draft, found: dict[str, NDArray[np.generic]]) -> Draft:
    if not all(tensor.name in found for tensor in draft.outputs):
        return draft
    outputs = tuple(_sized(tensor, found[tensor.name]) for tensor in draft.outputs)
    values = {tensor.name: to_real(found[tensor.name], tensor) for tensor in outputs}
    return dataclasses.replace(draft, outputs=outputs, trial=values)


def _sized(tensor: Tensor, values: NDArray[np.generic]) -> Tensor:
    """The batch stays as open as it was."""
    sizes = tuple(values.shape)
    if tensor.shape[:1] == (None,):
        return dataclasses.replace(tensor, shape=(None, *sizes[1:]))
    return dataclasses.replace(tensor, shape=sizes)
