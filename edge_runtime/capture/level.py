"""How loud a microphone is.  Pure; owned by the ``capture`` thread."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SILENCE_DBFS: Final = -120.0
"""Digital zero; one step of 16 bit is -90."""
_FULL_SCALE = 32768.0


class Level:
    """Deviation from the mean over about the last second: an offset is no sound."""

    def __init__(self) -> None:
        """Nothing has been heard."""
        self._blocks: deque[tuple[int, int, int]] = deque()
        """(sum, sum of squares, samples) of each block, exact."""
        self._count = 0
        self.offset = 0.0
        """Their mean, in shares of full scale."""

    def add(self, samples: NDArray[np.int16], rate_hz: int) -> float:
        """The level in dBFS, with this block."""
        whole = samples.astype(np.int64)
        self._blocks.append((int(whole.sum()), int(np.dot(whole, whole)), len(samples)))
        self._count += len(samples)
        while self._count - self._blocks[0][2] >= rate_hz:
            self._count -= self._blocks.popleft()[2]
        total = sum(block[0] for block in self._blocks)
        squares = sum(block[1] for block in self._blocks)
        self.offset = total / self._count / _FULL_SCALE
        # count^2 * variance, exact in whole numbers: a constant is 0 and no rounding
        spread = self._count * squares - total * total
        if spread <= 0:
            return SILENCE_DBFS
        return max(SILENCE_DBFS, 10 * math.log10(spread / (self._count * _FULL_SCALE) ** 2))
