"""Dense random tensors, the same on every machine and for every version of numpy.  Pure.

A picture excites only part of a network; noise reaches nearly every weight.  The bits are those of
PCG64, whose stream is fixed, not of a distribution, which numpy may improve:

    u = floor(bits / 2^40) / 2^24, 0 <= u < 1        x = low + (high - low) * u      in float32
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from edge_runtime.inference.tensors import to_real

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_runtime.inference.tensors import Tensor
    from edge_runtime.manifest import Manifest

_FLOAT_RANGE = (-4.0, 4.0)
"""Of inputs about whose numbers nothing is known: standardised features stay within it."""


def noise(
    seed: int, shape: Sequence[int], low: float, high: float, *, runs: int = 1
) -> list[NDArray[np.float32]]:
    """`runs` tensors of real numbers, low <= x < high, each of `shape`."""
    count = math.prod(shape)
    bits = np.random.PCG64(seed).random_raw(count * runs)
    unit = (bits >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)
    values = np.float32(low) + (np.float32(high) - np.float32(low)) * unit
    return list(values.reshape(runs, *shape))


def range_of(manifest: Manifest, given: Tensor) -> tuple[float, float]:
    """(low, high) that the model's input can hold, in real numbers.

    Quantised: every step.  Pictures: what ``[image]`` makes of 0 and 255.
    """
    if not given.is_float:
        limits = np.iinfo(cast("Any", given.dtype))
        ends = np.array([limits.min, limits.max], given.dtype)
        low, high = to_real(ends, given).tolist()
        return float(low), float(high)
    if manifest.image is not None:
        ends_of = [
            (value - mean) * scale
            for mean in manifest.image.mean
            for scale in manifest.image.scale
            for value in (0.0, 255.0)
        ]
        return min(ends_of), max(ends_of)
    return _FLOAT_RANGE
