"""A segment of sound, or a whole file, into a streaming model: wake words, speech."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.inference.answering import Stopwatch
from edge_runtime.inference.decoders import Answer, ranked
from edge_runtime.inference.sounds.spans import stream_spans
from edge_runtime.inference.sounds.streams import StreamScorer
from edge_runtime.inference.sounds.windows import checked_sound, resampled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_runtime.inference.answering import Answering
    from edge_runtime.types import Inference


class StreamRunner:
    """Satisfies `protocols.SoundRunner` for ``wake-word`` and ``speech-detection``.

    Owned by one thread.

    Every segment is a stream of its own.  `scores`: those of the step at which a label that is not
    ignored was surest.  `spans`: each detection, from the first step at or over the label's
    threshold to the last; a wake word lies before that.
    """

    def __init__(self, answering: Answering) -> None:
        """Compute the front end's matrices."""
        manifest = answering.manifest
        self._answering = answering
        self._scorer = StreamScorer(manifest, answering.network)
        self._labels = tuple(manifest.labels)
        wanted = [label for label in self._labels if label not in manifest.ignore]
        if manifest.task == "speech-detection":
            wanted = [manifest.speech_label]
        self._wanted = {self._labels.index(label): manifest.threshold(label) for label in wanted}
        self._step_s = self._scorer.step_samples / self._scorer.rate_hz
        self._gap = int(manifest.steps.refractory_ms / 1000 / self._step_s)

    def segment(self, samples: NDArray[np.int16], rate_hz: int) -> Inference:
        """Infer on (n,) int16 mono samples of any length.  Raises `ItemError`."""
        watch = Stopwatch()
        x = resampled(checked_sound(samples), rate_hz, self._scorer.rate_hz)
        self._scorer.reset()
        watch.ready()
        scores = np.concatenate([self._scorer.feed(x), self._scorer.flush()])
        wanted = list(self._wanted) or list(range(len(self._labels)))
        surest = int(scores[:, wanted].max(axis=1).argmax())
        spans = [
            span
            for at, threshold in self._wanted.items()
            for span in stream_spans(
                scores[:, at], self._labels[at], threshold, step_s=self._step_s, gap=self._gap
            )
        ]
        answer = Answer(
            scores=ranked(scores[surest], self._labels),
            spans=tuple(sorted(spans, key=lambda span: span.start_s)),
        )
        return self._answering.inference(answer, watch)
