"""The transform of real numbers in 16-bit fixed point that the micro front end is defined by.

An N-point real transform is an N/2-point complex one of (even, odd) samples, taken apart.  The
complex one goes by radix 4 (and once 2, last, where N/2 is no power of 4), decimated in time.
Every stage first divides by its radix; products are rounded to the nearest.  So the result is the
transform divided by N, with the rounding of the original, bit for bit (kissfft, fixed point 16).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int32]

_FRACTION_BITS = 15
_ONE = (1 << _FRACTION_BITS) - 1
_HALF = 1 << (_FRACTION_BITS - 1)


class FixedFft:
    """Of rows of `length` samples, a power of two.  Stateless; any thread."""

    def __init__(self, length: int) -> None:
        """Compute the twiddles and the order of the inputs."""
        self._half = length // 2
        radices = _radices(self._half)
        self._order = _decimated(np.arange(self._half), radices)
        self._stages = []
        size = 1
        for radix in reversed(radices):
            phase = -2 * np.pi * np.outer(np.arange(1, radix), np.arange(size)) / (size * radix)
            self._stages.append((radix, size, *_turning(phase)))
            size *= radix
        k = np.arange(1, self._half // 2 + 1)
        self._k, self._mirrored = k, self._half - k
        self._apart = _turning(-np.pi * (k / self._half + 0.5))

    def transform(self, x: NDArray[np.int16]) -> Ints:
        """(rows, length) into (2, rows, length / 2 + 1): real and imaginary parts."""
        pairs = x.reshape(len(x), self._half, 2)[:, self._order].transpose(2, 0, 1)
        z: Ints = np.ascontiguousarray(pairs, np.int32)
        for radix, size, cos, sin in self._stages:
            parts = _divided(z.reshape(2, len(x), -1, radix, size), radix)
            turned = _times(parts[..., 1:, :], cos, sin)
            z = _two(parts, turned) if radix == 2 else _four(parts, turned)
            z = z.reshape(2, len(x), -1)
        return self._taken_apart(z)

    def _taken_apart(self, z: Ints) -> Ints:
        half, k, mirrored = self._half, self._k, self._mirrored
        made = np.zeros((2, z.shape[1], half + 1), np.int32)
        z = _divided(z, 2)
        made[0, :, 0], made[0, :, half] = z[0, :, 0] + z[1, :, 0], z[0, :, 0] - z[1, :, 0]
        right, left = z[..., k], z[..., mirrored]
        left[1] *= -1
        total, turned = right + left, _times(right - left, *self._apart)
        made[..., k] = (total + turned) >> 1
        made[0][..., mirrored] = (total[0] - turned[0]) >> 1
        made[1][..., mirrored] = (turned[1] - total[1]) >> 1
        return made


def _radices(size: int) -> list[int]:
    """From the first to split to the last: 4s, then a 2."""
    found = []
    while size > 1:
        found.append(4 if size % 4 == 0 else 2)
        size //= found[-1]
    return found


def _decimated(inputs: NDArray[np.intp], radices: list[int]) -> NDArray[np.intp]:
    """In the order that the stages want: every radix-th one goes together, again and again."""
    if not radices:
        return inputs
    parts = [_decimated(inputs[at :: radices[0]], radices[1:]) for at in range(radices[0])]
    return np.concatenate(parts)


def _turning(phase: NDArray[np.float64]) -> tuple[Ints, Ints]:
    """Cosines and sines in steps of 1 / 32767, rounded to the nearest."""
    cos, sin = np.cos(phase), np.sin(phase)
    return (
        np.floor(0.5 + _ONE * cos).astype(np.int32),
        np.floor(0.5 + _ONE * sin).astype(np.int32),
    )


def _divided(values: Ints, by: int) -> Ints:
    made = values * (_ONE // by)
    made += _HALF
    made >>= _FRACTION_BITS
    return made


def _times(z: Ints, cos: Ints, sin: Ints) -> Ints:
    """(2, ...) real and imaginary parts times cos + i sin, rounded to the nearest."""
    made, crossed = z * cos, z * sin
    made[0] -= crossed[1]
    made[1] += crossed[0]
    made += _HALF
    made >>= _FRACTION_BITS
    return made


def _two(z: Ints, turned: Ints) -> Ints:
    made = np.empty_like(z)
    np.add(z[..., :1, :], turned, out=made[..., :1, :])
    np.subtract(z[..., :1, :], turned, out=made[..., 1:, :])
    return made


def _four(z: Ints, turned: Ints) -> Ints:
    first, one, two, three = z[..., 0, :], *np.moveaxis(turned, -2, 0)
    even, odd, left, cross = first + two, one + three, first - two, one - three
    made = np.empty_like(z)
    np.add(even, odd, out=made[..., 0, :])
    np.subtract(even, odd, out=made[..., 2, :])
    # -i times the cross difference, and i times it.
    np.add(left[0], cross[1], out=made[0, ..., 1, :])
    np.subtract(left[1], cross[0], out=made[1, ..., 1, :])
    np.subtract(left[0], cross[1], out=made[0, ..., 3, :])
    np.add(left[1], cross[0], out=made[1, ..., 3, :])
    return made
