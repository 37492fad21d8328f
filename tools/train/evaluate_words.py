"""Examine keywords on words said close together: which are heard, each as a word of its own.

    python -m tools.train.evaluate_words --data DATA [--bundle FOLDER] [--chosen]

DATA as for `evaluate_keywords`.  Pairs 0.3 s and triples 0.4 s apart, of one speaker each, in a
quiet room and in recorded factory noise at 10 dB; single words, other words and talk beside them.
What `inference.sounds.utterances` is set to was chosen on half of the test speakers and those of
the validation (``--chosen`` examines these); without it: the other half.
"""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile

from edge_runtime.inference import load_model
from edge_runtime.inference.sounds.words import words
from tools.train.evaluate_keywords import BUNDLE, FACTORY, SNR_DB
from tools.train.speech_data import LABELS, RATE_HZ, UNKNOWN, WORDS, Clip, noise, recorded, trimmed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    from edge_runtime.types import Inference

EACH = 150
SENTENCES = 600
SPEECH = "speech_LibriSpeech_CC-BY/train_clean_100.flac"
BEFORE_S, AFTER_S = 0.3, 0.5
NEAR_S = 0.15
_ROOM = 0.05
SEED = 1


@dataclass(frozen=True)
class Said:
    """One word of an item."""

    label: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Item:
    """A segment as the gate cuts it, and what was said in it."""

    samples: NDArray[np.int16]
    said: tuple[Said, ...]


Heard = list[tuple[str, float]]
"""Label, and the middle of its span in seconds."""


def is_other_half(speaker: str) -> bool:
    """Whether a test speaker is of the half that chose nothing."""
    return int(hashlib.sha256(f"x{speaker}".encode()).hexdigest(), 16) % 2 == 1


def made(
    rng: Generator, clips: Sequence[Clip], gap_s: float, around: Callable[[int], Any] | None
) -> Item:
    """The clips one after another; `around`: unit noise, else a quiet room's."""
    given = [trimmed(clip.samples).astype(np.float32) for clip in clips]
    loud = float(np.sqrt(np.mean(np.concatenate(given) ** 2)))
    total = sum(map(len, given)) + round((len(given) - 1) * gap_s * RATE_HZ)
    total += round((BEFORE_S + AFTER_S) * RATE_HZ)
    whole = np.zeros(total, np.float32)
    if around is None:
        whole += noise(rng, total) * loud * _ROOM
    else:
        whole += around(total) * loud * 10 ** (-SNR_DB / 20)
    at, said = round(BEFORE_S * RATE_HZ), []
    for clip, word in zip(clips, given, strict=True):
        whole[at : at + len(word)] += word
        if clip.label != UNKNOWN:
            end = (at + len(word)) / RATE_HZ
            said.append(Said(LABELS[clip.label], at / RATE_HZ, end))
        at += len(word) + round(gap_s * RATE_HZ)
    return Item(np.clip(whole, -32768, 32767).astype(np.int16), tuple(said))


def items(
    rng: Generator, clips: list[Clip], around: Callable[[int], Any] | None
) -> dict[str, list[Item]]:
    """Kind -> `EACH` items."""
    spoken: dict[str, dict[int, list[Clip]]] = {}
    for clip in clips:
        if clip.label < len(WORDS):
            spoken.setdefault(clip.speaker, {}).setdefault(clip.label, []).append(clip)
    several = [s for s in sorted(spoken) if len(spoken[s]) >= 2]

    def one_of(group: Sequence[Any]) -> Any:
        return group[int(rng.integers(len(group)))]

    def drawn(count: int, *, same: bool) -> list[Clip]:
        speaker = spoken[one_of(sorted(spoken) if same else several)]
        labels = [one_of(sorted(speaker))] * count if same else rng.choice(sorted(speaker), count)
        return [one_of(speaker[int(label)]) for label in labels]

    others = [clip for clip in clips if clip.label == UNKNOWN]
    return {
        "pairs of any words": [made(rng, drawn(2, same=False), 0.3, around) for _ in range(EACH)],
        "pairs of one word": [made(rng, drawn(2, same=True), 0.3, around) for _ in range(EACH)],
        "triples of any words": [made(rng, drawn(3, same=False), 0.4, around) for _ in range(EACH)],
        "triples of one word": [made(rng, drawn(3, same=True), 0.4, around) for _ in range(EACH)],
        "single words": [made(rng, drawn(1, same=True), 0.0, around) for _ in range(2 * EACH)],
        "other words": [made(rng, [one_of(others)], 0.0, around) for _ in range(2 * EACH)],
    }


def talk(rng: Generator, path: Path) -> list[Item]:
    """Two to eight seconds of somebody who reads."""
    samples, rate_hz = soundfile.read(path, dtype="int16")
    assert rate_hz == RATE_HZ
    cuts = []
    for _ in range(SENTENCES):
        at, length = rng.integers(len(samples) - 8 * RATE_HZ), int(rng.uniform(2, 8) * RATE_HZ)
        cuts.append(Item(samples[at : at + length], ()))
    return cuts


def as_a_whole(answer: Inference, hear: dict[str, float]) -> Heard:
    """One verdict a segment, as a lane gave before words were parts."""
    best = max((score for score in answer.scores if score.label in hear), key=lambda s: s.score)
    return [(best.label, -1.0)] if best.score >= hear[best.label] else []


def word_by_word(answer: Inference, hear: dict[str, float]) -> Heard:
    """A verdict a word; where none stands for itself, one for the segment."""
    found = words(answer, hear)
    return [(s.label, (s.start_s + s.end_s) / 2) for s in found] or as_a_whole(answer, hear)


def judged(heard: Heard, said: Sequence[Said]) -> tuple[int, int]:
    """(words heard as what they are in their place, verdicts that are no word)."""
    left = list(said)
    wrong = 0
    for label, at_s in heard:
        fitting = [
            word
            for word in left
            if word.label == label
            and (at_s < 0 or word.start_s - NEAR_S <= at_s <= word.end_s + NEAR_S)
        ]
        if fitting:
            left.remove(fitting[0])
        else:
            wrong += 1
    return len(said) - len(left), wrong


def row(name: str, answers: Sequence[tuple[Inference, Item]], hear: dict[str, float]) -> str:
    """A line of Markdown."""
    cells = []
    for way in (as_a_whole, word_by_word):
        told = [judged(way(answer, hear), item.said) for answer, item in answers]
        words_said = sum(len(item.said) for _, item in answers)
        hits, wrong = sum(hit for hit, _ in told), sum(false for _, false in told)
        share = f"{hits / words_said:.1%}" if words_said else ""
        cells += [share, f"{100 * wrong / len(answers):.1f}"]
    return f"| {name} | {sum(len(i.said) for _, i in answers)} | {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, default=BUNDLE)
    parser.add_argument("--chosen", action="store_true")
    options = parser.parse_args()
    model = load_model(options.bundle)
    runner, hear = model.sound_runner(), dict(model.manifest.hear)
    parts = recorded(options.data / "speech_commands")
    other = [clip for clip in parts["test"] if is_other_half(clip.speaker)]
    ours = [*parts["val"], *(c for c in parts["test"] if not is_other_half(c.speaker))]
    rng = np.random.default_rng(SEED)
    around = _factory(rng, options.data / FACTORY)
    print("| said | words | heard before | false per 100 segments | heard | false |")
    print("|---|---|---|---|---|---|")
    clips = ours if options.chosen else other
    for place, noise_of in (("quiet", None), ("factory", around)):
        for name, made_of in items(rng, clips, noise_of).items():
            answers = [(runner.segment(item.samples, RATE_HZ), item) for item in made_of]
            print(row(f"{name}, {place}", answers, hear))
    sentences = talk(rng, options.data / SPEECH)
    print(row("talk", [(runner.segment(s.samples, RATE_HZ), s) for s in sentences], hear))


def _factory(rng: Generator, folder: Path) -> Callable[[int], NDArray[np.float32]]:
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".flac", ".wav"))
    sounds = [soundfile.read(path, dtype="float32", always_2d=True)[0][:, 0] for path in files]

    def cut(count: int) -> NDArray[np.float32]:
        sound = sounds[int(rng.integers(len(sounds)))]
        sound = np.tile(sound, -(-count // len(sound)) + 1)
        at = int(rng.integers(len(sound) - count))
        piece = sound[at : at + count]
        return np.asarray(piece / (piece.std() + 1e-9), np.float32)

    return cut


if __name__ == "__main__":
    main()
