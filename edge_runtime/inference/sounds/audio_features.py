"""Sound front ends: windows of samples into what a model was trained on.  float32.

``mfcc`` and ``log_mel``: with x the window's samples as numbers, y[n] = x[n] - pre_emphasis x[n-1],
`reflect_pad` samples mirrored at both ends, f the frame, w the taper,

    S[f, k] = |rfft(y[f * step : f * step + length] * w, fft_length)| * spectrum_scale
    M[f, m] = sum_k S[f, k] * T[k, m]                                        (S^2 for "power")
    L[f, m] = ln(max(M, log_floor) + log_offset)                             (10 log10 for "db")
    C[f, c] = sqrt(2 / mels) * sum_m L[f, m] * cos(pi / mels * c * (m + 1/2))          ("mfcc")
    F       = clip((C or L - mean) * scale)

and with ``standardise = "window"`` (F - its mean) / max(its deviation, deviation_floor), over all
frames of the window.  T are the triangles of `mel`, the DC bin left out.  With the defaults this is
TensorFlow's ``tf.signal`` chain, and its ``audio_ops.mfcc`` where no used bin lies below 1.5 bins.
``micro`` is described in `micro_frames`; ``waveform`` is x itself, (x - mean) * scale.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.inference.sounds.micro_frames import MicroFrames
from edge_runtime.inference.sounds.spectral_frames import PCM_STEPS, SpectralFrames, emphasised

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from edge_runtime.manifest import AudioInput

    Features = NDArray[np.float32]


class FrontEnd:
    """One manifest's front end for windows, its matrices computed once.  Stateless; any thread."""

    def __init__(self, spec: AudioInput) -> None:
        """Precompute the front end's matrices.  Raises `ModelError` for a band without a bin."""
        self._spec = spec
        mirrored = 2 * spec.reflect_pad
        self._needed = (spec.frames - 1) * spec.frame_step + spec.frame_length - mirrored
        self._spectral = SpectralFrames(spec) if spec.front_end in ("mfcc", "log_mel") else None

    @property
    def window_samples(self) -> int:
        """Samples in one window."""
        return self._spec.window

    def features(self, samples: NDArray[np.int16]) -> Features:
        """What one window of (n,) int16 samples gives the model.

        (frames, coefficients or mels) float32, with ``mels_first`` the other way round; (samples,)
        for ``waveform``.  A shorter window is filled with zeros at its end.
        """
        return next(self.sliding(samples, hop=self.window_samples, count=1))

    def sliding(self, samples: NDArray[np.int16], *, hop: int, count: int) -> Iterator[Features]:
        """The features of `count` windows, `hop` samples apart, the first at the first sample.

        Frames that windows share are computed once, where `hop` is a multiple of the frames' step.
        What remembers (``micro``, pre-emphasis) goes through all of them as through one sound.
        """
        window, whole = self.window_samples, max(self.window_samples, self._needed)
        x = samples[: (count - 1) * hop + window]
        if len(x) < (count - 1) * hop + whole:
            x = np.concatenate([x, np.zeros((count - 1) * hop + whole - len(x), np.int16)])
        if self._spec.front_end == "waveform":
            yield from (self._waveform(x[at : at + window]) for at in _starts(hop, count))
        elif self._spectral is None:
            yield from self._micro(x, hop, count)
        elif hop % self._spec.frame_step == 0 and not self._spec.reflect_pad:
            yield from self._shared(x, self._spectral, hop, count)
        else:
            for at in _starts(hop, count):
                yield from self._shared(x[at : at + whole], self._spectral, hop, 1)

    def _shared(
        self, x: NDArray[np.int16], spectral: SpectralFrames, hop: int, count: int
    ) -> Iterator[Features]:
        """Windows out of one run of frames."""
        spec, window = self._spec, self.window_samples
        step = hop // spec.frame_step
        frames = (count - 1) * step + spec.frames
        energies = spectral.energies(self._signal(x))[:frames]
        if spec.normalise == "peak":
            for at in range(count):
                # The loudest positive sample, as the models were trained; silence stays silence.
                peak = max(1.0, float(x[at * hop : at * hop + window].max()))
                part = energies[at * step : at * step + spec.frames]
                yield self._finished(spectral.features(part, divisor=peak))
            return
        features = spectral.features(energies)
        for at in range(count):
            yield self._finished(features[at * step : at * step + spec.frames])

    def _signal(self, x: NDArray[np.int16]) -> Features:
        spec = self._spec
        y = x.astype(np.float32)
        if spec.pre_emphasis:
            y = emphasised(y, spec.pre_emphasis)
        return np.pad(y, spec.reflect_pad, mode="reflect") if spec.reflect_pad else y

    def _micro(self, x: NDArray[np.int16], hop: int, count: int) -> Iterator[Features]:
        spec = self._spec
        if hop % spec.frame_step:  # frames of their own for each window, each from the beginning
            yield from (
                self._finished(MicroFrames(spec).features(x[at : at + self._needed]))
                for at in _starts(hop, count)
            )
            return
        step = hop // spec.frame_step
        features = MicroFrames(spec).features(x)
        yield from (
            self._finished(features[at * step : at * step + spec.frames]) for at in range(count)
        )

    def _waveform(self, x: NDArray[np.int16]) -> Features:
        spec = self._spec
        divisor = PCM_STEPS if spec.normalise == "pcm" else 1.0
        if spec.normalise == "peak":
            divisor = max(1.0, float(x.max()))
        return standardised(
            (x.astype(np.float32) / np.float32(divisor) - spec.mean) * spec.scale, spec
        )

    def _finished(self, features: Features) -> Features:
        return laid_out(standardised(features, self._spec), self._spec)


def standardised(features: Features, spec: AudioInput) -> Features:
    """With a mean of 0 and a deviation of 1, where the manifest wants it."""
    if spec.standardise == "none":
        return features
    mean = features.mean(dtype=np.float64)
    deviation = features.std(dtype=np.float64, ddof=1) if features.size > 1 else 0.0
    made = (features - np.float32(mean)) / np.float32(max(deviation, spec.deviation_floor))
    return np.asarray(made, np.float32)


def laid_out(features: Features, spec: AudioInput) -> Features:
    """(frames, width) as the manifest orders them."""
    return np.ascontiguousarray(features.T if spec.layout == "mels_first" else features)


def _starts(hop: int, count: int) -> range:
    return range(0, count * hop, hop)
