"""What a model hears of a stream: the last frames, or the last samples, one step after another.

Every step does the same arithmetic on arrays of the same size, so that the features of a stream do
not depend on how it was cut into blocks.  Before the stream there was digital silence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.inference.sounds.audio_features import laid_out, standardised
from edge_runtime.inference.sounds.micro_frames import MicroFrames
from edge_runtime.inference.sounds.spectral_frames import PCM_STEPS, SpectralFrames, emphasised

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from numpy.typing import NDArray

    from edge_runtime.manifest import AudioInput, Stream

    Features = NDArray[np.float32]

    class FeatureStream(Protocol):
        """Owned by one thread."""

        @property
        def step_samples(self) -> int:
            """New samples that a step takes."""
            ...

        def push(self, samples: NDArray[np.int16]) -> NDArray[Any]:
            """(step_samples,) int16 in, the model's features as they are now out.

            In the numbers of the model's tensor.  The result may change with the next call.
            """
            ...

        def reset(self) -> None:
            """A new stream begins."""
            ...


def _as_they_are(features: Features) -> NDArray[Any]:
    return features


def open_feature_stream(
    audio: AudioInput, stream: Stream, stored: Callable[[Features], NDArray[Any]] = _as_they_are
) -> FeatureStream:
    """The one that ``[audio]`` and ``[stream]`` describe.  Raises `ModelError`.

    `stored`: real numbers as the model's tensor holds them, each by itself.
    """
    if audio.front_end == "waveform":
        return WaveformStream(audio, stream, stored)
    return FrameStream(audio, stream, stored)


class FrameStream:
    """Satisfies `FeatureStream`: the last `frames` frames, `step` of them new.

    Frames are kept as the tensor holds them, unless the whole window is to be standardised.
    """

    def __init__(
        self, audio: AudioInput, stream: Stream, stored: Callable[[Features], NDArray[Any]]
    ) -> None:
        """Compute the front end's matrices."""
        self._stored = stored
        self._is_whole = audio.standardise == "window"
        self._audio = audio
        self._new = stream.step
        self._frames = SpectralFrames(audio) if audio.front_end != "micro" else MicroFrames(audio)
        # A frame ends with the newest sample; where frames overlap, it begins before the new ones.
        self._overlap = max(0, audio.frame_length - audio.frame_step)
        self._skipped = max(0, audio.frame_step - audio.frame_length)
        self._before = np.zeros(self._overlap + 1, np.int16)
        self._silence = self._made(np.zeros(self._overlap + 1 + self.step_samples, np.int16))[:1]
        self._heard = np.empty((audio.frames, self._frames.width), self._silence.dtype)
        self.reset()

    @property
    def step_samples(self) -> int:
        """New samples that a step takes."""
        return self._new * self._audio.frame_step

    def push(self, samples: NDArray[np.int16]) -> NDArray[Any]:
        """(frames, width), or the other way round, after (step_samples,) more samples."""
        x = np.concatenate([self._before, samples])
        self._before = x[-len(self._before) :]
        made, heard = self._made(x), self._heard
        if self._new < len(heard):
            heard[: -self._new] = heard[self._new :]
            heard[-self._new :] = made
        else:
            heard[:] = made[-len(heard) :]
        if self._is_whole:
            return self._stored(laid_out(standardised(heard, self._audio), self._audio))
        return heard if self._audio.layout == "frames_first" else np.ascontiguousarray(heard.T)

    def reset(self) -> None:
        """A new stream begins: silence, and no noise known."""
        self._before = np.zeros_like(self._before)
        self._heard[:] = self._silence
        if isinstance(self._frames, MicroFrames):
            self._frames.reset()

    def _made(self, x: NDArray[np.int16]) -> NDArray[Any]:
        """(step, width): the new frames; x begins with one sample more than they need."""
        first = 1 + self._skipped
        if isinstance(self._frames, MicroFrames):
            made = self._frames.features(x[first:])
        else:
            y = x.astype(np.float32)
            if self._audio.pre_emphasis:
                y = emphasised(y, self._audio.pre_emphasis)
            made = self._frames.features(self._frames.energies(y[first:]))
        return made if self._is_whole else self._stored(made)


class WaveformStream:
    """Satisfies `FeatureStream`: the new samples behind the last `context` ones."""

    def __init__(
        self, audio: AudioInput, stream: Stream, stored: Callable[[Features], NDArray[Any]]
    ) -> None:
        """Nothing has been heard."""
        self._stored = stored
        divisor = PCM_STEPS if audio.normalise == "pcm" else 1.0
        self._audio, self._stream = audio, stream
        self._scale = np.float32(audio.scale / divisor)
        self._offset = np.float32(audio.mean * audio.scale)
        self._heard = np.zeros(stream.context + stream.step, np.float32)

    @property
    def step_samples(self) -> int:
        """New samples that a step takes."""
        return self._stream.step

    def push(self, samples: NDArray[np.int16]) -> NDArray[Any]:
        """(context + step,) after (step,) more samples."""
        context = self._stream.context
        self._heard[:context] = self._heard[-context:] if context else 0.0
        self._heard[context:] = samples * self._scale - self._offset
        return self._stored(standardised(self._heard, self._audio))

    def reset(self) -> None:
        """A new stream begins."""
        self._heard[:] = -self._offset
