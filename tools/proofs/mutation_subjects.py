"""The sound bundles of the mutation run, and media that are not among their golden samples."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import cv2
import numpy as np
import soundfile

from edge_runtime.sample_station import media
from edge_runtime.sample_station.belt import draw_part
from tests.support.models import third_party_bundle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SEED = 90
WORDS = ("no", "left", "conveyor")
"""Of the demo's voice."""
Subject = tuple[str, "Path", tuple["Path", ...]]
_CLIPS = ("yes", "stop", "_unknown_", "go", "left", "_silence_")
_THIRD_PARTY = {
    "dscnn_l_kws_fp32.onnx": "sound",
    "kws_ref_model_int8.tflite": "sound",
    "kws_ref_model_float32.tflite": "sound",
    "vww_96_int8.tflite": "picture",
}


def shipped(models: Path, data: Path, scratch: Path) -> Iterator[Subject]:
    """The newest version of each, as it is."""
    pictures = [*_drawn(scratch), *_pictures(data)[:3]]
    sounds = [*_spoken(scratch), *_clips(data)[:3]]
    for home in sorted(models.iterdir()):
        folder = max(home.iterdir())
        if (folder / "golden" / "golden.json").is_file():
            is_sound = next(folder.glob("golden/*.flac"), None) is not None
            yield home.name, folder, tuple(sounds if is_sound else pictures)


def third_party(data: Path, scratch: Path) -> Iterator[Subject]:
    """Models of the data folder with manifests of ours; their golden samples are recorded now."""
    if not (data / "models").is_dir():
        return
    for file, kind in _THIRD_PARTY.items():
        found = _clips(data) if kind == "sound" else _pictures(data)
        folder = scratch / file.replace(".", "-")
        third_party_bundle(folder, file)
        command = [sys.executable, "-m", "edge_runtime", "models", "export-golden", str(folder)]
        command += [str(path) for path in found[3:6]]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        yield file.partition(".")[0], folder, tuple(found[:3])


def _drawn(scratch: Path) -> list[Path]:
    rng = np.random.default_rng(SEED)
    made = []
    for number in range(3):
        path = scratch / f"drawn-{number}.png"
        pixels = draw_part(rng, number, scratched=number > 0).pixels[100:420, 200:680]
        cv2.imwrite(str(path), pixels)
        made.append(path)
    return made


def _spoken(scratch: Path) -> list[Path]:
    voice = scratch / "voice.wav"
    media.make_voice(voice)
    samples, rate_hz = soundfile.read(voice, dtype="int16")
    made: list[Path] = []
    for spoken in media.voice_words():
        if spoken.word in WORDS and len(made) < len(WORDS):
            first = int((spoken.start_s - 0.2) * rate_hz)
            path = scratch / f"spoken-{len(made)}.wav"
            soundfile.write(path, samples[first : first + rate_hz], rate_hz, subtype="PCM_16")
            made.append(path)
    return made


def _clips(data: Path) -> list[Path]:
    folder = data / "speech_commands"
    return [min((folder / label).iterdir()) for label in _CLIPS if folder.is_dir()]


def _pictures(data: Path) -> list[Path]:
    folder = data / "ballscrew_BSData_CC-BY-SA" / "images"
    return sorted(folder.glob("*"))[:6] if folder.is_dir() else []
