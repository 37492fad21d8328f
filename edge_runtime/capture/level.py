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
    """Root mean square of about the last second."""

    def __init__(self) -> None:
        """Nothing has been heard."""
        self._blocks: deque[tuple[float, int]] = deque()
        self._count = 0

    def add(self, samples: NDArray[np.int16], rate_hz: int) -> float:
        """The level in dBFS, with this block."""
        power = float(np.square(samples, dtype=np.float64).sum())
        self._blocks.append((power, len(samples)))
        self._count += len(samples)
        while self._count - self._blocks[0][1] >= rate_hz:
            self._count -= self._blocks.popleft()[1]
        total = math.fsum(power for power, _ in self._blocks)
        if total <= 0.0:
            return SILENCE_DBFS
        return max(SILENCE_DBFS, 10 * math.log10(total / self._count / _FULL_SCALE**2))
