"""What the keyword network learns from: sounds as they could be heard, and what a teacher says.

A shard is a few thousand seconds of sound as log-mel features.  Every sound is made once clean (its
own speed, place in the second and loudness), shown to the teacher, and then heard several times in
different rooms, through different microphones and in different noise.  So the teacher's opinion is
always about what was said, never about noise that it was not trained for.

The first shards showed it words on digital silence, which it has never heard either: where a word's
soft ends are cut off, its answers to that are often wrong.  The others, `FIRST_IN_A_ROOM` and on,
have a faint room under every word, words that lie in their window as they do in those that are laid
over a segment, and the label alone where the teacher thinks otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.inference.sounds.audio_features import FrontEnd
from edge_runtime.manifest import AudioInput
from tools.train import keywords_noise, keywords_speech, speech_data
from tools.train.speech_data import LABELS, RATE_HZ, SEED, SILENCE, UNKNOWN, Clip

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FRONT_END = AudioInput(
    front_end="log_mel", normalise="peak", low_hz=40.0, high_hz=7600.0, hop_ms=240
)
HEARD_EACH = 3
"""Times that one clean sound is heard."""
EMBEDDING = "Reshape__28:0"
"""The teacher's last layer but one: 276 numbers after its pooling."""
EMBEDDED = 276

# What a sound is, and how much of its target is the teacher's opinion: where it agrees with the
# label, and where it does not.  Of running speech, cut anywhere, nobody knows the label as well.
RECORDED_WORD, MADE_WORD, TALK, LETTER, NO_SPEECH = range(5)
SHARES = {RECORDED_WORD: 0.62, MADE_WORD: 0.2, TALK: 0.07, LETTER: 0.02, NO_SPEECH: 0.09}
TAUGHT = np.array([[0.7, 0.3], [0.5, 0.15], [0.5, 0.2], [0.5, 0.2], [0.0, 0.0]], np.float32)
UNKNOWN_TIMES = 2.5
"""Recorded unknown words are as many as any keyword, and have to stand for all others."""
NOISES = 500
NOISE_SAMPLES = 4 * RATE_HZ
ROOMS = 150
SHARD_SOUNDS = 2000
FIRST_IN_A_ROOM = 16
"""The first shard whose words are in a faint room."""
TAUGHT_IN_A_ROOM = np.array(
    [[0.6, 0.0], [0.5, 0.0], [0.5, 0.2], [0.5, 0.1], [0.0, 0.0]], np.float32
)
FAINT_DB = (22.0, 60.0)
"""How far a faint room is under the speech.  Around a segment it is 26 in the examination."""
CUT_SAMPLES = RATE_HZ // 10
"""What a window may lack of a word at one end."""


@dataclass(frozen=True)
class Shard:
    """n clean sounds, each heard `HEARD_EACH` times."""

    features: np.ndarray
    """(n * HEARD_EACH, 49, 40) float16; the hearings of one sound follow each other."""
    target: np.ndarray
    """(n, 12) float32 probabilities."""
    embedding: np.ndarray
    """(n, 276) float16."""
    taught: np.ndarray
    """(n,) bool: whether a teacher was asked."""


class Teacher:
    """DS-CNN-L, trained elsewhere on other speakers: what it answers, and why."""

    SOFTER = 0.7
    """Its probabilities to this power: less sure than it is."""

    def __init__(self, model: Path) -> None:
        import onnx
        import onnxruntime

        graph = onnx.load(str(model))
        graph.graph.output.append(
            onnx.helper.make_tensor_value_info(EMBEDDING, onnx.TensorProto.FLOAT, [1, EMBEDDED])
        )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(graph.SerializeToString(), options)
        self._name = self._session.get_inputs()[0].name
        self._front = FrontEnd(speech_data.TEACHER_FRONT_END)
        self._order = [speech_data.TEACHER_LABELS.index(label) for label in LABELS]

    def says(self, sound: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(12,) probabilities in the order of `LABELS`, and (276,) the embedding."""
        x = self._front.features(sound)[None, :, :, None]
        found, embedding = self._session.run(None, {self._name: x})
        softer = np.maximum(found[0], 1e-6)[self._order] ** self.SOFTER
        return softer / softer.sum(), embedding[0]


@dataclass(frozen=True)
class Sounds:
    """All that a shard is drawn from."""

    words: Sequence[Sequence[Clip]]
    """Recorded clips by label."""
    made: Sequence[Clip]
    talk: Sequence[np.ndarray]
    letters: Sequence[Clip]


def sounds(parts: dict[str, list[Clip]], speech: Path, letters: Path) -> Sounds:
    """The training part of the recordings, with everything that goes beside it."""
    words = [[c for c in parts["train"] if c.label == label] for label in range(len(LABELS))]
    made = keywords_speech.made_words(each_keyword=170, each_other=5, each_near=8)
    talk = [*keywords_speech.made_talk(6), *keywords_speech.recorded_talk(speech) * 3]
    return Sounds(words, made, talk, keywords_speech.letters(letters))


class Bank:
    """Makes shards.  `index` decides all that is random."""

    def __init__(self, given: Sounds, teacher: Path) -> None:
        self._given = given
        rng = np.random.default_rng(SEED + 20)
        halls = [keywords_noise.hall(rng, NOISE_SAMPLES, given.talk) for _ in range(NOISES)]
        quiet = [clip.samples.astype(np.float32) for clip in given.words[SILENCE]]
        self._recorded = [keywords_noise.unit(x) for x in quiet if x.std() > 1]
        self._halls = halls
        self._rooms = [keywords_noise.room(rng) for _ in range(ROOMS)]
        self._front, self._teacher = FrontEnd(FRONT_END), Teacher(teacher)
        self._short = {
            id(clip): speech_data.trimmed(clip.samples) for label in given.words for clip in label
        }

    def shard(self, index: int, count: int) -> Shard:
        """`count` clean sounds."""
        rng = np.random.default_rng([SEED, index])
        features, target, embedding, taught = [], [], [], []
        kinds = rng.choice(list(SHARES), count, p=list(SHARES.values()))
        in_a_room = index >= FIRST_IN_A_ROOM
        weights = TAUGHT_IN_A_ROOM if in_a_room else TAUGHT
        for kind in kinds:
            clean, label = self._clean(rng, kind, in_a_room=in_a_room)
            wanted, why = np.eye(len(LABELS), dtype=np.float32)[label], np.zeros(EMBEDDED)
            if kind != NO_SPEECH:
                said, why = self._teacher.says(_pcm(clean))
                weight = weights[kind, int(said.argmax() != label)]
                wanted = (1 - weight) * wanted + weight * said
            level = spoken_power(clean)
            features += [self._heard(rng, clean, level, kind) for _ in range(HEARD_EACH)]
            target.append(wanted)
            embedding.append(why)
            taught.append(kind != NO_SPEECH)
        return Shard(
            np.array(features, np.float16),
            np.array(target, np.float32),
            np.array(embedding, np.float16),
            np.array(taught),
        )

    def _clean(
        self, rng: np.random.Generator, kind: int, *, in_a_room: bool
    ) -> tuple[np.ndarray, int]:
        """(16000,) float32 and its label."""
        given = self._given
        if kind == NO_SPEECH:
            return self._no_speech(rng), SILENCE
        if kind == TALK:
            talk = given.talk[rng.integers(len(given.talk))].astype(np.float32)
            at = rng.integers(max(1, len(talk) - RATE_HZ))
            x = faster(rng, talk[at : at + RATE_HZ * 5 // 4])
            return _levelled(rng, np.pad(x, (0, max(0, RATE_HZ - len(x))))[:RATE_HZ]), UNKNOWN
        if kind == RECORDED_WORD:
            clip = self._recorded_word(rng)
            whole = rng.random() < 0.4
            x = clip.samples if whole else self._short[id(clip)]
        else:
            others = given.made if kind == MADE_WORD else given.letters
            clip = others[rng.integers(len(others))]
            x = clip.samples
        x = faster(rng, x.astype(np.float32))
        if not in_a_room:
            return _levelled(rng, placed(rng, x)), clip.label
        x = _levelled(rng, windowed(rng, x) if rng.random() < 0.7 else placed(rng, x))
        return x + self._faint(rng, x), clip.label

    def _faint(self, rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
        """(16000,) of the room that `x` was said in; of it nothing, one time of ten."""
        if rng.random() < 0.1:
            return np.zeros(RATE_HZ, np.float32)
        if rng.random() < 0.5:
            hiss = keywords_noise.shaped(rng, RATE_HZ, tilt=rng.uniform(0, 1.3), ripple_db=4)
            floor = keywords_noise.unit(hiss)
        else:
            floor = self._noise(rng)
        faint = floor * np.sqrt(spoken_power(x)) * 10 ** (-rng.uniform(*FAINT_DB) / 20)
        return np.asarray(faint, np.float32)

    def _recorded_word(self, rng: np.random.Generator) -> Clip:
        share = np.array([1.0] * SILENCE + [0.0, UNKNOWN_TIMES])
        clips = self._given.words[rng.choice(len(LABELS), p=share / share.sum())]
        return clips[rng.integers(len(clips))]

    def _no_speech(self, rng: np.random.Generator) -> np.ndarray:
        if rng.random() < 0.5:
            clips = self._given.words[SILENCE]
            clip = clips[rng.integers(len(clips))].samples.astype(np.float32)
            x = np.zeros(RATE_HZ, np.float32)
            x[: len(clip)] = np.roll(clip, rng.integers(len(clip)))[:RATE_HZ]
            return x * 10 ** (rng.uniform(-12, 6) / 20)
        return self._noise(rng) * 10 ** (rng.uniform(-70, -12) / 20) * 32768

    def _noise(self, rng: np.random.Generator) -> np.ndarray:
        """(16000,) of a made hall, or what was recorded where nobody spoke."""
        if rng.random() < 0.15:
            x = self._recorded[rng.integers(len(self._recorded))]
            return np.resize(np.roll(x, rng.integers(len(x))), RATE_HZ)
        hall = self._halls[rng.integers(len(self._halls))]
        at = rng.integers(len(hall) - RATE_HZ)
        x = hall[at : at + RATE_HZ][:: 1 if rng.random() < 0.5 else -1]
        if rng.random() < 0.3:
            other = self._halls[rng.integers(len(self._halls))]
            at = rng.integers(len(other) - RATE_HZ)
            x = x + other[at : at + RATE_HZ] * rng.uniform(0.2, 1)
        return keywords_noise.unit(x)

    def _heard(
        self, rng: np.random.Generator, clean: np.ndarray, level: float, kind: int
    ) -> np.ndarray:
        """(49, 40) features of the sound in some room, in some noise."""
        x = clean
        if rng.random() < 0.35:
            x = keywords_noise.convolved(x, self._rooms[rng.integers(ROOMS)])
        if kind == NO_SPEECH:
            if rng.random() < 0.5:
                x = x + self._noise(rng) * np.sqrt(level) * rng.uniform(0.1, 2)
        elif rng.random() < 0.8:
            snr_db = rng.uniform(0, 30) if rng.random() < 0.7 else rng.uniform(4, 16)
            x = x + self._noise(rng) * np.sqrt(level) * 10 ** (-snr_db / 20)
        return self._front.features(_pcm(x))


def faster(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    """Faster and higher, or slower and lower, three times of four."""
    if rng.random() < 0.25:
        return x
    speed = np.exp(rng.uniform(np.log(0.84), np.log(1.19)))
    return np.interp(np.arange(0, len(x) - 1, speed), np.arange(len(x)), x).astype(np.float32)


def placed(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    """(16000,) with `x` anywhere in it, now and then a little over an end."""
    over = int(rng.uniform(0, 0.12) * len(x)) if rng.random() < 0.25 else 0
    out, room = np.zeros(RATE_HZ, np.float32), RATE_HZ - len(x)
    at = int(rng.integers(min(0, room) - over, max(0, room) + over + 1))
    start, stop = max(0, at), min(RATE_HZ, at + len(x))
    out[start:stop] = x[start - at : stop - at]
    return out


def windowed(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    """(16000,) with `x` as it lies in the windows over a segment.

    At the window's start, at its end, or in between, a third each; at an end, up to
    `CUT_SAMPLES` and a quarter of it are cut off, or half as many left free.
    """
    out, room = np.zeros(RATE_HZ, np.float32), RATE_HZ - len(x)
    where, off = rng.random(), int(rng.integers(-CUT_SAMPLES, CUT_SAMPLES // 2))
    off = max(off, -len(x) // 4)
    if where < 1 / 3:
        at = off
    elif where < 2 / 3:
        at = room - off
    else:
        at = int(rng.integers(min(0, room), max(0, room) + 1))
    start, stop = max(0, at), min(RATE_HZ, at + len(x))
    out[start:stop] = x[start - at : stop - at]
    return out


def spoken_power(x: np.ndarray) -> float:
    """Mean square of the 25 ms frames that are less than 20 dB under the loudest."""
    length = RATE_HZ // 40
    frames = (x[: len(x) // length * length].astype(np.float32) ** 2).reshape(-1, length).mean(1)
    return float(frames[frames >= 0.01 * frames.max()].mean()) + 1e-6


def _levelled(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    """As loud as speech into a microphone is: its peak 30 to 1 dB under full scale."""
    return x * (32768 * 10 ** (-rng.uniform(1, 30) / 20) / (np.abs(x).max() + 1))


def _pcm(x: np.ndarray) -> np.ndarray:
    """int16; too loud is clipped, as it is anywhere."""
    return np.clip(np.rint(x), -32768, 32767).astype(np.int16)


def in_halls(clips: Sequence[Clip], *, snr_db: float, seed: int) -> np.ndarray:
    """(n, 49, 40) features of the clips in made noise of one loudness: for validation."""
    rng, front = np.random.default_rng([SEED, 77, seed]), FrontEnd(FRONT_END)
    halls = [keywords_noise.hall(rng, NOISE_SAMPLES) for _ in range(40)]
    found = []
    for clip in clips:
        x = np.zeros(RATE_HZ, np.float32)
        x[: len(clip.samples)] = clip.samples[:RATE_HZ]
        at = rng.integers(NOISE_SAMPLES - RATE_HZ)
        noise = keywords_noise.unit(halls[rng.integers(len(halls))][at : at + RATE_HZ])
        x += noise * np.sqrt(spoken_power(x)) * 10 ** (-snr_db / 20)
        found.append(front.features(_pcm(x)))
    return np.array(found, np.float32)


def as_they_are(clips: Sequence[Clip]) -> np.ndarray:
    """(n, 49, 40) features of the clips."""
    front = FrontEnd(FRONT_END)
    return np.array([front.features(clip.samples) for clip in clips], np.float32)


def fill(folder: Path, data: Path, teacher: Path, shards: int) -> list[Path]:
    """Write shards of `SHARD_SOUNDS` clean sounds, those that are not there yet; returns all."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"shard{index:03}.npz" for index in range(shards)]
    if all(file.exists() for file in files):
        return files
    parts = speech_data.recorded(data / "speech_commands")
    bank = Bank(sounds(parts, data / "asr_recordings", data / "spelling_alphanumeric"), teacher)
    for index, file in enumerate(files):
        if not file.exists():
            made = bank.shard(index, SHARD_SOUNDS)
            half_written = file.with_suffix(".part.npz")
            np.savez(half_written, **vars(made))
            half_written.rename(file)
    return files


def load(file: Path) -> Shard:
    """A shard that `fill` wrote."""
    with np.load(file) as arrays:
        return Shard(**arrays)
