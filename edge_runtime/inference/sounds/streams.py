"""Sound as it comes into a score for each label, one a step.  Owned by one thread.

Scores depend on the samples since `reset` alone, not on the blocks that they came in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.errors import ModelError
from edge_runtime.inference.decoders import activated
from edge_runtime.inference.engines.tensors import to_dtype
from edge_runtime.inference.pictures.fitting import feature_tensor_shape
from edge_runtime.inference.sounds.feature_stream import open_feature_stream

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_runtime.inference.network import Network
    from edge_runtime.manifest import Manifest

_MS = 1000


class StreamScorer:
    """A streaming model: wake words, speech."""

    def __init__(self, manifest: Manifest, network: Network) -> None:
        """`network` is this stream's own: it may remember.  Raises `ModelError`."""
        assert manifest.audio is not None
        stream = manifest.steps
        self._network = network
        given = network.input
        self._features = open_feature_stream(
            manifest.audio, stream, lambda real: to_dtype(real, given)
        )
        self._shape = feature_tensor_shape(manifest, network.input)
        self._activation = manifest.output.activation
        self._rest = np.empty(0, np.int16)
        self._last = np.zeros((stream.smooth, len(manifest.labels)), np.float32)
        self._steps = 0
        self.rate_hz = manifest.audio.rate_hz
        """Of the samples that it takes."""

    @property
    def step_samples(self) -> int:
        """Samples from one score to the next."""
        return self._features.step_samples

    def feed(self, samples: NDArray[np.int16]) -> NDArray[np.float32]:
        """(n,) int16 of any length in; (steps, labels) scores, 0 steps while there is too little.

        Raises `ItemError`.
        """
        joined = np.concatenate([self._rest, samples]) if len(self._rest) else samples
        whole = len(joined) - len(joined) % self.step_samples
        self._rest = joined[whole:].copy()
        scores = [self.step(step) for step in joined[:whole].reshape(-1, self.step_samples)]
        return np.array(scores, np.float32).reshape(-1, self._last.shape[1])

    def flush(self) -> NDArray[np.float32]:
        """(0 or 1, labels): the score of what is left, silence behind it."""
        if not len(self._rest):
            return np.empty((0, self._last.shape[1]), np.float32)
        return self.feed(np.zeros(self.step_samples - len(self._rest), np.int16))

    def step(self, samples: NDArray[np.int16]) -> NDArray[np.float32]:
        """(labels,) after (step_samples,) more.  Raises `ItemError`.

        With ``smooth`` the mean of the last scores; those before the stream's beginning are 0.
        """
        tensor = self._features.push(samples).reshape(self._shape)
        scores: NDArray[np.float32]
        scores = activated(self._network.run(tensor)[0].reshape(1, -1), self._activation)[0]
        if (
            len(scores) < self._last.shape[1]
        ):  # one output: the second label's; the first's the rest
            scores = np.array([1.0 - scores[0], scores[0]], np.float32)
        if len(self._last) == 1:
            return scores
        self._last[self._steps % len(self._last)] = scores
        self._steps += 1
        return np.asarray(self._last.mean(axis=0))

    def reset(self) -> None:
        """A new stream begins."""
        self._network.reset()
        self._features.reset()
        self._rest = np.empty(0, np.int16)
        self._last[:] = 0.0
        self._steps = 0


class SpeechModel:
    """A model of task ``speech-detection`` as the microphone gate's `protocols.SpeechScorer`."""

    def __init__(self, manifest: Manifest, network: Network) -> None:
        """Raises `ModelError` for another task, and for steps that are no whole milliseconds."""
        if manifest.task != "speech-detection":
            raise ModelError(
                f"model {manifest.id}: is of task {manifest.task}; a gate needs speech-detection"
            )
        self._scorer = StreamScorer(manifest, network)
        samples_a_ms, rest = divmod(self._scorer.rate_hz, _MS)
        if rest or self._scorer.step_samples % samples_a_ms:
            raise ModelError(
                f"model {manifest.id}: a step of {self._scorer.step_samples} samples at "
                f"{self._scorer.rate_hz} Hz is no whole number of milliseconds; a gate needs that"
            )
        label = manifest.speech_label
        self._speech = manifest.labels.index(label)
        self._threshold = manifest.threshold(label)
        self._window_ms = self._scorer.step_samples // samples_a_ms

    @property
    def window_ms(self) -> int:
        """The model's step."""
        return self._window_ms

    @property
    def rate_hz(self) -> int:
        """The model's sample rate."""
        return self._scorer.rate_hz

    @property
    def threshold(self) -> float:
        """What the bundle's ``[hear]`` says."""
        return self._threshold

    def score(self, window: NDArray[np.int16]) -> float:
        """The probability of speech after one more step.  Raises `ItemError`."""
        return float(self._scorer.step(window)[self._speech])

    def reset(self) -> None:
        """Forget the past (a gap, a new stream)."""
        self._scorer.reset()
