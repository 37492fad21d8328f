"""Sound for keywords: recorded clips split by speaker, and a clip as the gate cuts it."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from edge_runtime.manifest import AudioInput

WORDS = ["yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go"]
LABELS = [*WORDS, "_silence_", "_unknown_"]
SILENCE, UNKNOWN = LABELS.index("_silence_"), LABELS.index("_unknown_")
RATE_HZ = 16000
SEED = 20261124
TEACHER_FRONT_END = AudioInput(
    front_end="mfcc", frame_length=640, fft_length=1024, log_offset=0.0, log_floor=1e-12
)
TEACHER_LABELS = ["_silence_", "_unknown_", *WORDS]


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
