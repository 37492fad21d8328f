"""Sound for keywords: recorded clips split by speaker, made speech, made noise, augmentation."""

from __future__ import annotations

import csv
import hashlib
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from edge_runtime.inference.audio_features import FrontEnd
from edge_runtime.manifest import AudioInput

WORDS = ["yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go"]
LABELS = [*WORDS, "_silence_", "_unknown_"]
SILENCE, UNKNOWN = LABELS.index("_silence_"), LABELS.index("_unknown_")
RATE_HZ = 16000
SEED = 20261124
FRONT_END = AudioInput(
    front_end="mfcc", normalise="peak", coefficients=16, low_hz=40.0, high_hz=7600.0, hop_ms=100
)
TEACHER_FRONT_END = AudioInput(
    front_end="mfcc", frame_length=640, fft_length=1024, log_offset=0.0, log_floor=1e-12
)
TEACHER_LABELS = ["_silence_", "_unknown_", *WORDS]
VOICES = [
    "en-us", "en-us+m1", "en-us+m3", "en-us+m5", "en-us+m7", "en-us+f1", "en-us+f2", "en-us+f4",
    "en-us+f5", "en-us+Alex", "en-us+Denis", "en-us+victor", "en-us+john", "en-us+robosoft",
    "en-gb", "en-gb-x-rp", "en-gb-x-rp+m2", "en-gb-x-rp+f2", "en-gb-x-rp+f4", "en-gb-scotland",
    "en-gb-scotland+m4", "en-gb-scotland+f1", "en-029", "en-029+m3", "en-029+f2", "en-gb-x-gbclan",
    "en-gb-x-gbclan+f4", "en-gb-x-gbclan+m6",
]  # fmt: skip
"""Of made speech.  Not the demo's: that is en-us+f3."""
OTHER_WORDS = [
    "bed", "bird", "cat", "dog", "happy", "house", "marvin", "tree", "three", "seven", "wow",
    "zero", "open", "close", "start", "over", "under", "part", "line", "reject", "camera",
    "press", "motor", "belt", "label", "shift", "light", "table", "water", "number", "again",
    "please", "ready", "wait", "faster", "slower", "west", "east", "good", "bad", "heat",
    "night", "snow", "goat", "top", "drop", "soft", "upper", "bless",
]  # fmt: skip
TAUGHT, TAUGHT_AGAINST = 0.65, 0.25
"""Weight of the teacher's opinion beside the label, and where it thinks otherwise."""
PUBLIC_DOMAIN_SPEECH = "LJ001-*.wav"


@dataclass(frozen=True)
class Clip:
    """One sound and its label."""

    samples: np.ndarray
    label: int
    speaker: str = ""


def part_of(row: dict[str, str]) -> str:
    """train, val or test, by speaker; silence, which has none, by its file."""
    key = (row["speaker"] or row["file"]).encode()
    number = int(hashlib.sha256(key).hexdigest(), 16) % 100
    return "test" if number < 25 else "val" if number < 35 else "train"


def recorded(folder: Path) -> dict[str, list[Clip]]:
    """The clips of labels.csv by part."""
    parts: dict[str, list[Clip]] = {"train": [], "val": [], "test": []}
    with folder.joinpath("labels.csv").open() as file:
        for row in csv.DictReader(file):
            samples, rate_hz = soundfile.read(folder / row["file"], dtype="int16")
            assert rate_hz == RATE_HZ
            clip = Clip(samples, LABELS.index(row["label"]), row["speaker"] or row["file"])
            parts[part_of(row)].append(clip)
    return parts


def made_speech() -> list[Clip]:
    """The words in every voice, and other words in some, by espeak-ng.  None without it."""
    if shutil.which("espeak-ng") is None:
        print("espeak-ng is not installed: no made speech")
        return []
    rng = np.random.default_rng(SEED)
    wanted = [(word, voice) for word in WORDS for voice in VOICES]
    wanted += [(word, str(v)) for word in OTHER_WORDS for v in rng.choice(VOICES, 6, replace=False)]
    with tempfile.TemporaryDirectory() as folder:
        return [
            Clip(
                said(word, voice, rng, Path(folder)),
                LABELS.index(word) if word in WORDS else UNKNOWN,
            )
            for word, voice in wanted
        ]


def said(word: str, voice: str, rng: np.random.Generator, folder: Path) -> np.ndarray:
    path = folder / "word.wav"
    speed, pitch = str(rng.integers(110, 190)), str(rng.integers(25, 75))
    command = ["espeak-ng", "-v", voice, "-s", speed, "-p", pitch, "-w", str(path), word]
    subprocess.run(command, check=True)
    samples, rate_hz = soundfile.read(path, dtype="int16")
    return soxr.resample(samples, rate_hz, RATE_HZ)


def read_aloud(folder: Path) -> list[Clip]:
    """Seconds of running speech as unknown words."""
    found = []
    for path in sorted(folder.glob(PUBLIC_DOMAIN_SPEECH)):
        samples, rate_hz = soundfile.read(path, dtype="int16")
        at_16k = soxr.resample(samples, rate_hz, RATE_HZ)
        starts = range(0, len(at_16k) - RATE_HZ, RATE_HZ // 2)
        found += [Clip(at_16k[i : i + RATE_HZ], UNKNOWN) for i in starts]
    return found


def noise(rng: np.random.Generator, count: int) -> np.ndarray:
    """Made factory noise: coloured hiss, hum, clanks; unit deviation."""
    spectrum = np.fft.rfft(rng.normal(0, 1, count))
    hz = np.fft.rfftfreq(count, 1 / RATE_HZ)
    sound = np.fft.irfft(spectrum / np.maximum(hz, 30.0) ** rng.uniform(0, 1.1), count)
    sound /= sound.std() + 1e-9
    t = np.arange(count) / RATE_HZ
    if rng.random() < 0.5:
        base = rng.uniform(40, 320)
        for harmonic in range(1, 6):
            sound += rng.uniform(0, 0.8) / harmonic * np.sin(2 * np.pi * base * harmonic * t)
    for _ in range(rng.integers(0, 2 + 3 * count // RATE_HZ)):
        at, ring = rng.integers(0, count), rng.uniform(600, 5000)
        tail = np.exp(-t[: count - at] * rng.uniform(20, 120))
        sound[at:] += rng.uniform(1, 6) * tail * np.sin(2 * np.pi * ring * t[: count - at])
    return (sound / (sound.std() + 1e-9)).astype(np.float32)


def trimmed(samples: np.ndarray) -> np.ndarray:
    """Without the silence at the ends."""
    level = np.abs(samples.astype(np.float32))
    loud = np.flatnonzero(np.convolve(level, np.ones(400) / 400, "same") > 0.06 * level.max())
    return samples if len(loud) == 0 else samples[loud[0] : loud[-1] + 1]


def as_segment(rng: np.random.Generator, clip: Clip) -> np.ndarray:
    """As the gate cuts it: 0.3 s of the room, the word, 0.5 s of the room."""
    word = trimmed(clip.samples).astype(np.float32)
    room = noise(rng, len(word) + RATE_HZ * 8 // 10) * np.sqrt((word**2).mean()) * 0.05
    room[RATE_HZ * 3 // 10 :][: len(word)] += word
    return np.clip(room, -32768, 32767).astype(np.int16)


class Augmented:
    """Clips as they could have been heard: shifted, faster, in a room, in noise."""

    def __init__(self, clips: list[Clip], teacher: Path | None) -> None:
        self._clips = clips
        self._short = [trimmed(clip.samples) for clip in clips]
        bank = np.random.default_rng(SEED + 2)
        self._noise = [noise(bank, 3 * RATE_HZ) for _ in range(300)]
        self._front, self._teacher = FrontEnd(FRONT_END), Teacher(teacher) if teacher else None

    def epoch(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """(n, 49, 16, 1) features and (n, 12) what should be answered, in the clips' order."""
        rng = np.random.default_rng([SEED, seed])
        heard = [self._heard(rng, i) for i in range(len(self._clips))]
        x = np.stack([self._front.features(sound) for sound in heard])[..., None]
        target = np.eye(len(LABELS), dtype=np.float32)[[clip.label for clip in self._clips]]
        if self._teacher:
            taught = np.stack([self._teacher.says(sound) for sound in heard])
            agrees = taught.argmax(1) == target.argmax(1)
            weight = np.where(agrees, TAUGHT, TAUGHT_AGAINST)[:, None].astype(np.float32)
            target = (1 - weight) * target + weight * taught
        return x, target

    def _heard(self, rng: np.random.Generator, index: int) -> np.ndarray:
        """A second with the word somewhere in it."""
        clip = self._clips[index]
        x = clip.samples.astype(np.float32)
        if clip.label != SILENCE:
            if rng.random() < 0.7:
                x = self._short[index].astype(np.float32)
            if rng.random() < 0.7:
                speed = rng.uniform(0.83, 1.2)
                x = np.interp(np.arange(0, len(x) - 1, speed), np.arange(len(x)), x)
            if rng.random() < 0.3:  # a short room
                delay = int(rng.integers(80, 1400))
                x = x + np.pad(x, (delay, 0))[: len(x)] * rng.uniform(0.1, 0.5)
        level = np.sqrt((x**2).mean()) + 1e-3
        out = _placed(rng, x)
        if rng.random() < 0.8:
            sound = self._noise[rng.integers(len(self._noise))]
            at = rng.integers(len(sound) - RATE_HZ)
            out += sound[at : at + RATE_HZ] * (level * 10 ** (-rng.uniform(3, 40) / 20))
        return np.clip(out * 10 ** (rng.uniform(-12, 3) / 20), -32768, 32767).astype(np.int16)


def _placed(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    """`x` anywhere in a second; of a longer one any second."""
    out = np.zeros(RATE_HZ, np.float32)
    room = RATE_HZ - len(x)
    at = int(rng.integers(min(0, room), max(0, room) + 1))
    start, stop = max(0, at), min(RATE_HZ, at + len(x))
    out[start:stop] = x[start - at : stop - at]
    return out


class Teacher:
    """A larger network, trained elsewhere on other speakers, says how sure one can be."""

    SOFTER = 0.7
    """Its probabilities to this power: less sure than it is."""

    def __init__(self, model: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(model), options)
        self._name = self._session.get_inputs()[0].name
        self._front = FrontEnd(TEACHER_FRONT_END)
        self._order = [TEACHER_LABELS.index(label) for label in LABELS]

    def says(self, sound: np.ndarray) -> np.ndarray:
        """(12,) probabilities in the order of `LABELS`."""
        x = self._front.features(sound)[None, :, :, None]
        found = self._session.run(None, {self._name: x})[0][0]
        softer = np.maximum(found, 1e-6)[self._order] ** self.SOFTER
        return softer / softer.sum()


_augmented: list[Augmented] = []
"""One a worker process."""


def begin_worker(clips: list[Clip], teacher: Path | None) -> None:
    _augmented.append(Augmented(clips, teacher))


def epoch(seed: int) -> tuple[np.ndarray, np.ndarray]:
    return _augmented[0].epoch(seed)


def evaluation(clips: list[Clip]) -> tuple[np.ndarray, np.ndarray]:
    """(n, 49, 16, 1) features and (n,) labels of the clips as they are."""
    front = FrontEnd(FRONT_END)
    x = np.stack([front.features(clip.samples) for clip in clips])[..., None]
    return x, np.array([clip.label for clip in clips])
