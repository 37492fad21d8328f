"""Train speech-gate: a small convolutional speech detector, int8 TFLite.  One command, seeds fixed.

    python -m tools.train.speech_gate --data DATA --out models/speech-gate/0.1.0
        [--prompts FOLDER] [--float FILE] [--keep FOLDER]

DATA holds speech_commands, asr_recordings, fsdd_digits_CC-BY-SA, spelling_alphanumeric and, in
vad_streams*, the labels whose speakers are left out.  --prompts: usr/share/asterisk/sounds of
Debian's asterisk-core-sounds-{en,es,fr,it,ru}-g722, unpacked.  espeak-ng and flite must be
installed.  --keep: made streams are kept there and found again.  Writes model.tflite, the same
network as model.onnx, model.toml and labels.txt; --float: FILE and FILE's name with .onnx.
"""

from __future__ import annotations

import argparse
import dataclasses
import multiprocessing
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import msgspec
import numpy as np
import torch
from torch.nn import functional

from tools.train import (
    bundle,
    figures,
    speech_gate_network,
    speech_gate_voices,
    tflite_to_onnx,
)
from tools.train.speech_data import SEED
from tools.train.speech_gate_listener import TfliteNetwork
from tools.train.speech_gate_network import Gate
from tools.train.speech_gate_streams import (
    FRAMES,
    FRONT_END,
    LOOK_AHEAD_HOPS,
    SILENT,
    Maker,
    Streams,
    through_microphones,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL = "model.tflite"
SHARD = 128
"""Streams made at a time."""
SHARDS, VALIDATION_SHARDS, FIRST_SHARDS = 40, 3, 4
STEPS_A_SHARD, LAST_STEPS = 60, 5600
BATCH = 12
RATE, DECAY = 3e-3, 1e-3
NEAR_WEIGHT = 0.6
"""Of frames without speech within 0.3 s of some: where it ends is a matter of opinion."""
FALSE_ALARM = 0.01
"""Share of the validation streams' noise-only frames at or over the threshold."""
CALIBRATION = 600


# ---- streams -----------------------------------------------------------------------------------

_makers: dict[str, Maker] = {}
"""Of a worker process."""


def begin_worker(parts: dict[str, Any]) -> None:
    for salt, part in enumerate(("train", "val")):
        _makers[part] = Maker(parts[part], salt=salt)


def shard(wanted: tuple[str, int, Path | None]) -> Streams:
    part, index, keep = wanted
    file = keep / f"{part}_{index:03}.npz" if keep else None
    if file and file.exists():
        return Streams(**np.load(file))
    made = _makers[part].streams(index * SHARD, SHARD)
    if file:
        np.savez(file, **made.arrays())
    return made


# ---- learning ----------------------------------------------------------------------------------


@dataclass
class Learning:
    """The network, what it has heard so far, and the optimiser."""

    gate: Gate
    optimiser: torch.optim.Optimizer
    rng: np.random.Generator
    pool: list[Streams]
    step: int = 0
    loss: float = 0.7

    def run(self, steps: int, of: int) -> None:
        self.gate.train()
        for _ in range(steps):
            warm = min(1.0, (self.step + 1) / 100)
            rate = RATE * warm * (0.5 + 0.5 * float(np.cos(np.pi * self.step / of)))
            for group in self.optimiser.param_groups:
                group["lr"] = rate
            streams = self.pool[self.rng.integers(len(self.pool))]
            at = self.rng.integers(0, len(streams.target), BATCH)
            taken = streams.taken(at)
            features = through_microphones(self.rng, taken.features.astype(np.float32))
            loss = loss_of(self.gate, dataclasses.replace(taken, features=features))
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
            self.loss = 0.99 * self.loss + 0.01 * float(loss.detach())
            self.step += 1


def loss_of(gate: Gate, streams: Streams) -> torch.Tensor:
    """Weighted cross-entropy; frames that may be either do not count."""
    told = gate(with_past(streams.features))[:, LOOK_AHEAD_HOPS:]
    target = torch.from_numpy(streams.target[:, :-LOOK_AHEAD_HOPS].astype(np.float32))
    far = torch.from_numpy(streams.far[:, :-LOOK_AHEAD_HOPS])
    weight = torch.where(target < 0, 0.0, torch.where(far | (target > 0), 1.0, NEAR_WEIGHT))
    each = functional.binary_cross_entropy_with_logits(told, target.clamp(min=0), reduction="none")
    return (each * weight).sum() / weight.sum()


def with_past(features: np.ndarray) -> torch.Tensor:
    """(n, 126 + frames, mels): before a stream there was digital silence."""
    past = np.full((len(features), speech_gate_network.PAST_FRAMES, FRONT_END.mels), SILENT)
    return torch.from_numpy(np.concatenate([past, features.astype(np.float32)], 1))


def train(shards: Iterator[Streams], validation: Streams) -> Gate:
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    gate = Gate(FRONT_END.mels)
    optimiser = torch.optim.AdamW(gate.parameters(), lr=RATE, weight_decay=DECAY)
    learning = Learning(gate, optimiser, np.random.default_rng(SEED), [])
    of = (SHARDS - FIRST_SHARDS + 1) * STEPS_A_SHARD + LAST_STEPS
    for one in shards:
        learning.pool.append(one)
        if len(learning.pool) >= FIRST_SHARDS:
            learning.run(STEPS_A_SHARD, of)
        if len(learning.pool) % 12 == 0:
            told(learning, validation)
    for _ in range(4):
        learning.run(LAST_STEPS // 4, of)
        told(learning, validation)
    return gate.eval()


def told(learning: Learning, validation: Streams) -> None:
    gate = learning.gate.eval()
    with torch.no_grad():
        logits = np.concatenate(
            [
                gate(with_past(validation.features[at : at + 32])).numpy()
                for at in range(0, len(validation.features), 32)
            ]
        )
    print(
        f"step {learning.step}: loss {learning.loss:.4f}, {by_snr(logits, validation)}", flush=True
    )


def by_snr(scores: np.ndarray, streams: Streams) -> dict[str, str]:
    """AUC, and recall where a per cent of the noise-only frames are false, by SNR."""
    scores = scores[:, LOOK_AHEAD_HOPS:]
    target, far = streams.target[:, :-LOOK_AHEAD_HOPS], streams.far[:, :-LOOK_AHEAD_HOPS]
    threshold = np.quantile(scores[far], 1 - FALSE_ALARM)
    found = {}
    for low, high in ((-5, 2), (2, 6), (6, 12), (12, 40)):
        rows = (streams.snr_db >= low) & (streams.snr_db < high)
        positive, negative = scores[rows][target[rows] == 1], scores[rows][target[rows] == 0]
        recall = (positive >= threshold).mean()
        found[f"{low}..{high} dB"] = f"{figures.auc(positive, negative):.4f}/{recall:.3f}"
    return found


# ---- the bundle --------------------------------------------------------------------------------


def windows(streams: Streams, count: int) -> np.ndarray:
    """(count, 127, mels, 1) windows for scaling, among them silence and the loudest."""
    rng = np.random.default_rng(SEED + 31)
    past = with_past(streams.features[: SHARD // 2]).numpy()
    found = np.stack(
        [
            past[row, start : start + FRAMES]
            for row, start in zip(
                rng.integers(0, len(past), count),
                2 * rng.integers(0, (past.shape[1] - FRAMES) // 2, count),
                strict=True,
            )
        ]
    )
    found[0] = SILENT
    loudest = streams.features.reshape(len(streams.features), -1).max(1).argmax()
    found[1] = past[:, -FRAMES:][0] * 0 + streams.features[loudest][:FRAMES]
    return found[..., None].astype(np.float32)


def convert(net: Any, samples: np.ndarray | None) -> bytes:
    """The network as TFLite; int8 from input to output when there are `samples` to scale it by."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(net)
    if samples is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([one[None]] for one in samples)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())


def heard(file: Path, streams: Streams) -> np.ndarray:
    """(n, hops) probabilities by the converted network, window by window."""
    net = TfliteNetwork(file)
    found = np.zeros(streams.target.shape)
    for row, past in enumerate(with_past(streams.features).numpy()):
        given = net.quantised(past)
        for hop in range(found.shape[1]):
            found[row, hop] = net.infer(given[None, 2 * hop : 2 * hop + FRAMES, :, None])
    return found


def threshold(scores: np.ndarray, streams: Streams) -> float:
    """The lowest hundredth at which few noise-only frames are taken for speech."""
    noise = scores[:, LOOK_AHEAD_HOPS:][streams.far[:, :-LOOK_AHEAD_HOPS]]
    found = np.arange(1, 100) / 100
    return float(found[[(noise >= one).mean() <= FALSE_ALARM for one in found]][0])


def manifest(folder: Path, *, speech: float, prompts: bool, metrics: dict[str, float]) -> Any:
    announced = [
        "Asterisk core sounds in English, French (CC BY-SA 3.0), Italian and Russian (CC BY 3.0)"
    ]
    return {
        "format": 1,
        "name": "speech-gate",
        "version": "0.1.0",
        "task": "speech-detection",
        "description": "Whether somebody speaks, in the noise of a factory.",
        "file": MODEL,
        "alternatives": ["model.onnx"],
        "labels": ["speech"],
        "sha256": bundle.hashes(
            folder / MODEL, (folder / MODEL).with_suffix(".onnx"), folder / bundle.LABELS
        ),
        "audio": {k: v for k, v in msgspec.to_builtins(FRONT_END).items() if v is not None},
        "stream": {"step": 2},
        "output": {"decoder": "classification", "activation": "none"},
        "hear": {"speech": speech},
        "latency": {"budget_ms": 60.0},
        "provenance": {
            "trained_by": "tools/train/speech_gate.py",
            "data": [
                "Speech Commands v0.02, test clips (CC BY 4.0), split by speaker",
                "Free Spoken Digit Dataset (CC BY-SA 4.0), split by speaker",
                "spelled letters of moonshine (MIT)",
                "LJ Speech and a speech of J. F. Kennedy (public domain), pocketsphinx (BSD-2)",
                *(announced if prompts else []),
                "speech made by espeak-ng and flite",
                "noise made by tools/train/speech_gate_noise.py",
            ],
            "licence": "Apache-2.0; attributions in LICENSE",
        },
        "metrics": metrics,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="the bundle's folder")
    parser.add_argument("--prompts", type=Path, help="announcements of a telephone exchange")
    parser.add_argument("--float", type=Path, help="keep the float model here")
    parser.add_argument("--keep", type=Path, help="keep the made streams here")
    options = parser.parse_args()
    for folder in filter(None, (options.out, options.keep)):
        folder.mkdir(parents=True, exist_ok=True)
    parts = speech_gate_voices.gathered(options.data, options.prompts)
    spawned = multiprocessing.get_context("spawn")
    with spawned.Pool(1, begin_worker, (parts,)) as pool:
        wanted = [("val", index, options.keep) for index in range(VALIDATION_SHARDS)]
        validation = Streams.joined(pool.map(shard, wanted))
        wanted = [("train", index, options.keep) for index in range(SHARDS)]
        gate = train(pool.imap(shard, wanted), validation)
        typical = pool.apply(shard, (("train", 0, options.keep),))
    weights = speech_gate_network.folded(gate)
    net = speech_gate_network.windowed(weights, FRAMES, FRONT_END.mels)
    model = options.out / MODEL
    model.write_bytes(convert(net, windows(typical, CALIBRATION)))
    model.with_suffix(".onnx").write_bytes(tflite_to_onnx.converted(model.read_bytes()))
    if options.float:
        options.float.write_bytes(convert(net, None))
        as_onnx = tflite_to_onnx.converted(options.float.read_bytes())
        options.float.with_suffix(".onnx").write_bytes(as_onnx)
    bundle.write_labels(options.out, ["speech"])
    scores = heard(model, validation)
    speech = threshold(scores, validation)
    target = validation.target[:, :-LOOK_AHEAD_HOPS]
    late = scores[:, LOOK_AHEAD_HOPS:]
    metrics = {
        "validation_auc": round(figures.auc(late[target == 1], late[target == 0]), 4),
        "validation_recall": round(float((late[target == 1] >= speech).mean()), 4),
    }
    print(metrics, "threshold:", speech, by_snr(scores, validation))
    prompts = options.prompts is not None
    bundle.write(
        options.out, manifest(options.out, speech=speech, prompts=prompts, metrics=metrics)
    )


if __name__ == "__main__":
    main()
