"""Make edge_runtime/demo/voice.flac: a voice of espeak-ng saying the demo's words.

    python tools/make_demo_voice.py        (needs espeak-ng; the result is in the repository)
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import soxr

from edge_runtime.demo.media import RATE_HZ, WORDS

OUT = Path(__file__).resolve().parents[1] / "edge_runtime" / "demo" / "voice.flac"
VOICE = ("-v", "en-us+f3", "-s", "150", "-p", "50")
PAUSE_S = 1.1


def say(word: str) -> np.ndarray:
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        subprocess.run(["espeak-ng", *VOICE, "-w", file.name, word], check=True)
        samples, rate_hz = soundfile.read(file.name, dtype="float32")
    samples = soxr.resample(samples, rate_hz, RATE_HZ)
    loud = np.flatnonzero(np.abs(samples) > 0.01)
    return samples[loud[0] : loud[-1] + 1]


def main() -> None:
    pause = np.zeros(round(PAUSE_S * RATE_HZ), np.float32)
    parts = [pause]
    for word in WORDS:
        spoken = say(word)
        parts += [spoken / np.abs(spoken).max() * 0.6, pause]
    sound = np.concatenate(parts)
    soundfile.write(OUT, sound, RATE_HZ, subtype="PCM_16", format="FLAC")
    print(f"{OUT}: {len(sound) / RATE_HZ:.1f} s, {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
