"""What the shapes, dtypes and last operators of a model say of it.  Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from edge_runtime.importers.labels import classes
from edge_runtime.manifest.checks import INPUTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge_runtime.importers.draft import Draft
    from edge_runtime.inference.engines.tensors import Tensor

_CHANNELS = (1, 3)
_LEAST_SIDE_PX = 8
_ENDS_AS_PROBABILITIES = ("Softmax", "Sigmoid", "LogSoftmax")
_ENDS_AS_LOGITS = ("Gemm", "MatMul", "Fully connected", "Add", "Conv")
_NEAR = 0.02
"""How far a quantised input may be off a full range, for it to count as one."""


def picture_facts(given: Tensor) -> dict[str, Any]:
    """``image.*`` of an input that can be a picture; empty where it cannot.

    A 4-D input with 1 or 3 channels, first (NCHW) or last (NHWC); open sizes are left out.
    """
    if len(given.shape) != 4:
        return {}
    _, first, middle, last = given.shape
    if first in _CHANNELS and last not in _CHANNELS:
        layout, channels, height, width = "NCHW", first, middle, last
    elif last in _CHANNELS and first not in _CHANNELS:
        layout, channels, height, width = "NHWC", last, first, middle
    else:
        return {}
    if any(size is not None and size < _LEAST_SIDE_PX for size in (width, height)):
        return {}
    facts: dict[str, Any] = {"layout": layout, "width": width, "height": height}
    if channels == 1:
        facts["colour"] = "GRAY"
    return {key: value for key, value in facts.items() if value is not None}


def plane_facts(given: Tensor) -> dict[str, Any]:
    """``image.*`` of three axes (1, h, w), which may be a grey picture, or frames of a sound."""
    if len(given.shape) != 3 or given.shape[0] not in (1, None):
        return {}
    _, height, width = given.shape
    if height is None or width is None or min(height, width) < _LEAST_SIDE_PX:
        return {}
    return {"layout": "NCHW", "width": width, "height": height, "colour": "GRAY"}


def range_facts(given: Tensor) -> dict[str, Any]:
    """``image.mean`` and ``image.scale`` of a quantised input that holds 0..1, -1..1 or 0..255.

    Only those make sense of 256 steps over all the values that a pixel can have.
    """
    if given.quantisation is None or given.dtype.name not in ("int8", "uint8"):
        return {}
    scale, zero = given.quantisation
    lowest = -128 if given.dtype.name == "int8" else 0
    low, high = (lowest - zero) * scale, (lowest + 255 - zero) * scale
    for (wanted_low, wanted_high), (mean, factor) in (
        ((0.0, 1.0), (0.0, 1 / 255)),
        ((-1.0, 1.0), (127.5, 1 / 127.5)),
        ((0.0, 255.0), (0.0, 1.0)),
    ):
        span = wanted_high - wanted_low
        if abs(low - wanted_low) < _NEAR * span and abs(high - wanted_high) < _NEAR * span:
            return {"mean": [mean], "scale": [factor]}
    return {}


def activation(draft_outputs: Sequence[Tensor], last_operators: Mapping[str, str]) -> str | None:
    """``none`` where the graph itself ends in probabilities; None where it does not say."""
    if len(draft_outputs) != 1:
        return None
    last = last_operators.get(draft_outputs[0].name, "")
    return "none" if last in _ENDS_AS_PROBABILITIES else None


def suggested_activation(outputs: Sequence[Tensor], last_operators: Mapping[str, str]) -> str:
    """The likely activation of scores that are no probabilities yet."""
    if not outputs or last_operators.get(outputs[0].name, "") not in _ENDS_AS_LOGITS:
        return "none"
    return "sigmoid" if classes(outputs[:1]) == 1 else "softmax"


def with_shapes(draft: Draft) -> Draft:
    """The facts that shapes give, behind all that was read before."""
    if len(draft.inputs) != 1:
        return draft
    (given,) = draft.inputs
    picture = picture_facts(given)
    if picture:
        draft = draft.with_facts("the input's shape", image=picture)
        told = "what the input's quantisation spans"
        return draft.with_facts(told, image=range_facts(given))
    grey = plane_facts(given)
    if grey and INPUTS.get(draft.value("task")) == ("image",):
        return draft.with_facts("the input's shape, and the task", image=grey)
    return draft.suggesting(image=grey)


def numbers_facts(given: Tensor) -> dict[str, int]:
    """``numbers.*`` of an input of one or two axes behind the batch."""
    sizes = [size for size in given.shape[1:] if size is not None]
    if not sizes:
        return {}
    return {"columns": sizes[-1], "rows": math.prod(sizes[:-1])}
