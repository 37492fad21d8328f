"""What an engine says about a tensor, and numbers in and out of quantised ones.  Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

if TYPE_CHECKING:
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


def quantise(
    real: NDArray[np.float32], scale: float, zero: int, dtype: np.dtype[np.generic]
) -> NDArray[np.generic]:
    """q = clip(round_half_even(real / scale) + zero) to the dtype's range."""
    info = np.iinfo(cast("np.dtype[np.signedinteger]", dtype))  # type: ignore[type-var]
    steps = np.rint(real / np.float32(scale)) + np.float32(zero)
    return np.clip(steps, info.min, info.max).astype(dtype)


def to_real(values: NDArray[np.generic], spec: Tensor) -> NDArray[np.float32]:
    """real = (q - zero) * scale; a float tensor as it is.

    An integer tensor without a scale (some exporters leave it out) counts steps of 1.
    """
    real = values.astype(np.float32)
    if spec.quantisation is not None:
        scale, zero = spec.quantisation
        real = (real - np.float32(zero)) * np.float32(scale)
    return real


def to_dtype(real: NDArray[np.float32], spec: Tensor) -> NDArray[np.generic]:
    """Real numbers as the tensor wants them."""
    if np.issubdtype(spec.dtype, np.floating):
        return real.astype(spec.dtype, copy=False)
    scale, zero = spec.quantisation or (1.0, 0)
    return quantise(real, scale, zero, spec.dtype)
