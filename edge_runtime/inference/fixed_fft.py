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
        self._apart = _turning(-np.pi * (k / self._half + 0.5))

    def transform(self, x: NDArray[np.int16]) -> tuple[Ints, Ints]:
        """(rows, length) into real and imaginary parts, (rows, length / 2 + 1) each."""
        pairs = x.reshape(len(x), self._half, 2)[:, self._order].astype(np.int32)
        re, im = pairs[..., 0], pairs[..., 1]
        for radix, size, cos, sin in self._stages:
            shape = (len(x), -1, radix, size)
            re, im = _divided(re.reshape(shape), radix), _divided(im.reshape(shape), radix)
            re[:, :, 1:], im[:, :, 1:] = _times(re[:, :, 1:], im[:, :, 1:], cos, sin)
            re, im = _two(re, im) if radix == 2 else _four(re, im)
            re, im = re.reshape(len(x), -1), im.reshape(len(x), -1)
        return self._taken_apart(re, im)

    def _taken_apart(self, re: Ints, im: Ints) -> tuple[Ints, Ints]:
        half = self._half
        made_re, made_im = np.zeros((2, len(re), half + 1), np.int32)
        re, im = _divided(re, 2), _divided(im, 2)
        made_re[:, 0], made_re[:, half] = re[:, 0] + im[:, 0], re[:, 0] - im[:, 0]
        k = np.arange(1, half // 2 + 1)
        sum_re, sum_im = re[:, k] + re[:, half - k], im[:, k] - im[:, half - k]
        turned_re, turned_im = _times(
            re[:, k] - re[:, half - k], im[:, k] + im[:, half - k], *self._apart
        )
        made_re[:, k], made_im[:, k] = (sum_re + turned_re) >> 1, (sum_im + turned_im) >> 1
        made_re[:, half - k] = (sum_re - turned_re) >> 1
        made_im[:, half - k] = (turned_im - sum_im) >> 1
        return made_re, made_im


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


def _rounded(products: Ints) -> Ints:
    return (products + _HALF) >> _FRACTION_BITS


def _divided(values: Ints, by: int) -> Ints:
    return _rounded(values * (_ONE // by))


def _times(re: Ints, im: Ints, cos: Ints, sin: Ints) -> tuple[Ints, Ints]:
    return _rounded(re * cos - im * sin), _rounded(re * sin + im * cos)


def _two(re: Ints, im: Ints) -> tuple[Ints, Ints]:
    even_re, odd_re, even_im, odd_im = re[:, :, 0], re[:, :, 1], im[:, :, 0], im[:, :, 1]
    return (
        np.stack([even_re + odd_re, even_re - odd_re], axis=2),
        np.stack([even_im + odd_im, even_im - odd_im], axis=2),
    )


def _four(re: Ints, im: Ints) -> tuple[Ints, Ints]:
    (r0, r1, r2, r3), (i0, i1, i2, i3) = np.moveaxis(re, 2, 0), np.moveaxis(im, 2, 0)
    sum_r, difference_r, sum_i, difference_i = r0 + r2, r0 - r2, i0 + i2, i0 - i2
    cross_r, cross_i = r1 - r3, i1 - i3
    odd_r, odd_i = r1 + r3, i1 + i3
    return (
        np.stack(
            [sum_r + odd_r, difference_r + cross_i, sum_r - odd_r, difference_r - cross_i], axis=2
        ),
        np.stack(
            [sum_i + odd_i, difference_i - cross_r, sum_i - odd_i, difference_i + cross_r], axis=2
        ),
    )
