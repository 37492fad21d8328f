"""Make edge_runtime/sample_station/voice.flac and voice.json: espeak-ng saying the demo's words.

python tools/make_demo_voice.py        (needs espeak-ng; the result is in the repository)
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile
import soxr

from edge_runtime.sample_station.media import RATE_HZ, Spoken

if TYPE_CHECKING:
    from numpy.typing import NDArray

OUT = Path(__file__).resolve().parents[1] / "edge_runtime" / "sample_station"
VOICE = ("-v", "en-us+f3", "-s", "150", "-p", "50")
"""Kept out of the training of the keyword model."""
WORDS = ("go", "left", "right", "up", "down", "conveyor", "yes", "no", "on", "off", "go", "stop")
OTHER_WORDS = ("conveyor",)
PAUSE_S = 1.15
STEPS = 180
"""From silence to the loudest sample: few steps keep the file small; noise comes on top anyway."""


def say(word: str) -> NDArray[np.float32]:
    """The word without the silence around it, its loudest sample 1."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        subprocess.run(["espeak-ng", *VOICE, "-w", file.name, word], check=True)
        samples, rate_hz = soundfile.read(file.name, dtype="float32")
    samples = soxr.resample(samples, rate_hz, RATE_HZ)
    loud = np.flatnonzero(np.abs(samples) > 0.01)
    word_only = samples[loud[0] : loud[-1] + 1]
    return np.asarray(word_only / np.abs(word_only).max(), np.float32)


def main() -> None:
    pause = np.zeros(round(PAUSE_S * RATE_HZ), np.float32)
    parts, words, at = [pause], [], len(pause)
    for word in WORDS:
        spoken = say(word)
        label = "_unknown_" if word in OTHER_WORDS else word
        start_s, end_s = at / RATE_HZ, (at + len(spoken)) / RATE_HZ
        words.append(asdict(Spoken(word, label, round(start_s, 3), round(end_s, 3))))
        parts += [spoken, pause]
        at += len(spoken) + len(pause)
    coarse = np.round(np.concatenate(parts) * (STEPS - 1)).astype(np.int16) * np.int16(128)
    flac = OUT / "voice.flac"
    soundfile.write(flac, coarse, RATE_HZ, subtype="PCM_16", format="FLAC", compression_level=1.0)
    lines = ",\n".join(" " + json.dumps(word) for word in words)
    OUT.joinpath("voice.json").write_text(f"[\n{lines}\n]\n", "utf-8")
    print(f"{flac}: {at / RATE_HZ:.1f} s, {flac.stat().st_size} bytes")


if __name__ == "__main__":
    main()
