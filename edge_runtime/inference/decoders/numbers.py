"""Windows of numbers or of sound into one answer: regressions, anomalies, embeddings.  Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from edge_runtime.inference.decoders.anomaly import Normalisation
from edge_runtime.inference.decoders.answer import Answer
from edge_runtime.inference.decoders.classification import ranked
from edge_runtime.types import Score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_runtime.manifest import Manifest

    Arrays = Sequence[NDArray[np.float32]]


class NumberDecoder(Protocol):
    """Any thread."""

    def answer(self, given: Arrays, made: Arrays) -> Answer:
        """What the model was given in each window and what it made of it, in the order of time."""
        ...


def number_decoder(manifest: Manifest) -> NumberDecoder:
    """The decoder of a task on ``[numbers]``, or of an anomaly or embedding on ``[audio]``."""
    output = manifest.output
    if manifest.task == "anomaly":
        normalisation = Normalisation(output.image_threshold, None, output.minimum, output.maximum)
        return WindowAnomaly(tuple(manifest.labels), normalisation)
    if manifest.task == "embedding":
        return WindowEmbedding(output.unit_length)
    return Values(tuple(manifest.labels))


@dataclass(frozen=True, slots=True)
class Values:
    """Numbers for what they are: `values` of all windows, `scores` their means by label."""

    labels: tuple[str, ...]

    def answer(self, given: Arrays, made: Arrays) -> Answer:
        """As in `NumberDecoder`."""
        del given
        rows = np.stack([one.reshape(len(self.labels)) for one in made])
        means = np.asarray(rows.mean(axis=0, dtype=np.float64), np.float32)
        return Answer(scores=ranked(means, self.labels), values=tuple(rows.ravel().tolist()))


@dataclass(frozen=True, slots=True)
class WindowAnomaly:
    """How unlike the good ones: an autoencoder's error, or the model's own score.

    raw = the mean over the windows of mean((made - given)^2), `given` before it was quantised;
    the score is its normalisation, `values` is (raw,).
    """

    labels: tuple[str, ...]
    """The anomaly's; or the good ones', then the anomaly's."""
    normalisation: Normalisation

    def answer(self, given: Arrays, made: Arrays) -> Answer:
        """As in `NumberDecoder`."""
        raw = float(np.mean([_error(*pair) for pair in zip(given, made, strict=True)]))
        score = self.normalisation.image(raw)
        scores = [Score(self.labels[-1], score)]
        if len(self.labels) == 2:
            scores.append(Score(self.labels[0], 1.0 - score))
        scores.sort(key=lambda one: -one.score)
        return Answer(scores=tuple(scores), values=(raw,))


@dataclass(frozen=True, slots=True)
class WindowEmbedding:
    """The mean of the windows' outputs as `values`; no label has a score."""

    unit_length: bool

    def answer(self, given: Arrays, made: Arrays) -> Answer:
        """As in `NumberDecoder`."""
        del given
        values = np.stack([one.ravel() for one in made]).mean(axis=0, dtype=np.float64)
        length = float(np.sqrt(values @ values))
        if self.unit_length and length > 0.0:
            values = values / length
        return Answer(scores=(), values=tuple(values.tolist()))


def _error(given: NDArray[np.float32], made: NDArray[np.float32]) -> float:
    if made.size == 1 and given.size != 1:
        return float(made.ravel()[0])
    difference = made.ravel().astype(np.float64) - given.ravel()
    return float(difference @ difference) / difference.size
