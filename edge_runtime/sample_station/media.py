"""The demo's media, made on the spot from a seed: a belt of parts, some scratched, and a voice.

One thread; deterministic for one version of OpenCV and numpy.  Nothing here was used to train the
shipped models: they have seen other made surfaces and other voices.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.errors import ItemError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edge_runtime.sample_station.belt import Box

RATE_HZ = 16_000
LEVEL = 0.8
"""Of full scale: the voice is peak-normalised, the noise comes on top."""


@dataclass(frozen=True, slots=True)
class Belt:
    """What was filmed: frame k shows part k."""

    parts: int
    scratched: frozenset[int]
    """Numbers of the frames that show a scratched part."""
    scratches: tuple[tuple[Box, ...], ...] = ()
    """Of each frame: (x0, y0, x1, y1) of every scratch, in pixels."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """One word in ``voice.flac``."""

    word: str
    label: str
    """What a keyword model should answer: the word, or ``_unknown_``."""
    start_s: float
    end_s: float


def make_belt_video(
    path: Path, *, parts: int, fps: float, seed: int = 7, scratched: Iterable[int] | None = None
) -> Belt:
    """A video (MJPEG) with one frame for each part that stops under the camera.

    `scratched`: numbers of the scratched parts; else about a quarter of them, never the first.
    Raises `ItemError` when it cannot be written.
    """
    import cv2

    from edge_runtime.sample_station.belt import SIZE, draw_part

    rng = np.random.default_rng(seed)
    chosen = frozenset(_some(rng, parts) if scratched is None else scratched)
    codec = cv2.VideoWriter.fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path), codec, fps, SIZE)
    if not writer.isOpened():
        raise ItemError(f"{path}: this OpenCV cannot write a video there")
    scratches = []
    for part in range(parts):
        picture = draw_part(rng, part, scratched=part in chosen)
        scratches.append(picture.scratches)
        writer.write(picture.pixels)
    writer.release()
    return Belt(parts, chosen, tuple(scratches))


def _some(rng: np.random.Generator, parts: int) -> list[int]:
    """A quarter of the parts; at least one where there are two, and never the first."""
    count = min(parts - 1, max(1, parts // 4))
    return [int(part) for part in rng.choice(np.arange(1, parts), count, replace=False)]


def make_voice(path: Path, *, seed: int = 7, snr_db: float = 22.0) -> tuple[str, ...]:
    """A WAV (16 kHz, mono, 16 bit) of a voice over the noise of a hall.

    Returns what a keyword model should hear, in order.  Raises `ItemError` when the shipped voice
    is not what it should be.
    """
    import soundfile

    speech = _voice()
    rng = np.random.default_rng(seed)
    said = np.concatenate([speech[_span(word)] for word in voice_words()])
    loud = float(np.sqrt(np.mean(said**2)))
    mixed = speech + hall_noise(rng, len(speech)) * np.float32(loud * 10 ** (-snr_db / 20))
    soundfile.write(path, np.clip(mixed, -1, 1), RATE_HZ, subtype="PCM_16")
    return tuple(word.label for word in voice_words())


def voice_words() -> tuple[Spoken, ...]:
    """What ``voice.flac``, and so every `make_voice`, says and when."""
    text = resources.files("edge_runtime.sample_station").joinpath("voice.json").read_text("utf-8")
    return tuple(Spoken(**word) for word in json.loads(text))


def hall_noise(rng: np.random.Generator, count: int) -> NDArray[np.float32]:
    """(count,) of a hall: hiss, the mains' hum, a clank now and then; unit deviation."""
    t = np.arange(count) / RATE_HZ
    hiss = np.convolve(rng.standard_normal(count), np.ones(6) / 6, "same")
    hum = sum(np.sin(2 * np.pi * 50 * k * t + rng.uniform(0, 6)) / k for k in (1, 2, 3, 5))
    noise = hiss / hiss.std() + 0.7 * hum
    for _ in range(count // (4 * RATE_HZ)):
        at, ring_hz = int(rng.integers(0, count)), rng.uniform(900, 2600)
        after = t[: count - at]
        noise[at:] += 2.0 * np.exp(-60 * after) * np.sin(2 * np.pi * ring_hz * after)
    return np.asarray(noise / noise.std(), np.float32)


def belt_picture(path: Path, *, numbers: Sequence[int] = (3, 1, 2), seed: int = 7) -> None:
    """Some parts beside each other for documents, those with an odd number scratched.

    Raises `ItemError` when it cannot be written.
    """
    import cv2

    from edge_runtime.sample_station.belt import draw_part

    rng = np.random.default_rng(seed)
    parts = [draw_part(rng, n, scratched=n % 2 == 1).pixels for n in numbers]
    small = [cv2.resize(part, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for part in parts]
    if not cv2.imwrite(str(path), np.hstack(small)):
        raise ItemError(f"{path}: cannot be written")


def _voice() -> NDArray[np.float32]:
    """The dry voice, its loudest sample at `LEVEL`."""
    import soundfile

    shipped = resources.files("edge_runtime.sample_station").joinpath("voice.flac")
    with resources.as_file(shipped) as file:
        speech, rate_hz = soundfile.read(file, dtype="float32")
    if rate_hz != RATE_HZ or speech.ndim != 1:
        raise ItemError(f"the demo's voice is to be mono at {RATE_HZ} Hz, not {rate_hz}")
    return np.asarray(speech * np.float32(LEVEL / np.abs(speech).max()), np.float32)


def _span(word: Spoken) -> slice:
    return slice(round(word.start_s * RATE_HZ), round(word.end_s * RATE_HZ))
