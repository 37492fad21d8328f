"""Train keywords: a small depthwise-separable network, int8 TFLite.  One command, seeds fixed.

    python tools/train/keywords.py --data SPEECH_COMMANDS --out models/keywords/0.1.0

SPEECH_COMMANDS holds labels.csv (file, label, speaker) and FLAC clips of one second at 16 kHz.  Split by
speaker; clips without a speaker (silence) by their number.  Made speech of espeak-ng is added where that
program is installed.  Writes model.tflite and figures.json.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
import soxr

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from edge_runtime.inference.audio_features import FrontEnd  # noqa: E402
from edge_runtime.manifest import AudioInput  # noqa: E402

LABELS = "yes no up down left right on off stop go _silence_ _unknown_".split()
OTHER_WORDS = "bed bird cat dog happy house marvin tree three seven wow zero open close start"
RATE_HZ = 16000
SEED = 20261124
FRONT_END = AudioInput(front_end="mfcc", normalise="peak", coefficients=16, low_hz=40, high_hz=7600)
VOICES = ["en-us", "en-gb", "en-gb-scotland", "en-us+m3", "en-us+f2", "en-gb+m7", "en-gb+f4"]


def part_of(row: dict[str, str]) -> str:
    """train, val or test, by speaker."""
    number = int(hashlib.sha1((row["speaker"] or row["file"]).encode()).hexdigest(), 16) % 100
    return "test" if number < 20 else "val" if number < 30 else "train"


def load(data: Path) -> dict[str, list[tuple[np.ndarray, int]]]:
    parts: dict[str, list[tuple[np.ndarray, int]]] = {"train": [], "val": [], "test": []}
    for row in csv.DictReader((data / "labels.csv").open()):
        samples, rate = soundfile.read(data / row["file"], dtype="int16")
        assert rate == RATE_HZ
        parts[part_of(row)].append((samples, LABELS.index(row["label"])))
    return parts


def made_speech() -> list[tuple[np.ndarray, int]]:
    """The words, and others, in voices that are not the demo's (en-us+f3 at 150 words a minute)."""
    if shutil.which("espeak-ng") is None:
        print("espeak-ng is not installed: no made speech")
        return []
    found = []
    words = [(w, i) for i, w in enumerate(LABELS[:10])]
    words += [(w, LABELS.index("_unknown_")) for w in OTHER_WORDS.split()]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "word.wav")
        for word, label in words:
            for voice in VOICES:
                for speed, pitch in ((130, 35), (165, 60)):
                    subprocess.run(
                        ["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch),
                         "-w", str(path), word], check=True,
                    )  # fmt: skip
                    samples, rate = soundfile.read(path, dtype="int16")
                    found.append((soxr.resample(samples, rate, RATE_HZ), label))
    return found


def trimmed(samples: np.ndarray) -> np.ndarray:
    """Without the silence at the ends."""
    level = np.abs(samples.astype(np.float32))
    loud = np.flatnonzero(np.convolve(level, np.ones(400) / 400, "same") > 0.06 * level.max())
    return samples if len(loud) == 0 else samples[loud[0] : loud[-1] + 1]


def noise(rng: np.random.Generator, count: int) -> np.ndarray:
    """Made factory noise: coloured hiss, hum, clanks; unit deviation."""
    spectrum = np.fft.rfft(rng.normal(0, 1, count))
    hz = np.fft.rfftfreq(count, 1 / RATE_HZ)
    sound = np.fft.irfft(spectrum / np.maximum(hz, 30.0) ** rng.uniform(0, 1.1), count)
    sound /= sound.std() + 1e-9
    t = np.arange(count) / RATE_HZ
    if rng.random() < 0.5:
        base = rng.uniform(40, 320)
        for harmonic in range(1, 6):
            sound += rng.uniform(0, 0.8) / harmonic * np.sin(2 * np.pi * base * harmonic * t)
    for _ in range(rng.integers(0, 4)):
        at, ring = rng.integers(0, count), rng.uniform(600, 5000)
        tail = np.exp(-t[: count - at] * rng.uniform(20, 120))
        sound[at:] += rng.uniform(1, 6) * tail * np.sin(2 * np.pi * ring * t[: count - at])
    return sound / (sound.std() + 1e-9)


def augmented(rng: np.random.Generator, samples: np.ndarray, label: int) -> np.ndarray:
    """A second of sound with the word somewhere in it, faster or slower, in some room and noise."""
    x = samples.astype(np.float32)
    if label != LABELS.index("_silence_"):
        if rng.random() < 0.7:
            x = trimmed(samples).astype(np.float32)
        if rng.random() < 0.6:
            speed = rng.uniform(0.85, 1.18)
            x = np.interp(np.arange(0, len(x) - 1, speed), np.arange(len(x)), x)
        if rng.random() < 0.3:  # a short room
            delay = int(rng.integers(80, 1400))
            x = x + np.pad(x, (delay, 0))[: len(x)] * rng.uniform(0.1, 0.5)
    out = np.zeros(RATE_HZ, np.float32)
    room = RATE_HZ - len(x)
    at = int(rng.integers(min(0, room), max(0, room) + 1))
    start, stop = max(0, at), min(RATE_HZ, at + len(x))
    out[start:stop] = x[start - at : stop - at]
    level = np.sqrt((x**2).mean()) + 1e-3
    if rng.random() < 0.8:
        out += noise(rng, RATE_HZ) * level * 10 ** (-rng.uniform(3, 40) / 20)
    return np.clip(out * 10 ** (rng.uniform(-12, 3) / 20), -32768, 32767).astype(np.int16)


def features(front: FrontEnd, clips: list[np.ndarray]) -> np.ndarray:
    return np.stack([front.features(clip) for clip in clips])[..., None]


def network(shape: tuple[int, ...], mean: np.ndarray, deviation: np.ndarray):
    import keras
    from keras import layers

    keras.utils.set_random_seed(SEED)
    inputs = keras.Input(shape)
    # The scale of the features is part of the network: the tensor is the front end's, untouched.
    x = layers.Normalization(axis=2, mean=mean, variance=deviation**2)(inputs)
    x = layers.Conv2D(64, (10, 4), strides=(2, 2), padding="same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.Dropout(0.1)(x)
    for _ in range(4):
        x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.Conv2D(64, 1, use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.Dropout(0.3)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, layers.Dense(len(LABELS), activation="softmax")(x))


def train(front: FrontEnd, pool: list[tuple[np.ndarray, int]], val, epochs: int):
    import keras

    rng = np.random.default_rng(SEED)
    labels = np.array([label for _, label in pool])
    first = features(front, [augmented(rng, *item) for item in pool])
    mean, deviation = first.mean((0, 1, 3)), first.std((0, 1, 3)) + 1e-3
    net = network(first.shape[1:], mean, deviation)
    schedule = keras.optimizers.schedules.CosineDecay(3e-3, epochs * (len(pool) // 64 + 1))
    net.compile(keras.optimizers.AdamW(schedule, weight_decay=1e-4),
                keras.losses.CategoricalCrossentropy(label_smoothing=0.05), metrics=["accuracy"])  # fmt: skip
    val_x, val_y = evaluation(front, val)
    for epoch in range(epochs):
        x = features(front, [augmented(rng, *item) for item in pool])
        told = net.fit(x, np.eye(len(LABELS))[labels], batch_size=64, verbose=0)
        if epoch % 5 == 4:
            accuracy = (net.predict(val_x, verbose=0).argmax(1) == val_y).mean()
            print(f"epoch {epoch + 1}/{epochs}: loss {told.history['loss'][0]:.3f}, "
                  f"new speakers {accuracy:.3f}", flush=True)  # fmt: skip
    return net


def evaluation(front: FrontEnd, clips) -> tuple[np.ndarray, np.ndarray]:
    return features(front, [samples for samples, _ in clips]), np.array([l for _, l in clips])


def convert(net, sample: np.ndarray, out: Path) -> None:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(net)
    (out / "model-float.tflite").write_bytes(converter.convert())
    converter = tf.lite.TFLiteConverter.from_keras_model(net)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([one[None]] for one in sample.astype(np.float32))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    (out / "model.tflite").write_bytes(converter.convert())


def answers(model: Path, x: np.ndarray) -> tuple[np.ndarray, float]:
    """(n, 12) probabilities and the median ms of one run on one thread."""
    from ai_edge_litert.interpreter import Interpreter

    net = Interpreter(model_content=model.read_bytes(), num_threads=1)
    net.allocate_tensors()
    given, made = net.get_input_details()[0], net.get_output_details()[0]
    found, spent = [], []
    for one in x:
        tensor = one[None].astype(np.float32)
        if given["dtype"] == np.int8:
            scale, zero = given["quantization"]
            tensor = np.clip(np.round(tensor / scale) + zero, -128, 127).astype(np.int8)
        net.set_tensor(given["index"], tensor)
        begin = time.perf_counter()
        net.invoke()
        spent.append(time.perf_counter() - begin)
        found.append(net.get_tensor(made["index"])[0].astype(np.float32))
    scores = np.array(found)
    if made["dtype"] == np.int8:
        scale, zero = made["quantization"]
        scores = (scores - zero) * scale
    return scores, float(np.median(spent) * 1000)


def interval(accuracy: float, count: int) -> list[float]:
    """95 % Wilson interval."""
    z = 1.96
    centre = (accuracy + z * z / (2 * count)) / (1 + z * z / count)
    half = (
        z
        / (1 + z * z / count)
        * np.sqrt(accuracy * (1 - accuracy) / count + z * z / (4 * count**2))
    )
    return [round(float(centre - half), 4), round(float(centre + half), 4)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=60)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    parts, front = load(options.data), FrontEnd(FRONT_END)
    pool = parts["train"] + made_speech()
    print(
        {name: len(part) for name, part in parts.items()},
        "with made speech:",
        len(pool),
        flush=True,
    )
    net = train(front, pool, parts["val"], options.epochs)
    rng = np.random.default_rng(SEED + 1)
    chosen = [pool[i] for i in rng.choice(len(pool), 300, replace=False)]
    convert(net, features(front, [augmented(rng, *item) for item in chosen]), options.out)
    x, y = evaluation(front, parts["test"])
    loud = [(np.clip(s + noise(rng, len(s)) * np.sqrt((s.astype(np.float32) ** 2).mean()) * 10**-0.5,
                     -32768, 32767).astype(np.int16), label) for s, label in parts["test"]]  # fmt: skip
    x10, _ = evaluation(front, loud)
    figures = {}
    for name in ("model-float.tflite", "model.tflite"):
        scores, ms = answers(options.out / name, x)
        noisy, _ = answers(options.out / name, x10)
        accuracy = float((scores.argmax(1) == y).mean())
        figures[name] = {
            "test_clips": len(y),
            "accuracy": round(accuracy, 4),
            "accuracy_95": interval(accuracy, len(y)),
            "accuracy_10dB_made_noise": round(float((noisy.argmax(1) == y).mean()), 4),
            "ms": round(ms, 3),
            "bytes": (options.out / name).stat().st_size,
        }
    (options.out / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
