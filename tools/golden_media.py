"""The golden media of the shipped models, made by our own demo: parts of a belt, words, a hum.

    python tools/golden_media.py FOLDER
    edge-runtime models export-golden MODEL FOLDER/… --force

The pictures are 400 x 304 pixels: with tiles of 64 every 48 that is one batch of 48, all of it
filled.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import soundfile

from edge_runtime.sample_station import media
from edge_runtime.sample_station.belt import draw_part

WIDTH, HEIGHT = 400, 304
SEED = 20
WORDS = ("go", "yes", "conveyor", "stop")
BEFORE_S, LENGTH_S = 0.25, 1.0
HUM_HZ = 100


def pictures(folder: Path) -> None:
    """A clean part and three scratched ones, cut around their first scratch."""
    rng = np.random.default_rng(SEED)
    for number in range(4):
        part = draw_part(rng, number, scratched=number > 0)
        height, width = part.pixels.shape[:2]
        x, y = width // 2, height // 2
        if part.scratches:
            x0, y0, x1, y1 = part.scratches[0]
            x, y = (x0 + x1) // 2, (y0 + y1) // 2
        left = min(max(x - WIDTH // 2, 0), width - WIDTH)
        top = min(max(y - HEIGHT // 2, 0), height - HEIGHT)
        cut = part.pixels[top : top + HEIGHT, left : left + WIDTH]
        cv2.imwrite(str(folder / f"part-{number}.png"), cut)


def sounds(folder: Path) -> None:
    """Words out of the demo's voice, and a hum that is none."""
    voice = folder / "voice.wav"
    media.make_voice(voice)
    samples, rate_hz = soundfile.read(voice, dtype="int16")
    voice.unlink()
    for word in WORDS:
        spoken = next(each for each in media.voice_words() if each.word == word)
        first = int((spoken.start_s - BEFORE_S) * rate_hz)
        cut = samples[first : first + int(LENGTH_S * rate_hz)]
        soundfile.write(folder / f"word-{word}.flac", cut, rate_hz, subtype="PCM_16")
    rng = np.random.default_rng(SEED)
    times = np.arange(rate_hz) / rate_hz
    hum = 300 * np.sin(2 * np.pi * HUM_HZ * times) + rng.normal(0, 60, rate_hz)
    soundfile.write(folder / "word-none.flac", hum.astype(np.int16), rate_hz, subtype="PCM_16")


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pictures(folder)
    sounds(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
