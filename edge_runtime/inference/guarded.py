"""Runners that let nothing but `ItemError` out: one bad item never ends a lane.

A decoder meets what no test had, a runtime has a class of its own for a failure: whatever it is,
it is about this one item.  Each belongs to the thread of the runner within.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from edge_runtime.errors import ItemError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from edge_runtime.protocols import NumbersRunner, PictureRunner, SoundRunner, SpeechScorer
    from edge_runtime.types import Inference

log = logging.getLogger(__name__)

_TOLD_AT_MOST = 200


class _Guard:
    """What the three have in common."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._is_told = False

    @contextlib.contextmanager
    def guarding(self) -> Iterator[None]:
        """Everything else that is raised is an `ItemError`; the first has its traceback logged."""
        try:
            yield
        except ItemError:
            raise
        except Exception as exc:
            if not self._is_told:
                log.warning(
                    "model %s failed in a way that is not foreseen", self._model, exc_info=exc
                )
                self._is_told = True
            said = f"{exc}".strip().splitlines()
            why = f"{type(exc).__name__}: {said[0][:_TOLD_AT_MOST]}" if said else type(exc).__name__
            raise ItemError(f"model {self._model} failed on it: {why}") from exc


class GuardedPictures(_Guard):
    """Satisfies `protocols.PictureRunner`."""

    def __init__(self, model: str, runner: PictureRunner) -> None:
        """`model`: ``name/version``."""
        super().__init__(model)
        self._runner = runner

    def frame(self, pixels: NDArray[np.uint8]) -> Inference:
        """As the runner within.  Raises `ItemError`, nothing else."""
        with self.guarding():
            return self._runner.frame(pixels)


class GuardedSounds(_Guard):
    """Satisfies `protocols.SoundRunner`."""

    def __init__(self, model: str, runner: SoundRunner) -> None:
        """`model`: ``name/version``."""
        super().__init__(model)
        self._runner = runner

    def segment(self, samples: NDArray[np.int16], rate_hz: int) -> Inference:
        """As the runner within.  Raises `ItemError`, nothing else."""
        with self.guarding():
            return self._runner.segment(samples, rate_hz)


class GuardedNumbers(_Guard):
    """Satisfies `protocols.NumbersRunner`."""

    def __init__(self, model: str, runner: NumbersRunner) -> None:
        """`model`: ``name/version``."""
        super().__init__(model)
        self._runner = runner

    def numbers(self, rows: NDArray[np.float32]) -> Inference:
        """As the runner within.  Raises `ItemError`, nothing else."""
        with self.guarding():
            return self._runner.numbers(rows)


class GuardedSpeech(_Guard):
    """Satisfies `protocols.SpeechScorer`."""

    def __init__(self, model: str, scorer: SpeechScorer) -> None:
        """`model`: ``name/version``."""
        super().__init__(model)
        self._scorer = scorer

    @property
    def window_ms(self) -> int:
        """As the scorer within."""
        return self._scorer.window_ms

    @property
    def rate_hz(self) -> int:
        """As the scorer within."""
        return self._scorer.rate_hz

    @property
    def threshold(self) -> float:
        """As the scorer within."""
        return self._scorer.threshold

    def score(self, window: NDArray[np.int16]) -> float:
        """As the scorer within.  Raises `ItemError`, nothing else."""
        with self.guarding():
            return self._scorer.score(window)

    def reset(self) -> None:
        """As the scorer within.  Raises `ItemError`, nothing else."""
        with self.guarding():
            self._scorer.reset()
