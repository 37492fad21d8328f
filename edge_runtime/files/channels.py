"""Which channels of a sound say anything.  Owned by who reads.  Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SILENT_STEPS = 2
"""A dead converter may give the last bit's noise around its offset."""


class Channels:
    """Nothing was heard at first."""

    def __init__(self, count: int) -> None:
        """`count` channels."""
        self._least = np.full(count, 32767, np.int16)
        self._most = np.full(count, -32768, np.int16)

    def add(self, block: NDArray[np.int16]) -> None:
        """(n, channels) more samples, n at least 1."""
        if not self.moves_all:
            np.minimum(self._least, block.min(axis=0), out=self._least)
            np.maximum(self._most, block.max(axis=0), out=self._most)

    @property
    def moves_all(self) -> bool:
        """No channel is silent: nothing more need be looked at."""
        return bool(self._moving().all())

    def moves(self, channel: int) -> bool:
        """Whether this channel is more than digital silence, whatever its offset."""
        return bool(self._moving()[channel])

    def dead(self, channel: int) -> str:
        """That this channel is silent and which are not, for people; empty where that is not so."""
        moving = self._moving()
        others = [str(number) for number in np.flatnonzero(moving).tolist()]
        if moving[channel] or not others:
            return ""
        said = f"channel {others[0]} says" if len(others) == 1 else f"{', '.join(others)} say"
        return f"channel {channel} is digital silence, {said} something: the wrong channel?"

    def _moving(self) -> NDArray[np.bool_]:
        spread = self._most.astype(np.int32) - self._least
        return np.asarray(spread > SILENT_STEPS)
