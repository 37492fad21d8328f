"""A segment of sound, or a whole file, into a classifier of short windows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import numpy as np

from edge_runtime.errors import ItemError
from edge_runtime.inference.answering import Stopwatch
from edge_runtime.inference.audio_features import FrontEnd
from edge_runtime.inference.decoders import Classification
from edge_runtime.inference.fitting import feature_tensor_shape
from edge_runtime.inference.segments import smoothed, weights_of, windows_of
from edge_runtime.inference.tensors import to_dtype

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_runtime.inference.answering import Answering
    from edge_runtime.manifest import AudioInput
    from edge_runtime.types import Inference


class SoundRunner:
    """Satisfies `protocols.Runner` for ``audio-classification``.  Owned by one thread."""

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
        self._decoder = Classification(tuple(manifest.labels), manifest.output.activation)
        self._shape = feature_tensor_shape(self._network.input)

    def segment(self, samples: NDArray[np.int16], rate_hz: int) -> Inference:
        """Infer on (n,) int16 mono samples of any length.  Raises `ItemError`."""
        watch = Stopwatch()
        if samples.ndim != 1 or len(samples) == 0:
            raise ItemError(f"a segment is (n,) samples, n at least 1, not {samples.shape}")
        x = resampled(samples, rate_hz, self._audio.rate_hz)
        windows = windows_of(x, window=self._front_end.window_samples, hop=self._hop)
        tensors = [self._tensor(window) for window in windows]
        watch.ready()
        scores = np.concatenate([self._decoder.scores(self._network.run(t)) for t in tensors])
        answer = scores[0]
        if len(windows) > 1:
            weights = weights_of(windows, x, self._audio.rate_hz)
            answer = smoothed(scores, weights, span=self._span, ignored=self._ignored)
        return self._answering.inference(self._decoder.answer(answer), watch)

    def frame(self, pixels: NDArray[np.uint8]) -> NoReturn:
        """Refused with `ItemError`."""
        del pixels
        raise self._answering.refusal("pictures")

    def numbers(self, rows: NDArray[np.float32]) -> NoReturn:
        """Refused with `ItemError`."""
        del rows
        raise self._answering.refusal("numbers")

    def _tensor(self, window: NDArray[np.int16]) -> NDArray[np.generic]:
        features = self._front_end.features(window)
        return to_dtype(features, self._network.input).reshape(self._shape)


def resampled(samples: NDArray[np.int16], rate_hz: int, wanted_hz: int) -> NDArray[np.int16]:
    """(n,) int16 at another rate, n at least 1."""
    if rate_hz == wanted_hz:
        return samples
    import soxr

    found = np.asarray(soxr.resample(samples, rate_hz, wanted_hz), np.int16)
    return found if len(found) else np.zeros(1, np.int16)
