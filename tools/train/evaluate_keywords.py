"""Examine keywords on speakers it has never heard, through the runtime itself.

    python -m tools.train.evaluate_keywords --data DATA [--bundle FOLDER] [--float FILE] [--write]

DATA holds speech_commands and factory_valve_MIMII_CC-BY-SA.  Prints the figures; --write puts them
into the bundle's MODEL_CARD.md and model.toml.
"""

from __future__ import annotations

import argparse
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from edge_runtime.config import Gate
from edge_runtime.demo import media
from edge_runtime.gate.audio_gate import AudioGate
from edge_runtime.gate.vad import open_scorer
from edge_runtime.inference import load_model
from edge_runtime.types import AudioBlock, Stamp
from tools.train import bundle, figures, speech_data
from tools.train.evaluate_surface import ROOT, with_model
from tools.train.speech_data import RATE_HZ, SILENCE, UNKNOWN, WORDS, Clip

FACTORY = "factory_valve_MIMII_CC-BY-SA"
SNR_DB = 10.0


@dataclass
class Heard:
    """One clip's answer."""

    speaker: str
    label: int
    right: bool
    keyword: str | None
    """The keyword at or over its threshold, if any."""


def heard(runner: Any, manifest: dict[str, Any], clips: list[Clip]) -> list[Heard]:
    found = []
    for clip in clips:
        scores = {s.label: s.score for s in runner.segment(clip.samples, RATE_HZ).scores}
        best = max(scores, key=lambda label: scores[label])
        word = max(WORDS, key=lambda label: scores[label])
        keyword = word if scores[word] >= manifest["hear"][word] else None
        right = best == speech_data.LABELS[clip.label]
        found.append(Heard(clip.speaker, clip.label, right, keyword))
    return found


def accuracy(answers: list[Heard]) -> float:
    return float(np.mean([answer.right for answer in answers]))


def by_speaker(answers: list[Heard]) -> tuple[float, float]:
    """95 % interval of the accuracy, speakers drawn again and again."""
    speakers: dict[str, list[Heard]] = {}
    for answer in answers:
        speakers.setdefault(answer.speaker, []).append(answer)

    def figure(drawn: list[list[Heard]]) -> float:
        return accuracy([answer for group in drawn for answer in group])

    return figures.bootstrap(list(speakers.values()), figure)


def thresholds(answers: list[Heard]) -> dict[str, float]:
    """What a lane does with them: keywords heard right, and heard where there is none."""
    words = [a for a in answers if a.label not in (SILENCE, UNKNOWN)]
    nothing = [a for a in answers if a.label in (SILENCE, UNKNOWN)]
    right = np.mean([a.keyword == speech_data.LABELS[a.label] for a in words])
    wrong = np.mean([a.keyword not in (None, speech_data.LABELS[a.label]) for a in words])
    false = np.mean([a.keyword is not None for a in nothing])
    return {
        "segments_keyword_heard": float(right),
        "segments_heard_as_another": float(wrong),
        "segments_heard_without_keyword": float(false),
    }


def as_segments(clips: list[Clip]) -> list[Clip]:
    """The clips as the gate cuts them, with some of the room around the word."""
    rng = np.random.default_rng(2)
    return [
        clip
        if clip.label == SILENCE
        else Clip(speech_data.as_segment(rng, clip), clip.label, clip.speaker)
        for clip in clips
    ]


def in_factory(clips: list[Clip], folder: Path) -> list[Clip]:
    """The clips that hold a word, in recorded factory noise (first channel)."""
    sounds = [
        soundfile.read(f, dtype="int16", always_2d=True)[0] for f in folder.glob("valve*.wav")
    ]
    noise = np.concatenate([sound[:, 0] for sound in sounds]).astype(np.float32)
    rng = np.random.default_rng(1)
    found = []
    for clip in clips:
        if clip.label == SILENCE:
            continue
        x = np.zeros(RATE_HZ, np.float32)
        x[: len(clip.samples)] = clip.samples
        at = rng.integers(len(noise) - RATE_HZ)
        piece = noise[at : at + RATE_HZ]
        speech = speech_data.trimmed(clip.samples).astype(np.float32)
        factor = np.sqrt((speech**2).mean() / (piece**2).mean()) * 10 ** (-SNR_DB / 20)
        mixed = np.clip(x + piece * factor, -32768, 32767).astype(np.int16)
        found.append(Clip(mixed, clip.label, clip.speaker))
    return found


def demo_voice(runner: Any, manifest: dict[str, Any]) -> dict[str, Any]:
    """The demo's sound through the gate: the words heard in their segments."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "voice.wav")
        said = media.make_voice(path)
        samples, _ = soundfile.read(path, dtype="int16")
    settings = Gate()
    gate = AudioGate(settings, open_scorer(settings), source="demo", live=False)
    segments = gate.feed(AudioBlock("demo", 0, Stamp(0, 0, ""), samples, RATE_HZ, 0))
    segments += gate.flush()
    told = []
    for segment in segments:
        scores = {s.label: s.score for s in runner.segment(segment.samples, RATE_HZ).scores}
        word = max(WORDS, key=lambda label: scores[label])
        told.append(word if scores[word] >= manifest["hear"][word] else "_unknown_")
        print(f"  {segment.start_s:6.2f} s: {told[-1]} {scores[word]:.2f} ({word})")
    right = sum(a == b for a, b in zip(told, said, strict=False))
    return {"demo_words_right": right, "demo_words": len(said), "demo_segments": len(segments)}


def cost(runner: Any) -> dict[str, float]:
    """Milliseconds for a second of sound on one thread: features, and the model."""
    samples = np.random.default_rng(0).integers(-3000, 3000, RATE_HZ).astype(np.int16)
    rounds = [runner.segment(samples, RATE_HZ) for _ in range(60)]
    return {
        "features_ms": round(float(np.median([r.preprocess_ms for r in rounds])), 3),
        "infer_ms": round(float(np.median([r.infer_ms for r in rounds])), 3),
    }


def examined(folder: Path, data: Path) -> dict[str, Any]:
    manifest = tomllib.loads(folder.joinpath("model.toml").read_text())
    runner = load_model(folder).runner()
    clips = speech_data.recorded(data / "speech_commands")["test"]
    quiet = heard(runner, manifest, clips)
    loud = heard(runner, manifest, in_factory(clips, data / FACTORY))
    speakers = {clip.speaker for clip in clips if clip.label != SILENCE}
    spoken = [answer for answer in quiet if answer.label != SILENCE]
    return {
        "test_clips": len(clips),
        "test_speakers": len(speakers),
        "accuracy": accuracy(quiet),
        "accuracy_95": by_speaker(quiet),
        "accuracy_without_silence": accuracy(spoken),
        "accuracy_without_silence_95": by_speaker(spoken),
        "accuracy_factory_10dB": accuracy(loud),
        "accuracy_factory_10dB_95": by_speaker(loud),
        **thresholds(heard(runner, manifest, as_segments(clips))),
        **demo_voice(runner, manifest),
        **cost(runner),
        "bytes": (folder / manifest["file"]).stat().st_size,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, default=ROOT / "models" / "keywords" / "0.1.0")
    parser.add_argument("--float", type=Path, help="the float model, to compare")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    columns = {"int8": examined(options.bundle, options.data)}
    if options.float:
        with tempfile.TemporaryDirectory() as folder:
            other = with_model(options.bundle, options.float, Path(folder, "float"))
            columns["float"] = examined(other, options.data)
    table = figures.table(columns)
    print(table)
    if options.write:
        bundle.put_figures(options.bundle, table)
        bundle.add_metrics(options.bundle, figures.rounded(columns["int8"]))


if __name__ == "__main__":
    main()
