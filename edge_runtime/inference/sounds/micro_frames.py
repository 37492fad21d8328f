"""The micro front end of TensorFlow Lite Micro, in the integers that its models were trained on.

Per frame, x its samples, every division and shift rounding down unless it says otherwise:

1. taper   t = x w / 2^12, w the Hann window sampled at half steps, in steps of 2^-12; then shifted
   left by s, so that the largest just fits 16 bits
2. transform by radix 4 in 16 bits (`FixedFft`); E = re^2 + im^2
3. mel     the bins of a triangle's rising half with their weights, of its falling half with what
   is missing to 1 (in steps of 2^-12; mel = 1127 ln(1 + hz / 700), the centres evenly spaced)
4. root    rounded to the nearest, then shifted right by s again
5. noise   an estimate for each channel follows the signal by 0.025 (even) or 0.06 (odd channels) a
   frame; it is subtracted, and at least 0.05 of the signal stays
6. PCAN    g = 2^21 (80 + estimate)^-0.95, from a table of parabolas; v = shrink(signal g), a
   parabola up to 2 and a line of slope 1 from there on
7. log     2^6 ln(8 v) by a table of 128 chords; 0 below 2

Steps 5 and 6 remember: frames must come in order.  Described by its authors in TensorFlow's
`lite/experimental/microfrontend` (Apache-2.0) and, for PCAN, in Wang et al., "Trainable frontend
for robust and far-field keyword spotting", 2017.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.inference.sounds.fixed_fft import FixedFft

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_runtime.manifest import AudioInput

_TAPER_BITS = 12
_WEIGHT_BITS = 12
_NOISE_BITS = 14
_SMOOTHING_BITS = 10
_EVEN_SMOOTHING, _ODD_SMOOTHING, _MIN_REMAINING = (
    int(share * (1 << _NOISE_BITS)) for share in (0.025, 0.06, 0.05)
)
_GAIN_BITS, _PCAN_STRENGTH, _PCAN_OFFSET = 21, 0.95, 80.0
_SNR_BITS, _SHRUNK_BITS = 12, 6
_LOG_BITS, _LOG_SEGMENT_BITS, _LOG_SCALE_BITS = 16, 7, 6
_LN2 = round(np.log(2.0) * (1 << _LOG_BITS))
_CHUNK_FRAMES = 32
"""So many at a time stay in the processor's cache."""
_INT16_MAX, _UINT16_MAX, _UINT32_MAX = 0x7FFF, 0xFFFF, 0xFFFFFFFF


class MicroFrames:
    """One stream's front end: what it remembers is the noise.  Owned by one thread."""

    def __init__(self, spec: AudioInput) -> None:
        """Compute the tables."""
        self._spec = spec
        length = spec.frame_length
        step = float(np.float32(2 * np.pi / length))
        taper = 0.5 - 0.5 * np.cos(step * (np.arange(length) + 0.5))
        self._taper = _rounded(taper.astype(np.float32), _TAPER_BITS)
        self._fft = FixedFft(spec.fft_length)
        self._mel = _triangles(spec)
        # Bits by which the transform and the weights make the root too small.
        self._missing_bits = spec.fft_length.bit_length() - 1 - _WEIGHT_BITS // 2
        self._gains = _parabolas(_SMOOTHING_BITS - self._missing_bits)
        smoothing = np.full(spec.mels, _EVEN_SMOOTHING, np.int64)
        smoothing[1::2] = _ODD_SMOOTHING
        self._smoothing, self._keeping = smoothing, (1 << _NOISE_BITS) - smoothing
        self._chords = _chords()
        self._noise = np.zeros(spec.mels, np.int64)

    @property
    def width(self) -> int:
        """Numbers in one frame's features."""
        return self._spec.mels

    def reset(self) -> None:
        """A new stream: no noise has been heard."""
        self._noise = np.zeros(self._spec.mels, np.int64)

    def features(self, samples: NDArray[np.int16]) -> NDArray[np.float32]:
        """(frames, mels): the next frames, as many as fit; (value - mean) * scale."""
        spec = self._spec
        values = self.values(samples).astype(np.float32)
        if spec.mean:
            values -= np.float32(spec.mean)
        if spec.scale != 1.0:
            values *= np.float32(spec.scale)
        return values

    def values(self, samples: NDArray[np.int16]) -> NDArray[np.int64]:
        """(frames, mels) of the original's integers, 0..65535."""
        spec = self._spec
        count = 1 + (len(samples) - spec.frame_length) // spec.frame_step
        at = np.arange(count)[:, None] * spec.frame_step + np.arange(spec.frame_length)
        chunks = range(0, count, _CHUNK_FRAMES)
        signal = np.concatenate([self._signal(samples[at[i : i + _CHUNK_FRAMES]]) for i in chunks])
        estimates = self._estimates(signal)
        signal = self._without_noise(signal, estimates)
        snr = signal * _gains(estimates, self._gains) >> (
            _GAIN_BITS - self._missing_bits - _SNR_BITS
        )
        return self._logarithms(_shrunk(snr) << self._missing_bits)

    def _signal(self, frames: NDArray[np.int16]) -> NDArray[np.int64]:
        """(frames, mels) roots of the mel energies."""
        tapered = (frames.astype(np.int32) * self._taper >> _TAPER_BITS).astype(np.int16)
        # In 16 bits the most negative number is its own absolute value, and so the smallest.
        loudest = np.abs(tapered).max(axis=1).astype(np.int64)
        shift = 15 - _bits(loudest)
        padded = np.zeros((len(frames), self._spec.fft_length), np.int16)
        padded[:, : self._spec.frame_length] = tapered << shift[:, None].astype(np.int16)
        re, im = self._fft.transform(padded).astype(np.float64)
        energy = re * re + im * im
        mel = energy @ self._mel  # exact: less than 2^53
        root = np.floor(np.sqrt(mel))
        return np.asarray(root + (mel - root * root > root), np.int64) >> shift[:, None]

    def _estimates(self, signal: NDArray[np.int64]) -> NDArray[np.int64]:
        """(frames, mels) of the noise, scaled up by `_SMOOTHING_BITS`."""
        pull = ((signal << _SMOOTHING_BITS) & _UINT32_MAX) * self._smoothing
        made = np.empty_like(pull)
        noise = self._noise
        for row, pulled in enumerate(pull):
            noise = (pulled + noise * self._keeping) >> _NOISE_BITS
            made[row] = noise
        self._noise = noise
        return made

    @staticmethod
    def _without_noise(
        signal: NDArray[np.int64], estimates: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        scaled_up = (signal << _SMOOTHING_BITS) & _UINT32_MAX
        left = (scaled_up - np.minimum(estimates, scaled_up)) >> _SMOOTHING_BITS
        return np.asarray(np.maximum(left, signal * _MIN_REMAINING >> _NOISE_BITS))

    def _logarithms(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """2^6 ln(v), 0 for v below 2."""
        x = np.maximum(values & _UINT32_MAX, 1)
        whole = _bits(x) - 1
        part = ((x << _LOG_BITS) >> whole) - (1 << _LOG_BITS)
        segment = part >> (_LOG_BITS - _LOG_SEGMENT_BITS)
        low, high = self._chords[segment], self._chords[segment + 1]
        along = part - (segment << (_LOG_BITS - _LOG_SEGMENT_BITS))
        log2 = (whole << _LOG_BITS) + part + low + ((high - low) * along >> _LOG_BITS)
        half = 1 << (_LOG_BITS - 1)
        natural = _LN2 * log2 + half >> _LOG_BITS
        scaled = (natural << _LOG_SCALE_BITS) + half >> _LOG_BITS
        return np.asarray(np.minimum(np.where(values > 1, scaled, 0), _UINT16_MAX))


def _rounded(values: NDArray[np.float32] | NDArray[np.float64], bits: int) -> NDArray[np.int32]:
    return np.asarray(np.floor(values.astype(np.float64) * (1 << bits) + 0.5), np.int32)


def _bits(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many bits each needs: 0 for 0, 1 for 1, 2 for 2 and 3."""
    return np.asarray(np.frexp(values.astype(np.float64))[1], np.int64)


def _triangles(spec: AudioInput) -> NDArray[np.float64]:
    """(bins, mels) whole numbers, 2^12 standing for 1.

    A bin between two centres belongs to the right one by its weight, and to the left one by what
    is missing to 1, each rounded by itself.
    """
    bins = spec.fft_length // 2 + 1
    hz_a_bin = np.float32(0.5 * spec.rate_hz / (bins - 1))
    low, high = _mel(np.array([spec.low_hz, spec.high_hz]))
    spacing = np.float32(high - low) / np.float32(spec.mels + 1)
    centres = low + spacing * np.arange(1, spec.mels + 2, dtype=np.float32)
    edges = np.concatenate([[low], centres]).astype(np.float32)
    places = _mel(np.arange(bins, dtype=np.float32) * hz_a_bin)
    made = np.zeros((bins, spec.mels), np.float64)
    for k in range(int(1.5 + spec.low_hz / float(hz_a_bin)), bins):
        slot = int(np.searchsorted(centres, places[k]))  # the first centre not below it
        if slot > spec.mels:
            break
        weight = (centres[slot] - places[k]) / (centres[slot] - edges[slot])
        # 1 at the left edge and 0 at the centre, where the other half is 1.
        rising, falling = _rounded(np.array([weight, 1.0 - float(weight)]), _WEIGHT_BITS)
        if slot >= 1:
            made[k, slot - 1] += rising
        if slot < spec.mels:
            made[k, slot] += falling
    return made


def _mel(hz: NDArray[np.float32] | NDArray[np.float64]) -> NDArray[np.float32]:
    return (1127.0 * np.log1p(hz.astype(np.float64) / 700.0)).astype(np.float32)


def _parabolas(input_bits: int) -> NDArray[np.int64]:
    """(33, 3) the gain over [2^(i - 1), 2^i): value at the left end and two coefficients.

    Rows 0 and 1 hold the gains of 0 and 1 themselves.
    """

    def gain(x: int) -> int:
        base = np.float32(np.float32(x) / np.float32(1 << input_bits)) + np.float32(_PCAN_OFFSET)
        # Rounded once: numpy's own power of float32 is off in the last bit here and there.
        power = np.float32(float(base) ** float(np.float32(-_PCAN_STRENGTH)))
        exact = np.float32(1 << _GAIN_BITS) * power
        return min(_INT16_MAX, int(exact + np.float32(0.5)))

    rows = [(gain(0), 0, 0), (gain(1), 0, 0)]
    for interval in range(2, 33):
        left = 1 << (interval - 1)
        right = 2 * left if interval < 32 else 2 * left - 1
        y0, y1, y2 = gain(left), gain(left + left // 2), gain(right)
        slope = 4 * (y1 - y0) - (y2 - y0)
        rows.append((y0, slope, y2 - y0 - slope))
    return np.array(rows, np.int64)


def _gains(x: NDArray[np.int64], parabolas: NDArray[np.int64]) -> NDArray[np.int64]:
    interval = _bits(x)
    y0, slope, bend = np.moveaxis(parabolas[interval], -1, 0)
    up = np.maximum(11 - interval, 0)
    along = ((x << up) >> np.maximum(interval - 11, 0)) & 0x3FF
    rise = ((bend * along >> 5) + (slope << 5)) * along + (1 << 14) >> 15
    return np.asarray(np.where(x <= 1, y0, y0 + rise))


def _shrunk(x: NDArray[np.int64]) -> NDArray[np.int64]:
    curved = x * x >> (2 + 2 * _SNR_BITS - _SHRUNK_BITS)
    straight = (x >> (_SNR_BITS - _SHRUNK_BITS)) - (1 << _SHRUNK_BITS)
    return np.asarray(np.where(x < (2 << _SNR_BITS), curved, straight))


def _chords() -> NDArray[np.int64]:
    """(130,) log2(1 + s / 128) - s / 128 at the ends of the segments, in steps of 2^-16."""
    at = np.arange((1 << _LOG_SEGMENT_BITS) + 2) / (1 << _LOG_SEGMENT_BITS)
    made = np.rint((np.log2(1.0 + at) - at) * (1 << _LOG_BITS)).astype(np.int64)
    made[-1] = 0
    return made
