"""What an engine says about a tensor, and numbers into and out of quantised ones.  Pure."""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Tensor:
    """Name, shape, dtype and per-tensor quantisation; satisfies `protocols.TensorSpec`."""

    name: str
    shape: tuple[int | None, ...]
    dtype: np.dtype[np.generic]
    quantisation: tuple[float, int] | None = None

    def __str__(self) -> str:
        sizes = ", ".join("?" if size is None else str(size) for size in self.shape)
        return f"'{self.name}' [{sizes}] {self.dtype}"

    def accepts(self, shape: tuple[int, ...]) -> bool:
        """Whether an array of `shape` fits."""
        return len(shape) == len(self.shape) and all(
            mine is None or mine == theirs for mine, theirs in zip(self.shape, shape, strict=True)
        )

    @property
    def is_float(self) -> bool:
        """Whether values are stored as they are."""
        return bool(np.issubdtype(self.dtype, np.floating))


def to_dtype(real: NDArray[np.float32], spec: Tensor) -> NDArray[np.generic]:
    """Real numbers as the tensor wants them.

    Integers: q = clip(round(real / scale) + zero) to the dtype's range, in float32, halves rounded
    to the even neighbour (numpy's and TFLite's converter's way).  Without a scale, steps of 1.
    """
    if spec.is_float:
        return real.astype(spec.dtype, copy=False)
    scale, zero = spec.quantisation or (1.0, 0)
    least, most = _limits(spec.dtype)
    steps = np.rint(real / np.float32(scale)) + np.float32(zero)
    return np.asarray(np.minimum(np.maximum(steps, least), most), spec.dtype)


@functools.cache
def _limits(dtype: np.dtype[np.generic]) -> tuple[int, int]:
    """Looked up once: numpy takes longer for it than for a small tensor."""
    info = np.iinfo(cast("Any", dtype))
    return int(info.min), int(info.max)


def to_real(values: NDArray[np.generic], spec: Tensor) -> NDArray[np.float32]:
    """Quantised into real numbers: (q - zero) * scale; a float tensor as it is, in float32."""
    real = values.astype(np.float32, copy=False)
    if spec.quantisation is None:
        return real
    scale, zero = spec.quantisation
    return np.asarray((real - np.float32(zero)) * np.float32(scale), np.float32)


def fed_back(
    values: NDArray[np.generic], made: Tensor, given: Tensor
) -> NDArray[np.generic] | None:
    """An output's values as the input `given` takes them, axes of 1 and steps aside.

    The very array where nothing differs; None where the sizes do not go into the input.
    """
    shape = values.shape
    if not given.accepts(shape):
        fitting = fitted_shape(shape, given.shape)
        if fitting is None:
            return None
        values = values.reshape(fitting)
    if made.quantisation != given.quantisation:
        return to_dtype(to_real(values, made), given)
    return values.astype(given.dtype, copy=False)


def fitted_shape(wanted: Sequence[int], axes: Sequence[int | None]) -> tuple[int, ...] | None:
    """`axes`, the open ones closed, so that `wanted` fits: axis by axis, or all in one.

    Axes of 1 may stand anywhere on both sides.
    """
    sizes = [size for size in wanted if size != 1]
    fits = (sizes, [math.prod(wanted)] if sizes else [])
    choices = [sorted({1, *wanted, math.prod(wanted)}) if n is None else [n] for n in axes]
    for closed in itertools.product(*choices):
        if [size for size in closed if size != 1] in fits:
            return closed
    return None
