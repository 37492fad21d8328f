"""Runs of samples of any length into windows of one length.  Pure.

Invariant: the windows given out and then the rest, put together, are the samples taken in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Rechunk:
    """Keeps what does not fill a window for the next call.  One thread."""

    def __init__(self, size: int) -> None:
        """`size` samples a window, at least 1."""
        self._size = size
        self._rest = np.empty(0, np.int16)

    def feed(self, samples: NDArray[np.int16]) -> list[NDArray[np.int16]]:
        """(n,) samples in; every whole (size,) window out.  Windows may share `samples`' memory."""
        joined = np.concatenate([self._rest, samples]) if len(self._rest) else samples
        whole = len(joined) // self._size * self._size
        self._rest = joined[whole:].copy()
        return list(joined[:whole].reshape(-1, self._size))

    def take_rest(self) -> NDArray[np.int16]:
        """What is left over, fewer than a window; it is forgotten."""
        rest, self._rest = self._rest, np.empty(0, np.int16)
        return rest
