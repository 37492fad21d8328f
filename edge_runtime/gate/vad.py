"""Speech detectors: how much like speech one window is.  The only importer of webrtcvad."""

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


def open_scorer(settings: Gate) -> SpeechScorer:
    """The detector that the config names."""
    if settings.vad == "energy":
        return EnergyScorer()
    return WebrtcScorer(settings.aggressiveness)


class WebrtcScorer:
    """WebRTC's Gaussian mixture detector, 0 or 1, guarded by `EnergyScorer`.

    Alone it takes most machine noise for speech; a window must also stand out from the noise floor.
    """

    def __init__(self, aggressiveness: int) -> None:
        """0 lets most through, 3 least."""
        import webrtcvad

        self._mode = aggressiveness
        self._vad = webrtcvad.Vad(aggressiveness)
        self._energy = EnergyScorer()

    @property
    def window_ms(self) -> int:
        """20 ms."""
        return WINDOW_MS

    @property
    def rate_hz(self) -> int:
        """16 kHz."""
        return RATE_HZ

    def score(self, window: NDArray[np.int16]) -> float:
        """The energy's score where WebRTC says speech, else 0."""
        energy = self._energy.score(window)
        return energy if self._vad.is_speech(window.tobytes(), RATE_HZ) else 0.0

    def reset(self) -> None:
        """Forget the past."""
        import webrtcvad

        self._vad = webrtcvad.Vad(self._mode)
        self._energy.reset()


class EnergyScorer:
    """How far the voice band stands out from the noise floor, which is followed slowly.

    With L the window's level in dB after a first difference (which takes away hum) and F the floor,

        F <- F + rise * dt       while L > F          (3 dB per second)
        F <- F + 0.2 (L - F)     while L < F
        score = 1 / (1 + exp(-(L - F - 9) / 1.5))

    so that 0.5 is 9 dB above the floor.  The first windows set the floor.
    """

    ABOVE_DB = 9.0
    WIDTH_DB = 1.5
    RISE_DB_PER_S = 3.0
    FALL = 0.2
    SETTLE_WINDOWS = 10
    SILENCE_DB = 6.0
    """Below this level (2 steps of 16 bit) nothing is speech, however silent the room."""

    def __init__(self) -> None:
        self._floor_db: float | None = None
        self._settled = 0

    @property
    def window_ms(self) -> int:
        """20 ms."""
        return WINDOW_MS

    @property
    def rate_hz(self) -> int:
        """16 kHz."""
        return RATE_HZ

    def score(self, window: NDArray[np.int16]) -> float:
        """0..1 for (320,) samples."""
        difference = np.diff(window.astype(np.float32))
        level_db = 10.0 * math.log10(float(np.dot(difference, difference)) / len(window) + 1e-3)
        if self._floor_db is None:
            self._floor_db = level_db
        rise = self.RISE_DB_PER_S * WINDOW_MS / 1000
        if self._settled < self.SETTLE_WINDOWS:
            self._settled += 1
            self._floor_db = min(self._floor_db, level_db)
        elif level_db > self._floor_db:
            self._floor_db += rise
        else:
            self._floor_db += self.FALL * (level_db - self._floor_db)
        if level_db < self.SILENCE_DB:
            return 0.0
        over = level_db - self._floor_db - self.ABOVE_DB
        return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, over / self.WIDTH_DB))))

    def reset(self) -> None:
        """Forget the floor."""
        self._floor_db = None
        self._settled = 0
