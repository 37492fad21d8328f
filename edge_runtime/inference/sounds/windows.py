"""A segment of sound, or a whole file, into a model of short windows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.errors import ItemError
from edge_runtime.inference.answering import Stopwatch
from edge_runtime.inference.decoders import Answer, Classification, number_decoder, ranked
from edge_runtime.inference.engines.tensors import to_dtype
from edge_runtime.inference.pictures.fitting import feature_tensor_shape
from edge_runtime.inference.sounds.audio_features import FrontEnd
from edge_runtime.inference.sounds.segments import placed_windows, smoothed, weights_of, windows_of
from edge_runtime.inference.sounds.spans import window_spans
from edge_runtime.inference.sounds.utterances import alone, runs_of_sound, windows_around
from edge_runtime.types import Span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_runtime.inference.answering import Answering
    from edge_runtime.inference.sounds.utterances import Run
    from edge_runtime.manifest import AudioInput
    from edge_runtime.types import Inference

LEAST_SCORE = 0.3
"""Under it a run of sound is like no keyword; no threshold of a keyword is sensibly so low."""
LONGEST_WORD = 1.05
"""Of a window."""
_LONGEST_WORD_WINDOW_MS = 1500
"""A model of longer windows is none of single words."""


class WindowRunner:
    """Satisfies `protocols.SoundRunner` for windows of sound.  Owned by one thread.

    ``audio-classification``: `scores` of the whole segment, see `segments`.  `spans` of a model of
    keywords: each run of sound between pauses, see `utterances`, as the keyword that it is most
    like, from a score of `LEAST_SCORE` on (thresholds are for the rules, see `words`); where there
    is one run, or one longer than any word, the segment's own answer.  Of other models: see
    `spans`, from the windows one by one.  ``anomaly`` and ``embedding``: see `decoders.numbers`.
    """

    def __init__(self, audio: AudioInput, answering: Answering) -> None:
        """Compute the front end's matrices."""
        self._audio = audio
        self._answering = answering
        self._network = answering.network
        self._front_end = FrontEnd(audio)
        self._hop = audio.rate_hz * audio.hop_ms // 1000
        self._span = max(1, round(audio.smooth_ms / audio.hop_ms))
        manifest = answering.manifest
        self._ignored = [label in manifest.ignore for label in manifest.labels]
        self._has_words = (
            any(self._ignored)
            and not all(self._ignored)
            and audio.window_ms <= _LONGEST_WORD_WINDOW_MS
        )
        self._thresholds = [
            None if label in manifest.ignore else manifest.threshold(label)
            for label in manifest.labels
        ]
        self._decoder = Classification(tuple(manifest.labels), manifest.output.activation)
        self._numbers = None
        if manifest.task != "audio-classification":
            self._numbers = number_decoder(manifest)
        self._shape = feature_tensor_shape(manifest, self._network.input)

    def segment(self, samples: NDArray[np.int16], rate_hz: int) -> Inference:
        """Infer on (n,) int16 mono samples of any length.  Raises `ItemError`."""
        watch = Stopwatch()
        x = resampled(checked_sound(samples), rate_hz, self._audio.rate_hz)
        placed = placed_windows(len(x), window=self._front_end.window_samples, hop=self._hop)
        features = self._features(x, placed)
        tensors = [to_dtype(one, self._network.input).reshape(self._shape) for one in features]
        watch.ready()
        outputs = [self._network.run(tensor) for tensor in tensors]
        if self._numbers is not None:
            answer = self._numbers.answer(features, [made[0] for made in outputs])
        else:
            scores = np.concatenate([self._decoder.scores(made) for made in outputs])
            answer = self._classified(x, scores, placed)
        return self._answering.inference(answer, watch)

    def _features(self, x: NDArray[np.int16], placed: Sequence[int]) -> list[NDArray[np.float32]]:
        if len(placed) > 1 and placed[0] < 0:  # a short segment, in three places of a window
            windows = windows_of(x, window=self._front_end.window_samples, hop=self._hop)
            return [self._front_end.features(window) for window in windows]
        first = max(0, placed[0])
        return list(self._front_end.sliding(x[first:], hop=self._hop, count=len(placed)))

    def _classified(
        self, x: NDArray[np.int16], scores: NDArray[np.float32], placed: Sequence[int]
    ) -> Answer:
        rate_hz, window = self._audio.rate_hz, self._front_end.window_samples
        answer = scores[0]
        if len(scores) > 1:
            windows = windows_of(x, window=window, hop=self._hop)
            weights = weights_of(windows, x, rate_hz)
            answer = smoothed(scores, weights, span=self._span, ignored=self._ignored)
        spans = self._words(x, answer) if self._has_words else self._windows(x, scores, placed)
        return Answer(scores=ranked(answer, self._decoder.labels), spans=tuple(spans))

    def _windows(
        self, x: NDArray[np.int16], scores: NDArray[np.float32], placed: Sequence[int]
    ) -> list[Span]:
        rate_hz = self._audio.rate_hz
        spans = window_spans(
            scores,
            [at / rate_hz for at in placed],
            self._front_end.window_samples / rate_hz,
            labels=self._decoder.labels,
            thresholds=self._thresholds,
        )
        whole_s = len(x) / rate_hz
        return [
            replace(one, start_s=max(0.0, one.start_s), end_s=min(whole_s, one.end_s))
            for one in spans
        ]

    def _words(self, x: NDArray[np.int16], whole: NDArray[np.float32]) -> list[Span]:
        """A span for each run of sound that is like a keyword."""
        rate_hz, window = self._audio.rate_hz, self._front_end.window_samples
        runs = runs_of_sound(x, rate_hz)
        talks = any(end - first > LONGEST_WORD * window for first, end in runs)
        if len(runs) <= 1 or talks:
            return self._word(whole, (runs[0][0], runs[-1][1]) if runs else (0, len(x)))
        found = []
        for at, run in enumerate(runs):
            quieter = alone(x, runs, at, rate_hz)
            given = windows_around(quieter, run, window, rate_hz)
            scores = np.concatenate([self._scores_of(one) for one in given])
            found += self._word(scores.mean(axis=0), run)
        return found

    def _word(self, scores: NDArray[np.float32], run: Run) -> list[Span]:
        keywords = np.where(self._ignored, -np.inf, scores)
        best = int(keywords.argmax())
        if keywords[best] < LEAST_SCORE:
            return []
        rate_hz, score = self._audio.rate_hz, float(scores[best])
        return [Span(self._decoder.labels[best], score, run[0] / rate_hz, run[1] / rate_hz)]

    def _scores_of(self, window: NDArray[np.int16]) -> NDArray[np.float32]:
        return self._decoder.scores(self._network.run(self._tensor(window)))

    def _tensor(self, window: NDArray[np.int16]) -> NDArray[np.generic]:
        features = self._front_end.features(window)
        return to_dtype(features, self._network.input).reshape(self._shape)


def checked_sound(samples: NDArray[np.int16]) -> NDArray[np.int16]:
    """`samples` when they are (n,), n at least 1.  Raises `ItemError`."""
    if samples.ndim != 1 or len(samples) == 0:
        raise ItemError(f"a segment is (n,) samples, n at least 1, not {samples.shape}")
    return samples


def resampled(samples: NDArray[np.int16], rate_hz: int, wanted_hz: int) -> NDArray[np.int16]:
    """(n,) int16 at another rate, n at least 1."""
    if rate_hz == wanted_hz:
        return samples
    import soxr

    found = np.asarray(soxr.resample(samples, rate_hz, wanted_hz), np.int16)
    return found if len(found) else np.zeros(1, np.int16)
