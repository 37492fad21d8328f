"""Train keywords: a small residual network along time, int8 TFLite and ONNX.  Seeds fixed.

    python -m tools.train.keywords --data DATA --out models/keywords/0.2.0
        [--work FOLDER] [--float FILE]

DATA holds speech_commands, asr_recordings, spelling_alphanumeric and models (the teacher).  First
the bank is made (`keywords_bank`), then the network is taught (`keywords_learning`); both stay in
--work, and what is there is not made again.  Then it is built once more in Keras for TFLite
(`keywords_export`) and converted to ONNX (`tflite_to_onnx`).  Writes both files, model.toml and
labels.txt.  libespeak-ng is to be installed.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edge_runtime.inference import load_model
from edge_runtime.inference.sounds.audio_features import FrontEnd
from edge_runtime.inference.sounds.segments import smoothed, weights_of, windows_of
from tools.train import (
    bundle,
    keywords_bank,
    keywords_export,
    keywords_learning,
    speech_data,
    tflite_to_onnx,
)
from tools.train.keywords_network import LAYERS, Net
from tools.train.speech_data import LABELS, SEED, SILENCE, UNKNOWN, WORDS, Clip

TFLITE, ONNX = "model.tflite", "model.onnx"
TEACHER = "dscnn_l_kws_fp32.onnx"
FIRST_WEIGHTS = 1
"""Seed of what the network starts from."""
FALSE_HEARD = 0.06
"""Share of validation segments without a keyword that are heard as one at the threshold."""
AUDIO_KEYS = (
    "rate_hz", "window_ms", "hop_ms", "smooth_ms", "front_end", "normalise", "frame_length",
    "frame_step", "fft_length", "frames", "power", "mels", "low_hz", "high_hz", "log_offset",
    "log_floor", "layout",
)  # fmt: skip
"""What decides the features, written down even where it is the default."""
DRAWS = 3
"""Times that the validation clips are cut as segments, each in another room."""
CALIBRATED_BY = 400
"""Sounds that the ranges of the int8 tensors are taken from."""


class Validation:
    """The speakers of the validation part: as they are, in made noise, and as the gate cuts them.

    What is chosen is chosen by the sum of the three: `segments`, `clean`, and the mean of 10 and
    5 dB.
    """

    def __init__(self, clips: list[Clip]) -> None:
        spoken = [clip for clip in clips if clip.label != SILENCE]
        noisy = {
            f"{snr_db} dB": keywords_bank.in_halls(spoken, snr_db=snr_db, seed=0)
            for snr_db in (10, 5)
        }
        features = {"clean": keywords_bank.as_they_are(clips), **noisy}
        labels = {"clean": clips, "10 dB": spoken, "5 dB": spoken}
        self._sets = {
            name: (torch.from_numpy(x), np.array([clip.label for clip in labels[name]]))
            for name, x in features.items()
        }
        self._segments = Segments(spoken)

    def right(self, net: Net) -> dict[str, float]:
        """How often the best label is right, by set."""
        net.eval()
        with torch.no_grad():
            found = {
                name: float((net(x)[0].argmax(1).numpy() == labels).mean())
                for name, (x, labels) in self._sets.items()
            }
        return {**found, "segments": self._segments.right(net)}

    def tell(self, _step: int, net: Net) -> None:
        """Print `right`."""
        right = [f"{name} {share:.3f}" for name, share in self.right(net).items()]
        print("new speakers:", ", ".join(right), flush=True)

    def best(self, states: dict[str, dict[str, torch.Tensor]], net: Net) -> str:
        """The name of the weights whose sum is highest; each is loaded into `net`."""
        sums = {}
        for name, state in states.items():
            net.load_state_dict(state)
            print(name, end=": ")
            self.tell(0, net)
            right = self.right(net)
            sums[name] = right["segments"] + right["clean"] + (right["10 dB"] + right["5 dB"]) / 2
        return max(sums, key=lambda name: sums[name])

    def sharpen(self, net: Net) -> float:
        """Make `net` as sure as it is right: its logits times the factor that is likeliest here.

        Softened targets and mixtures teach it to be less sure than that.  Best labels stay.
        """
        with torch.no_grad():
            logits = torch.cat([net(x)[0] for x, _ in self._sets.values()])
            labels = torch.from_numpy(np.concatenate([y for _, y in self._sets.values()]))
            wrong = {
                factor: float(torch.nn.functional.cross_entropy(logits * factor, labels))
                for factor in np.arange(0.5, 3.01, 0.05)
            }
            best = min(wrong, key=lambda factor: wrong[factor])
            net.head.weight *= best
            net.head.bias *= best
        return float(best)


class Segments:
    """Clips as the gate cuts them, `DRAWS` times, decided as the runtime decides."""

    def __init__(self, clips: list[Clip]) -> None:
        audio, front = keywords_bank.FRONT_END, FrontEnd(keywords_bank.FRONT_END)
        hop = audio.rate_hz * audio.hop_ms // 1000
        self._span = max(1, round(audio.smooth_ms / audio.hop_ms))
        self._labels = np.array([clip.label for clip in clips] * DRAWS)
        self._weights, features = [], []
        for draw in range(DRAWS):
            rng = np.random.default_rng([SEED, 78, draw])
            for clip in clips:
                sound = speech_data.as_segment(rng, clip)
                windows = windows_of(sound, window=front.window_samples, hop=hop)
                self._weights.append(weights_of(windows, sound, audio.rate_hz))
                features += [front.features(window) for window in windows]
        self._features = torch.from_numpy(np.array(features, np.float32))

    def right(self, net: Net) -> float:
        """How often the best label is right."""
        with torch.no_grad():
            scores = torch.softmax(net(self._features)[0], 1).numpy()
        ignored = [index in (SILENCE, UNKNOWN) for index in range(len(LABELS))]
        ends = np.cumsum([len(weights) for weights in self._weights])[:-1]
        best = [
            smoothed(each, weights, span=self._span, ignored=ignored).argmax()
            for each, weights in zip(np.split(scores, ends), self._weights, strict=True)
        ]
        return float((np.array(best) == self._labels).mean())


def train(files: list[Path], validation: Validation, work: Path) -> Net:
    """The network, taught; weights that an earlier run left in `work` are not learnt again."""
    first = keywords_bank.FIRST_IN_A_ROOM
    on_silence = keywords_learning.lessons(files[:first])
    typical = on_silence.features[:3000, 0].float()
    torch.manual_seed(FIRST_WEIGHTS)
    net = Net(
        LAYERS,
        labels=len(LABELS),
        embedded=keywords_bank.EMBEDDED,
        mean=typical.mean((0, 1)).numpy(),
        deviation=typical.std((0, 1)).numpy(),
    )
    plans = keywords_learning.ROUNDS
    rounds = [
        _taught(net, on_silence, plan, validation, work / f"taught{number}.pt")
        for number, plan in enumerate(plans)
        if not plan.in_a_room
    ]
    # One basin, so a mean of weights is a network too, and often the best one on new speakers.
    before = keywords_learning.mean_of(rounds)
    in_a_room, last = keywords_learning.lessons(files[first:]), []
    for number, plan in enumerate(plans):
        if plan.in_a_room:
            net.load_state_dict(before)
            last.append(_taught(net, in_a_room, plan, validation, work / f"taught{number}.pt"))
    after = keywords_learning.mean_of(last)
    states = {
        "before": before,
        "after": after,
        "half of each": keywords_learning.mean_of([before, after]),
    }
    chosen = validation.best(states, net)
    print("chosen:", chosen)
    net.load_state_dict(states[chosen])
    return net.eval()


def _taught(
    net: Net,
    lessons: keywords_learning.Lessons,
    plan: keywords_learning.Round,
    validation: Validation,
    kept: Path,
) -> dict[str, torch.Tensor]:
    """The weights after one round, which `net` has then too; read from `kept` if they are there."""
    if kept.exists():
        net.load_state_dict(torch.load(kept))
    else:
        average = keywords_learning.learn(
            net, lessons, plan=plan, told=validation.tell, tell_every=250
        )
        net.load_state_dict(average.state_dict())
        torch.save(net.state_dict(), kept)
    return {name: value.clone() for name, value in net.state_dict().items()}


def heard(folder: Path, clips: list[Clip]) -> np.ndarray:
    """(n * DRAWS, 12) scores of the clips as segments, by the runtime itself."""
    runner, rng = load_model(folder).sound_runner(), np.random.default_rng(SEED + 3)
    found = []
    for clip in clips * DRAWS:
        sound = clip.samples if clip.label == SILENCE else speech_data.as_segment(rng, clip)
        scores = {s.label: s.score for s in runner.segment(sound, speech_data.RATE_HZ).scores}
        found.append([scores[label] for label in LABELS])
    return np.array(found)


def threshold(scores: np.ndarray, labels: np.ndarray) -> float:
    """The lowest at which few segments without a keyword are heard as one."""
    nothing = (labels == SILENCE) | (labels == UNKNOWN)
    best = scores[nothing][:, : len(WORDS)].max(1)
    return max(0.4, round(float(np.quantile(best, 1 - FALSE_HEARD)) + 0.005, 2))


def manifest(folder: Path, *, hear: float, metrics: dict[str, float]) -> dict[str, Any]:
    return {
        "format": 1,
        "name": "keywords",
        "version": folder.name,
        "task": "audio-classification",
        "description": "Ten English command words, silence, and everything else.",
        "file": TFLITE,
        "alternatives": [ONNX],
        "labels": LABELS,
        "ignore": ["_silence_", "_unknown_"],
        "silence": ["_silence_"],
        "sha256": bundle.hashes(folder / TFLITE, folder / ONNX, folder / bundle.LABELS),
        "audio": {key: getattr(keywords_bank.FRONT_END, key) for key in AUDIO_KEYS},
        "output": {"decoder": "classification", "activation": "none"},
        "hear": dict.fromkeys(WORDS, hear),
        "latency": {"budget_ms": 20.0},
        "provenance": {
            "trained_by": "tools/train/keywords.py",
            "data": [
                "Speech Commands v0.02, test clips (CC BY 4.0), split by speaker",
                "words and sentences made by espeak-ng",
                "spoken letters and digits of moonshine-ai/moonshine (MIT)",
                "LJ Speech, LibriVox and a speech of the US government (public domain)",
                "noise and rooms made by tools/train/keywords_noise.py",
                "taught by DS-CNN-L of andestech/ModelZoo (Apache-2.0)",
            ],
            "licence": "Apache-2.0; attributions in LICENSE",
        },
        "metrics": metrics,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="the bundle's folder")
    parser.add_argument("--work", type=Path, default=Path("out/keywords"), help="the bank")
    parser.add_argument("--float", type=Path, help="keep the float model here")
    parser.add_argument("--shards", type=int, default=24)
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    teacher = options.data / "models" / TEACHER
    files = keywords_bank.fill(options.work, options.data, teacher, options.shards)
    clips = speech_data.recorded(options.data / "speech_commands")["val"]
    validation = Validation(clips)
    net = train(files, validation, options.work)
    print(f"logits times {validation.sharpen(net):.2f}")
    twin = keywords_export.twin(net)
    lessons = keywords_learning.lessons(files)
    typical = lessons.features[:: len(lessons) // CALIBRATED_BY, 0].float().numpy()
    int8 = keywords_export.as_tflite(twin, typical)
    options.out.joinpath(TFLITE).write_bytes(int8)
    options.out.joinpath(ONNX).write_bytes(tflite_to_onnx.converted(int8))
    if options.float:
        options.float.write_bytes(keywords_export.as_tflite(twin, None))
    bundle.write_labels(options.out, LABELS)
    bundle.write(options.out, manifest(options.out, hear=0.5, metrics={}))
    add_threshold(options.out, clips)


def add_threshold(folder: Path, clips: list[Clip]) -> None:
    """Into model.toml: how few validation segments may be heard as what they are not."""
    scores = heard(folder, clips)
    labels = np.array([clip.label for clip in clips * DRAWS])
    hear = threshold(scores, labels)
    right = float((scores.argmax(1) == labels).mean())
    metrics = {"validation_accuracy_of_segments": round(right, 4)}
    print(metrics, "hear:", hear)
    bundle.write(folder, manifest(folder, hear=hear, metrics=metrics))


if __name__ == "__main__":
    main()
