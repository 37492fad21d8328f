"""Speech detectors: how much like speech one window is.  The only importer of webrtcvad.

Owned by one thread, the lane's ``infer`` thread.  Scores depend on the windows since `reset` alone.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_runtime.config import Gate
    from edge_runtime.protocols import SpeechScorer

RATE_HZ = 16_000
WINDOW_MS = 20
THRESHOLD = 0.5


def open_scorer(settings: Gate) -> SpeechScorer:
    """The detector that the config names, ``webrtc`` or ``energy``; models come by the lane."""
    if settings.vad == "energy":
        return EnergyScorer()
    return WebrtcScorer(settings.aggressiveness)


class WebrtcScorer:
    """WebRTC's Gaussian mixture detector, guarded by `EnergyScorer`.

    Alone it takes most steady machine noise for speech (at 3 dB all of it), so that words run
    together in one long segment; a window must also stand out from the noise floor.
    """

    def __init__(self, aggressiveness: int) -> None:
        """0 lets most through, 3 least."""
        import webrtcvad

        self._make = webrtcvad.Vad
        self._mode = aggressiveness
        self._vad = self._make(aggressiveness)
        self._energy = EnergyScorer()

    @property
    def window_ms(self) -> int:
        """20 ms."""
        return WINDOW_MS

    @property
    def rate_hz(self) -> int:
        """16 kHz."""
        return RATE_HZ

    @property
    def threshold(self) -> float:
        """One half."""
        return THRESHOLD

    def score(self, window: NDArray[np.int16]) -> float:
        """The energy's score where WebRTC says speech, else 0; for (320,) samples."""
        energy = self._energy.score(window)
        return energy if self._vad.is_speech(window.tobytes(), RATE_HZ) else 0.0

    def reset(self) -> None:
        """Forget the past."""
        self._vad = self._make(self._mode)
        self._energy.reset()


class EnergyScorer:
    """How far a window's level stands out from the noise floor of the last ten seconds.

    With L the level of a window in dB of full scale, not below -75, and F the `FLOOR_SHARE`
    quantile of L over the last `MEMORY_S`, this window included::

        score = 1 / (1 + exp(-(L - F - ABOVE_DB) / WIDTH_DB))

    so that 0.5 is `ABOVE_DB` above the floor.  A quantile follows a louder machine after
    ``(1 - FLOOR_SHARE) * MEMORY_S`` = 8 s and a quieter one after 2 s, and speech itself raises it
    only when it leaves less than a fifth of the time to the noise.  Against a floor that falls fast
    and rises slowly it was far better where noise and speech are 3 to 10 dB apart, and a
    first difference or a voice band before it made it worse.  The first windows of a stream are
    compared with each other: speech from the very first sample on is found late.
    """

    ABOVE_DB = 4.0
    WIDTH_DB = 2.0
    FLOOR_SHARE = 0.2
    MEMORY_S = 10.0
    QUIETEST_DB = -75.0
    """Under the noise of any microphone: digital silence must not make its own noise speech."""

    def __init__(self) -> None:
        """Nothing has been heard."""
        self._levels_db = np.zeros(int(self.MEMORY_S * 1000) // WINDOW_MS)
        self._heard = 0

    @property
    def window_ms(self) -> int:
        """20 ms."""
        return WINDOW_MS

    @property
    def rate_hz(self) -> int:
        """16 kHz."""
        return RATE_HZ

    @property
    def threshold(self) -> float:
        """One half."""
        return THRESHOLD

    def score(self, window: NDArray[np.int16]) -> float:
        """0..1 for (320,) samples."""
        level_db = max(self.QUIETEST_DB, level_dbfs(window))
        self._levels_db[self._heard % len(self._levels_db)] = level_db
        self._heard += 1
        over_db = level_db - self._floor_db() - self.ABOVE_DB
        return 1.0 / (1.0 + math.exp(-over_db / self.WIDTH_DB))

    def reset(self) -> None:
        """Forget the floor."""
        self._heard = 0

    def _floor_db(self) -> float:
        levels = self._levels_db[: self._heard]
        rank = int(self.FLOOR_SHARE * (len(levels) - 1))
        return float(np.partition(levels, rank)[rank])


def level_dbfs(samples: NDArray[np.int16]) -> float:
    """Deviation of (n,) samples from their mean in dB of full scale; -120 for silence.

    So an offset is no sound.
    """
    unit = samples.astype(np.float32) * np.float32(1 / 32768)
    unit -= unit.mean()
    return 10.0 * math.log10(float(np.dot(unit, unit)) / len(unit) + 1e-12)
