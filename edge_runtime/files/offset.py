"""Sound without its DC offset.  Pure; the result does not depend on how the sound is cut.

A cheap sound card adds a constant to every sample.  No ear hears it, but to a detector that goes by
power it is a roar that never changes, and to a model something that it was never taught.

The sound is looked at in hops of 10 ms.  With M the median of the means of the last `MEMORY_S`, and
S the sound's deviation in them, what is taken off is

    0                    |M| <= T           T = max(LEAST, SPREADS * D, SHARE * S * sqrt(full / n))
    M * (|M| / T - 1)    T < |M| < 2 T      D: the median of |mean - M|
    M                    |M| >= 2 T         n of `full` hops have been heard

from one hop to the next on a straight line.  So a sound without an offset, where M is small beside
what is said, comes out as it went in, to the last bit: models were taught with such.  A median
follows a drift, is not moved by words, and goes over to an offset that jumped within half of its
memory.  A high-pass filter would change every sample of every sound.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

HOP_MS = 10
MEMORY_S = 0.4
LEAST = 24.0
"""Steps of 16 bit, -63 dBFS: below it nothing minds."""
SHARE = 0.12
SPREADS = 2.0
"""Rumble wanders; an offset stays."""
_FULL = int(MEMORY_S * 1000) // HOP_MS


class OffsetRemover:
    """One stream's.  Owned by one thread."""

    def __init__(self, rate_hz: int) -> None:
        """Nothing has been heard."""
        self._hop = max(1, rate_hz * HOP_MS // 1000)
        self.reset()

    @property
    def offset(self) -> float:
        """What is taken off now, in steps of 16 bit."""
        return self._to

    def reset(self) -> None:
        """A new stream begins."""
        self._means = np.zeros(_FULL)
        self._powers = np.zeros(_FULL)
        self._heard = 0
        self._inside = np.empty(0, np.int16)
        self._from = self._to = 0.0

    def feed(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        """(n,) int16 in and out; `samples` themselves where nothing is taken off."""
        if not len(samples):
            return samples
        if not self._heard and not len(self._inside):
            self._prime(samples[: self._hop])
        begun = len(self._inside)
        joined = np.concatenate([self._inside, samples])
        off = np.empty(len(joined), np.float32)
        is_changed = False
        whole = len(joined) // self._hop * self._hop
        ramp = np.arange(self._hop, dtype=np.float32) / np.float32(self._hop)
        for at in range(0, len(joined), self._hop):
            count = min(self._hop, len(joined) - at)
            is_changed |= bool(self._from or self._to)
            off[at : at + count] = self._from + (self._to - self._from) * ramp[:count]
            if at < whole:
                self._from = self._to
                self._to = self._next(joined[at : at + self._hop])
        self._inside = joined[whole:].copy()
        if not is_changed:
            return samples
        exact = samples.astype(np.float32) - off[begun:]
        return np.asarray(np.clip(np.rint(exact), -32768, 32767), np.int16)

    def _prime(self, first: NDArray[np.int16]) -> None:
        """The first hop cannot wait for what comes: it is taken for what was before."""
        mean = float(first.mean(dtype=np.float64))
        power = float(first.var(dtype=np.float64))
        self._from = self._to = _taken_off(mean, 0.0, power, 1)

    def _next(self, hop: NDArray[np.int16]) -> float:
        """What is to be taken off once this hop was heard."""
        at = self._heard % _FULL
        self._means[at] = hop.mean(dtype=np.float64)
        self._powers[at] = hop.var(dtype=np.float64)
        self._heard += 1
        count = min(self._heard, _FULL)
        means = self._means[:count]
        middle = float(np.partition(means, count // 2)[count // 2])
        spread = float(np.partition(np.abs(means - middle), count // 2)[count // 2])
        return _taken_off(middle, spread, float(self._powers[:count].mean()), count)


def without_offset(samples: NDArray[np.int16], rate_hz: int) -> NDArray[np.int16]:
    """A whole sound, (n,) int16, as a stream of it would come out."""
    return OffsetRemover(rate_hz).feed(samples)


def _taken_off(middle: float, spread: float, power: float, count: int) -> float:
    least = max(LEAST, SPREADS * spread, SHARE * math.sqrt(power * _FULL / count))
    size = abs(middle)
    if size <= least:
        return 0.0
    return middle * min(1.0, size / least - 1.0)
