"""Dense random tensors, the same on every machine and for every version of numpy.  Pure.

A picture excites only part of a network; noise reaches nearly every weight.  The bits are those of
PCG64, whose stream is fixed, not of a distribution, which numpy may improve:

    u = floor(bits / 2^40) / 2^24, 0 <= u < 1        x = low + (high - low) * u      in float32

each repeated `grain` times in the order of memory.  White noise looks the same to a deep layer
whatever its seed, so samples differ in span, in brightness and in grain, too.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from edge_runtime.inference.engines.tensors import to_real
from edge_runtime.inference.trust.golden.index import Sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_runtime.inference.engines.tensors import Tensor
    from edge_runtime.manifest import Manifest

# Lengths without a common divisor: sixty samples before anything comes again.
_SPANS = (1.0, 0.25, 0.125, 0.5, 0.06)
_PLACES = (0.5, 0.25, 0.75)
"""Where a smaller span lies in the whole one."""
_GRAINS = (1, 7, 64, 512)
_FLOAT_RANGE = (-4.0, 4.0)
"""Of inputs about whose numbers nothing is known: standardised features stay within it."""


def noise(sample: Sample, shape: Sequence[int]) -> list[NDArray[np.float32]]:
    """A tensor of `shape` for each of the sample's runs; real numbers, low <= x < high."""
    count = math.prod(shape)
    drawn = -(-count // sample.grain)
    bits = np.random.PCG64(sample.seed).random_raw(drawn * sample.runs)
    unit = (bits >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)
    low, high = np.float32(sample.low), np.float32(sample.high)
    values = (low + (high - low) * unit).reshape(sample.runs, drawn)
    values = values.repeat(sample.grain, axis=1)[:, :count]
    return list(values.reshape(sample.runs, *shape))


def noise_samples(low: float, high: float, *, seeds: Sequence[int], runs: int = 1) -> list[Sample]:
    """One sample a seed, the first with the whole span, none like its neighbour."""
    made = []
    for at, seed in enumerate(seeds):
        span = (high - low) * _SPANS[at % len(_SPANS)]
        begin = low + (high - low - span) * _PLACES[at % len(_PLACES)]
        made.append(
            Sample(
                name=f"noise-{seed}",
                kind="noise",
                seed=seed,
                low=float(f"{begin:.6g}"),
                high=float(f"{begin + span:.6g}"),
                grain=_GRAINS[at % len(_GRAINS)],
                runs=runs,
            )
        )
    return made


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
