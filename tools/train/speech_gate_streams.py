"""Streams to learn from: speech laid into made noise, its features, and what is to be answered.

A hop is 512 samples (32 ms), frame i of a stream its samples [512 i, 512 (i + 1)).  The network
sees the last `FRONT_END.frames` feature frames; what it says at hop k is about frame
k - `LOOK_AHEAD_HOPS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from edge_runtime.inference.sounds.audio_features import FrontEnd
from edge_runtime.manifest import AudioInput
from tools.train import speech_gate_noise as noises
from tools.train.speech_data import RATE_HZ, SEED

if TYPE_CHECKING:
    from tools.train.speech_gate_voices import Utterance

HOP = 512
"""Samples between two answers; 32 ms."""
LOOK_AHEAD_HOPS = 3
FRAMES = 127
FRONT_END = AudioInput(
    window_ms=2048,
    hop_ms=32,
    smooth_ms=0,
    front_end="log_mel",
    normalise="pcm",
    frame_length=512,
    frame_step=256,
    fft_length=512,
    frames=FRAMES,
    mels=40,
    low_hz=60.0,
    high_hz=7600.0,
    log_offset=3e-4,
)
SECONDS = 12.288
HOPS = round(SECONDS * RATE_HZ) // HOP
SILENT = np.float32(np.log(np.float32(FRONT_END.log_offset)))
"""The feature of digital silence: what the window holds before a stream's first sample."""
SHARES = {"commands": 0.34, "digits": 0.08, "letters": 0.04, "aloud": 0.1, "made": 0.2}
PROMPTS_SHARE = 0.24


@dataclass(frozen=True)
class Streams:
    """n streams of `HOPS` hops."""

    features: np.ndarray
    """(n, 2 * HOPS - 1, mels) float16."""
    target: np.ndarray
    """(n, HOPS) int8 for each 32 ms frame: 1 speech, 0 none, -1 may be either."""
    far: np.ndarray
    """(n, HOPS) bool: farther than 0.3 s from any speech."""
    snr_db: np.ndarray
    """(n,)"""

    def arrays(self) -> dict[str, np.ndarray]:
        return {name: getattr(self, name) for name in ("features", "target", "far", "snr_db")}

    def taken(self, rows: np.ndarray) -> Streams:
        return Streams(**{name: array[rows] for name, array in self.arrays().items()})

    @classmethod
    def joined(cls, parts: list[Streams]) -> Streams:
        names = parts[0].arrays()
        return cls(**{n: np.concatenate([p.arrays()[n] for p in parts]) for n in names})


class Maker:
    """Streams of one part's voices.  `seed` alone decides what the n-th is."""

    def __init__(self, voices: dict[str, list[Utterance]], *, salt: int) -> None:
        self._voices = {name: found for name, found in voices.items() if found}
        shares = np.array([SHARES.get(name, 0.0) for name in self._voices])
        prompts = shares == 0
        if prompts.any():
            shares[prompts] = PROMPTS_SHARE / prompts.sum()
        self._names, self._shares = list(self._voices), shares / shares.sum()
        self._salt = salt
        self._bank = noises.Bank(np.random.default_rng([SEED, 1000 + salt]), HOPS * HOP)
        frames = 2 * HOPS - 1
        whole = {"frames": frames, "window_ms": round(SECONDS * 1000)}
        self._front = FrontEnd(msgspec.structs.replace(FRONT_END, **whole))

    def streams(self, first: int, count: int) -> Streams:
        made = [self.stream(first + index) for index in range(count)]
        features = [self._front.features(one[0]).astype(np.float16) for one in made]
        return Streams(
            np.stack(features),
            np.stack([one[1] for one in made]),
            np.stack([one[2] for one in made]),
            np.array([one[3] for one in made], np.float32),
        )

    def stream(self, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
        """(HOPS * 512,) int16 samples, target, far, SNR in dB."""
        rng = np.random.default_rng([SEED, self._salt, number])
        count = HOPS * HOP
        noise = self._bank.stream(rng)
        snr_db = float(rng.uniform(-5, 15) if rng.random() < 0.8 else rng.uniform(15, 32))
        speech = np.zeros(count, np.float32)
        label = np.zeros(count // 160 + 4, np.int8)
        if rng.random() < 0.85:
            self._speak(rng, speech, label, snr_db)
        if rng.random() < 0.5:
            # As far as the clean speech; the noise is in its own room.
            level = np.sqrt((speech**2).mean())
            speech = noises.in_room(rng, speech) if level else speech
        mixed = noise + speech
        peak_db = rng.uniform(-3, 0) if rng.random() < 0.1 else rng.uniform(-45, -3)
        mixed *= 32767 * 10 ** (peak_db / 20) / np.abs(mixed).max()
        if rng.random() < 0.1:  # overdriven
            mixed *= rng.uniform(1, 4)
        lost = self._interrupt(rng, mixed)
        label[lost.start // 160 : -(-lost.stop // 160)] = 0
        samples = np.clip(np.round(mixed), -32768, 32767).astype(np.int16)
        target, far = frames_of(label)
        return samples, target, far, snr_db

    def _speak(
        self, rng: np.random.Generator, speech: np.ndarray, label: np.ndarray, snr_db: float
    ) -> None:
        """Lays utterances into `speech`, against noise of unit deviation."""
        pause_s = np.exp(rng.uniform(np.log(0.15), np.log(2.5)))
        at = int(rng.exponential(pause_s) * 100)
        while True:
            one = self._utterance(rng)
            frames = len(one.speech)
            if at + frames >= len(speech) // 160:
                return
            gain = 10 ** ((snr_db + rng.normal(0, 1.5)) / 20) / one.level
            here = slice(at * 160, at * 160 + frames * 160)
            speech[here] += one.samples[: frames * 160] * gain
            label[at : at + frames] = np.where(one.speech == 0, label[at : at + frames], one.speech)
            at += frames + int(rng.exponential(pause_s) * 100)

    def _utterance(self, rng: np.random.Generator) -> Utterance:
        """One of the voices, some of them faster or slower, cut closely or not."""
        from tools.train.speech_gate_voices import Utterance

        source = self._voices[self._names[rng.choice(len(self._names), p=self._shares)]]
        one = source[rng.integers(len(source))]
        x, speech = one.samples, one.speech
        if rng.random() < 0.6:
            speed = rng.uniform(0.8, 1.22)
            x = np.interp(np.arange(0, len(x) - 1, speed), np.arange(len(x)), x)
            frames = len(x) // 160
            old = np.minimum((np.arange(frames) * speed).astype(int), len(speech) - 1)
            speech = speech[old]
        inside = np.flatnonzero(speech == 1)
        if one.kind == "running" and len(inside) > 150 and rng.random() < 0.6:
            start = int(rng.integers(inside[0], inside[-1] - 60))
            length = int(rng.integers(40, 450))
            x, speech = x[start * 160 : (start + length) * 160], speech[start : start + length]
        elif rng.random() < 0.5:  # cut as closely as the streams of others are
            first, last = inside[0], inside[-1] + 1
            x, speech = x[first * 160 : last * 160], speech[first:last]
        x = x[: len(speech) * 160].astype(np.float32)
        ramp = min(80, len(x) // 4)
        x[:ramp] *= np.linspace(0, 1, ramp)
        x[-ramp:] *= np.linspace(1, 0, ramp)
        return Utterance(x, speech, one.level, one.kind)

    @staticmethod
    def _interrupt(rng: np.random.Generator, sound: np.ndarray) -> slice:
        """Some streams begin late, jump in level, or lose some sound: the samples lost."""
        kind = rng.random()
        count = len(sound)
        lost = slice(0, 0)
        if kind < 0.06:
            lost = slice(0, int(rng.uniform(0, 0.4) * count))
        elif kind < 0.12:
            sound[int(rng.uniform(0.2, 0.8) * count) :] *= 10 ** (rng.uniform(-15, 6) / 20)
        elif kind < 0.15:
            at = int(rng.uniform(0.2, 0.9) * count)
            lost = slice(at, at + int(rng.uniform(0.02, 0.5) * RATE_HZ))
        sound[lost] = 0
        return lost


def frames_of(label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(HOPS,) target and (HOPS,) far from labels every 10 ms."""
    fine = np.repeat(label, 10)  # every millisecond
    frames = fine[: HOPS * 32].reshape(HOPS, 32)
    target = np.where((frames == 1).mean(1) >= 0.5, 1, np.where((frames != 0).any(1), -1, 0))
    near = np.convolve(np.abs(label), np.ones(61), "same") > 0.5
    far = ~np.repeat(near, 10)[: HOPS * 32].reshape(HOPS, 32).any(1)
    return target.astype(np.int8), far


def through_microphones(rng: np.random.Generator, features: np.ndarray) -> np.ndarray:
    """(n, frames, mels) float32 as other microphones would have heard them.

    A gain over the frequency adds to the logarithm: a smooth random curve, and sometimes the end of
    the band at either side.
    """
    count, _, mels = features.shape
    mel = np.linspace(_mel(FRONT_END.low_hz), _mel(FRONT_END.high_hz), mels + 2)[1:-1]
    hz = 700 * np.expm1(mel / 1127)
    gains = np.empty((count, 1, mels), np.float32)
    for row in range(count):
        knots = rng.normal(0, rng.uniform(0, 0.6), int(rng.integers(3, 12)))
        gain = np.interp(np.linspace(0, 1, mels), np.linspace(0, 1, len(knots)), knots)
        if rng.random() < 0.3:
            gain -= np.log1p((rng.uniform(80, 400) / hz) ** 4)
        if rng.random() < 0.25:
            gain -= np.log1p((hz / rng.uniform(2800, 7000)) ** 8)
        gains[row, 0] = gain + rng.uniform(-1, 1)
    return np.maximum(features + gains, SILENT)


def _mel(hz: float) -> float:
    return 1127.0 * float(np.log1p(hz / 700.0))
