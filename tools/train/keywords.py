"""Train keywords: a small depthwise-separable network, int8 TFLite.  One command, seeds fixed.

    python -m tools.train.keywords --data SPEECH_COMMANDS --out models/keywords/0.1.0
        [--teacher dscnn_l_kws_fp32.onnx] [--speech FOLDER]

SPEECH_COMMANDS holds labels.csv (file, label, speaker) and FLAC clips of one second at 16 kHz.
They are split by speaker.  Made speech of espeak-ng is added where that program is installed, and
the recordings of --speech as unknown words.  A teacher is a larger network whose opinion of every
augmented clip is learnt beside the label.  Writes model.tflite, model.toml and labels.txt.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import msgspec
import numpy as np

from edge_runtime.inference import load_model
from tools.train import bundle, speech_data
from tools.train.speech_data import FRONT_END, LABELS, SEED, SILENCE, UNKNOWN

MODEL = "model.tflite"
CHANNELS, BLOCKS = 80, 5
FALSE_HEARD = 0.05
"""Share of validation segments without a keyword that are heard as one at the threshold."""


def network(shape: tuple[int, ...], mean: np.ndarray, deviation: np.ndarray) -> Any:
    import keras
    from keras import layers

    def normal(x: Any) -> Any:
        return layers.ReLU()(layers.BatchNormalization(momentum=0.95)(x))

    keras.utils.set_random_seed(SEED)
    inputs = keras.Input(shape)
    # The scale of the features is part of the network: the tensor is the front end's, untouched.
    x = layers.Normalization(axis=2, mean=mean, variance=deviation**2)(inputs)
    x = layers.Conv2D(CHANNELS, (10, 4), strides=(2, 2), padding="same", use_bias=False)(x)
    x = layers.Dropout(0.1)(normal(x))
    for _ in range(BLOCKS):
        x = normal(layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x))
        x = normal(layers.Conv2D(CHANNELS, 1, use_bias=False)(x))
    x = layers.Dropout(0.3)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, layers.Dense(len(LABELS), activation="softmax")(x))


def train(clips: list[speech_data.Clip], val: Any, teacher: Path | None, epochs: int) -> Any:
    import keras
    import tensorflow as tf

    # Threads that wait for each other are slower on a busy machine; the sounds take the other core.
    tf.config.threading.set_intra_op_parallelism_threads(1)
    val_x, val_y = val
    given = (clips, teacher)
    with multiprocessing.get_context("spawn").Pool(1, speech_data.begin_worker, given) as pool:
        made = pool.imap(speech_data.epoch, range(epochs + 1))
        first, _ = next(made)
        mean, deviation = first.mean((0, 1, 3)), first.std((0, 1, 3)) + 1e-3
        net = network(first.shape[1:], mean, deviation)
        rate = keras.optimizers.schedules.CosineDecay(3e-3, epochs * (len(clips) // 64 + 1))
        net.compile(keras.optimizers.AdamW(rate, weight_decay=1e-4), "categorical_crossentropy")
        for index, (x, target) in enumerate(made):
            told = net.fit(x, target, batch_size=64, verbose=0)
            if index % 5 == 4:
                right = (net.predict(val_x, verbose=0).argmax(1) == val_y).mean()
                loss = told.history["loss"][0]
                print(f"epoch {index + 1}: loss {loss:.3f}, new speakers {right:.3f}", flush=True)
    return net


def convert(net: Any, samples: np.ndarray | None) -> bytes:
    """The network as TFLite; int8 from input to output when there are `samples` to scale it by."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(net)
    if samples is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([one[None]] for one in samples)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


def heard(folder: Path, clips: list[speech_data.Clip]) -> np.ndarray:
    """(n, 12) scores of the clips as segments, by the runtime itself."""
    runner, rng = load_model(folder).runner(), np.random.default_rng(SEED + 3)
    found = []
    for clip in clips:
        sound = clip.samples if clip.label == SILENCE else speech_data.as_segment(rng, clip)
        scores = {s.label: s.score for s in runner.segment(sound, speech_data.RATE_HZ).scores}
        found.append([scores[label] for label in LABELS])
    return np.array(found)


def threshold(scores: np.ndarray, labels: np.ndarray) -> float:
    """The lowest at which few validation segments without a keyword are heard as one."""
    nothing = (labels == SILENCE) | (labels == UNKNOWN)
    best = scores[nothing][:, : len(speech_data.WORDS)].max(1)
    return max(0.4, round(float(np.quantile(best, 1 - FALSE_HEARD)) + 0.005, 2))


def manifest(
    folder: Path, *, hear: float, has_teacher: bool, metrics: dict[str, float]
) -> dict[str, Any]:
    taught = ["taught by DS-CNN-L of andestech/ModelZoo (Apache-2.0)"] if has_teacher else []
    return {
        "format": 1,
        "name": "keywords",
        "version": "0.1.0",
        "task": "audio-classification",
        "description": "Ten English command words, silence, and everything else.",
        "file": MODEL,
        "labels": LABELS,
        "ignore": ["_silence_", "_unknown_"],
        "silence": ["_silence_"],
        "sha256": bundle.hashes(folder / MODEL, folder / bundle.LABELS),
        "audio": msgspec.to_builtins(FRONT_END),
        "output": {"decoder": "classification", "activation": "none"},
        "hear": dict.fromkeys(speech_data.WORDS, hear),
        "latency": {"budget_ms": 20.0},
        "provenance": {
            "trained_by": "tools/train/keywords.py",
            "data": [
                "Speech Commands v0.02, test clips (CC BY 4.0), split by speaker",
                "speech made by espeak-ng",
                "noise made by tools/train/speech_data.py",
                "LJ Speech (public domain) as unknown words",
                *taught,
            ],
            "licence": "Apache-2.0; attributions in LICENSE",
        },
        "metrics": metrics,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="the bundle's folder")
    parser.add_argument("--teacher", type=Path, help="DS-CNN-L, float ONNX")
    parser.add_argument("--speech", type=Path, help="folder with LJ Speech recordings")
    parser.add_argument("--float", type=Path, help="keep the float model here")
    parser.add_argument("--epochs", type=int, default=90)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    parts = speech_data.recorded(options.data)
    clips = parts["train"] + speech_data.made_speech()
    if options.speech:
        clips += speech_data.read_aloud(options.speech)
    print({name: len(part) for name, part in parts.items()}, "learnt from:", len(clips), flush=True)
    val_x, val_y = speech_data.evaluation(parts["val"])
    net = train(clips, (val_x, val_y), options.teacher, options.epochs)
    model = options.out / MODEL
    typical, _ = speech_data.Augmented(clips[::8], None).epoch(options.epochs + 1)
    model.write_bytes(convert(net, typical))
    if options.float:
        options.float.write_bytes(convert(net, None))
    bundle.write_labels(options.out, LABELS)
    has_teacher = options.teacher is not None
    told = manifest(options.out, hear=0.5, has_teacher=has_teacher, metrics={})
    bundle.write(options.out, told)
    scores = heard(options.out, parts["val"])
    hear = threshold(scores, val_y)
    right = float((scores.argmax(1) == val_y).mean())
    metrics = {"validation_accuracy_of_segments": round(right, 4)}
    print(metrics, "hear:", hear)
    told = manifest(options.out, hear=hear, has_teacher=has_teacher, metrics=metrics)
    bundle.write(options.out, told)


if __name__ == "__main__":
    main()
