"""Sees that a camera repeats one picture.  Pure; owned by the ``capture`` thread.

A sensor's noise never gives the same picture twice, a driver or camera that hangs may give nothing
else.  A compressed stream of a still scene can repeat itself between two key frames: the limit has
to be longer than that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.clock import NS_PER_S

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EVERY_ROW = 16


class FrozenPicture:
    """Remembers the last picture that was new, also while the camera is away.

    So a camera that comes back with the very picture it hung on is refused at once.
    """

    def __init__(self) -> None:
        """Nothing has been seen."""
        self._picture: NDArray[np.uint8] | None = None
        self._encoded: bytes | None = None
        self._since_ns = 0

    def seconds(
        self, picture: NDArray[np.uint8], now_ns: int, encoded: bytes | None = None
    ) -> float:
        """For how long the picture has been the same in every bit; 0 when it is new.

        `encoded`: compressed, where it came alone.  The same bytes are the same picture; others
        may be as well, with another time in their head.
        """
        if encoded is None or encoded != self._encoded:
            if self._picture is None or not _same(self._picture, picture):
                self._since_ns = now_ns
            self._picture, self._encoded = picture, encoded
        return (now_ns - self._since_ns) / NS_PER_S


def _same(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> bool:
    # A sixteenth of the rows tells nearly always; the rest is only read to be sure.
    return np.array_equal(a[::_EVERY_ROW], b[::_EVERY_ROW]) and np.array_equal(a, b)
