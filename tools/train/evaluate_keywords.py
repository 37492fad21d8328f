"""Examine keywords on speakers it has never heard, through the runtime itself.

    python -m tools.train.evaluate_keywords --data DATA [--bundle FOLDER] [--float FILE] [--write]

DATA holds speech_commands, factory_valve_MIMII_CC-BY-SA and models.  Needs the product's own
dependencies only.  Prints the figures, word by word too, and how far the bundle's second file, the
same network for the other runtime, answers differently.  --write puts them into the bundle's
MODEL_CARD.md and model.toml.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import soundfile

from edge_runtime.config import Gate
from edge_runtime.gate.audio_gate import AudioGate
from edge_runtime.gate.vad import open_scorer
from edge_runtime.inference import load_model
from edge_runtime.inference.engines.opening import open_engine
from edge_runtime.inference.engines.tensors import to_dtype, to_real
from edge_runtime.inference.sounds.audio_features import FrontEnd
from edge_runtime.manifest import AudioInput
from edge_runtime.sample_station import media
from edge_runtime.types import AudioBlock, Stamp
from tools.train import bundle, figures, speech_data
from tools.train.speech_data import LABELS, RATE_HZ, SILENCE, UNKNOWN, WORDS, Clip

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
BUNDLE = ROOT / "models" / "keywords" / "0.2.0"
ALTERNATIVE = "model.onnx"
FACTORY = "factory_valve_MIMII_CC-BY-SA"
SNR_DB = 10.0
REFERENCE = "kws_ref_model_int8.tflite"
REFERENCE_LABELS = [
    "down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes", "_silence_", "_unknown_",
]  # fmt: skip
LONG_S = 10
"""Sound for the cost of a second."""
ROUNDS = 40
NOTHING = (SILENCE, UNKNOWN)


@dataclass
class Heard:
    """One clip's answer."""

    speaker: str
    label: int
    best: int
    keyword: int | None
    """The keyword at or over its threshold, if any."""

    @property
    def right(self) -> bool:
        return self.best == self.label


def heard(runner: Any, hear: dict[str, float], clips: list[Clip]) -> list[Heard]:
    """`hear`: thresholds."""
    found = []
    for clip in clips:
        scores = {s.label: s.score for s in runner.segment(clip.samples, RATE_HZ).scores}
        best = max(scores, key=lambda label: scores[label])
        word = max(WORDS, key=lambda label: scores[label])
        keyword = LABELS.index(word) if scores[word] >= hear[word] else None
        found.append(Heard(clip.speaker, clip.label, LABELS.index(best), keyword))
    return found


def accuracy(answers: list[Heard]) -> float:
    return float(np.mean([answer.right for answer in answers]))


def with_interval(name: str, answers: list[Heard]) -> dict[str, Any]:
    """The accuracy and its 95 % interval, speakers drawn again and again."""
    speakers: dict[str, list[Heard]] = {}
    for answer in answers:
        speakers.setdefault(answer.speaker, []).append(answer)

    def figure(drawn: list[list[Heard]]) -> float:
        return accuracy([answer for group in drawn for answer in group])

    interval = figures.bootstrap(list(speakers.values()), figure)
    return {name: accuracy(answers), f"{name}_95": interval}


def thresholds(answers: list[Heard]) -> dict[str, float]:
    """What a lane does with them: keywords heard right, and heard where there is none."""
    words = [a for a in answers if a.label not in NOTHING]
    others = [a for a in answers if a.label == UNKNOWN]
    nothing = [a for a in answers if a.label in NOTHING]
    return {
        "segments_keyword_heard": float(np.mean([a.keyword == a.label for a in words])),
        "segments_heard_as_another": float(
            np.mean([a.keyword not in (None, a.label) for a in words])
        ),
        "segments_heard_without_keyword": float(np.mean([a.keyword is not None for a in nothing])),
        "segments_heard_in_other_words": float(np.mean([a.keyword is not None for a in others])),
    }


def by_label(quiet: list[Heard], loud: list[Heard]) -> str:
    """Markdown: how often each label is found, how often it is right, and what else it is."""
    rows = [
        "| label | clips | found | right when answered | found in the factory | taken for |",
        "|---|---|---|---|---|---|",
    ]
    for label, name in enumerate(LABELS):
        mine = [a for a in quiet if a.label == label]
        answered = [a for a in quiet if a.best == label]
        noisy = [a for a in loud if a.label == label]
        wrong = [a.best for a in mine if not a.right]
        taken = max(set(wrong), key=wrong.count) if wrong else None
        cells = [
            f"`{name}`",
            str(len(mine)),
            _percent([a.right for a in mine]),
            _percent([a.right for a in answered]),
            _percent([a.right for a in noisy]),
            "" if taken is None else f"`{LABELS[taken]}` ({wrong.count(taken)})",
        ]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _percent(right: list[bool]) -> str:
    return f"{100 * np.mean(right):.1f} %" if right else ""


def as_segments(clips: list[Clip]) -> list[Clip]:
    """The clips as the gate cuts them, with some of the room around the word."""
    rng = np.random.default_rng(2)
    return [
        clip
        if clip.label == SILENCE
        else Clip(speech_data.as_segment(rng, clip), clip.label, clip.speaker)
        for clip in clips
    ]


def in_factory(clips: list[Clip], folder: Path, snr_db: float = SNR_DB) -> list[Clip]:
    """The clips that hold a word, in recorded factory noise (first channel)."""
    sounds = [
        soundfile.read(f, dtype="int16", always_2d=True)[0]
        for f in sorted(folder.glob("valve*.wav"))
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
        factor = np.sqrt((speech**2).mean() / (piece**2).mean()) * 10 ** (-snr_db / 20)
        mixed = np.clip(x + piece * factor, -32768, 32767).astype(np.int16)
        found.append(Clip(mixed, clip.label, clip.speaker))
    return found


def demo_voice(runner: Any, hear: dict[str, float]) -> dict[str, Any]:
    """The demo's sound through the gate: the words heard in their segments."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "voice.wav")
        said = media.make_voice(path)
        samples, _ = soundfile.read(path, dtype="int16")
    settings = Gate(vad="webrtc")
    gate = AudioGate(settings, open_scorer(settings), source="demo", live=False)
    segments = gate.feed(AudioBlock("demo", 0, Stamp(0, 0, ""), samples, RATE_HZ, 0))
    segments += gate.flush()
    told = []
    for segment in segments:
        scores = {s.label: s.score for s in runner.segment(segment.samples, RATE_HZ).scores}
        word = max(WORDS, key=lambda label: scores[label])
        told.append(word if scores[word] >= hear[word] else "_unknown_")
        print(f"  {segment.start_s:6.2f} s: {told[-1]} {scores[word]:.2f} ({word})")
    right = sum(a == b for a, b in zip(told, said, strict=False))
    return {"demo_words_right": right, "demo_words": len(said), "demo_segments": len(segments)}


class Network:
    """A bundle's front end and engine, without the runner around them."""

    def __init__(self, folder: Path, file: str | None = None) -> None:
        manifest = tomllib.loads(folder.joinpath("model.toml").read_text())
        name = file or manifest["file"]
        self._front = FrontEnd(msgspec.convert(manifest["audio"], AudioInput))
        self._engine = open_engine(folder.joinpath(name).read_bytes(), name)
        self._given, self._made = self._engine.inputs[0], self._engine.outputs[0]
        self.step = self._made.quantisation[0] if self._made.quantisation else 1.0

    def features(self, samples: np.ndarray) -> np.ndarray:
        """The input tensor."""
        real = self._front.features(samples)
        return to_dtype(real, self._given).reshape([size or 1 for size in self._given.shape])

    def scores(self, tensor: np.ndarray) -> np.ndarray:
        """(12,) real numbers."""
        return to_real(self._engine.infer([tensor])[0], self._made).ravel()


def costs(folders: dict[str, Path], runners: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Milliseconds of a thread's own time, the least of many rounds, all in turn in each.

    Of one window, its features and its network; and of a second out of ten as a lane hears them.
    The thread's time, because on a busy machine the clock on the wall tells of others.
    """
    rng = np.random.default_rng(0)
    window = rng.integers(-3000, 3000, RATE_HZ).astype(np.int16)
    long = rng.integers(-3000, 3000, LONG_S * RATE_HZ).astype(np.int16)
    networks = {name: Network(folder) for name, folder in folders.items()}
    found: dict[str, list[list[float]]] = {name: [] for name in folders}
    for _ in range(ROUNDS):
        for name, network in networks.items():
            tensor = network.features(window)
            made = _thread_ms(lambda network=network: network.features(window))
            ran = _thread_ms(lambda network=network, x=tensor: network.scores(x))
            runner = runners[name]
            lane = _thread_ms(lambda runner=runner: runner.segment(long, RATE_HZ), times=1)
            found[name].append([made, ran, lane / LONG_S])
    keys = ("features_ms", "infer_ms", "ms_per_second_of_sound")
    return {
        name: dict(zip(keys, (round(float(x), 4) for x in np.min(rounds, 0)), strict=True))
        for name, rounds in found.items()
    }


def _thread_ms(work: Callable[[], object], times: int = 10) -> float:
    start_ns = time.thread_time_ns()
    for _ in range(times):
        work()
    return (time.thread_time_ns() - start_ns) / times / 1e6


def examined(
    runner: Any, hear: dict[str, float], quiet: list[Clip], loud: list[Clip]
) -> dict[str, Any]:
    """Figures that need no threshold."""
    answers, in_noise = heard(runner, hear, quiet), heard(runner, hear, loud)
    spoken = [answer for answer in answers if answer.label != SILENCE]
    return {
        **with_interval("accuracy", answers),
        **with_interval("accuracy_without_silence", spoken),
        **with_interval("accuracy_factory_10dB", in_noise),
    }


def agreement(folder: Path, clips: list[Clip]) -> dict[str, float]:
    """The bundle's file and its alternative, on the same features of the clips."""
    one, other = Network(folder), Network(folder, ALTERNATIVE)
    apart, same = [], []
    for clip in clips:
        answer, again = (net.scores(net.features(clip.samples)) for net in (one, other))
        apart.append(np.abs(answer - again).max() / one.step)
        same.append(answer.argmax() == again.argmax())
    return {
        "onnx_clips": len(clips),
        "onnx_largest_difference_steps": round(float(np.max(apart)), 3),
        "onnx_same_answer": float(np.mean(same)),
    }


def with_model(folder: Path, model: Path, into: Path) -> Path:
    """The bundle with another network in it."""
    manifest = tomllib.loads(folder.joinpath("model.toml").read_text())
    into.mkdir()
    name = f"model{model.suffix}"
    shutil.copy(model, into / name)
    shutil.copy(folder / bundle.LABELS, into)
    manifest = {key: value for key, value in manifest.items() if key != "alternatives"}
    manifest["file"] = name
    manifest["sha256"] = bundle.hashes(into / name, into / bundle.LABELS)
    bundle.write(into, manifest)
    return into


def reference(model: Path, into: Path) -> Path:
    """A bundle of the third-party network that MLPerf Tiny measures by."""
    into.mkdir()
    shutil.copy(model, into / "model.tflite")
    bundle.write_labels(into, REFERENCE_LABELS)
    manifest = {
        "format": 1,
        "name": "reference",
        "version": "1",
        "task": "audio-classification",
        "file": "model.tflite",
        "labels": REFERENCE_LABELS,
        "sha256": bundle.hashes(into / "model.tflite"),
        "audio": {"front_end": "mfcc", "normalise": "peak", "coefficients": 10},
    }
    bundle.write(into, manifest)
    return into


def _agreed(same: dict[str, float]) -> str:
    return (
        f"`{ALTERNATIVE}` against the TFLite file on {same['onnx_clips']} recordings (the clips, "
        f"and those in noise): a score differs by {same['onnx_largest_difference_steps']:g} steps "
        f"of the output at most, the best label is the same on "
        f"{100 * same['onnx_same_answer']:g} %."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, default=BUNDLE)
    parser.add_argument("--float", type=Path, help="the float model, to compare")
    parser.add_argument("--part", default="test", help="speakers: test, val")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    clips = speech_data.recorded(options.data / "speech_commands")[options.part]
    loud = in_factory(clips, options.data / FACTORY)
    folder = options.bundle
    hear = tomllib.loads(folder.joinpath("model.toml").read_text())["hear"]
    speakers = {clip.speaker for clip in clips if clip.label != SILENCE}
    with tempfile.TemporaryDirectory() as made:
        others = {
            "int8": folder,
            "int8 ONNX": with_model(folder, folder / ALTERNATIVE, Path(made, "onnx")),
        }
        if options.float:
            others["float"] = with_model(folder, options.float, Path(made, "float"))
        runners = {name: load_model(path).sound_runner() for name, path in others.items()}
        told = reference(options.data / "models" / REFERENCE, Path(made, "reference"))
        baseline = examined(load_model(told).sound_runner(), hear, clips, loud)
        cost = costs(others, runners)
    columns = {}
    for name, runner in runners.items():
        columns[name] = {
            "clips": len(clips),
            "speakers": len(speakers),
            **examined(runner, hear, clips, loud),
            **thresholds(heard(runner, hear, as_segments(clips))),
            **demo_voice(runner, hear),
            **cost[name],
        }
    ours = runners["int8"]
    same = agreement(folder, [*clips, *loud])
    text = [
        figures.table(columns),
        "",
        f"The same by {REFERENCE}, trained elsewhere on 23 times the data, for comparison:",
        "",
        figures.table({"reference int8": baseline}),
        "",
        by_label(heard(ours, hear, clips), heard(ours, hear, loud)),
        "",
        _agreed(same),
    ]
    print("\n".join(text))
    if options.write:
        bundle.put_figures(folder, "\n".join(text))
        bundle.add_metrics(folder, {**figures.rounded(columns["int8"]), **same})


if __name__ == "__main__":
    main()
