"""Examine speech-gate on streams it has never heard, beside other speech detectors.

    python -m tools.train.evaluate_speech_gate --data DATA [--bundle FOLDER] [--other FILE ...]
        [--plots FOLDER] [--write]

DATA holds vad_streams, vad_streams_factory_CC-BY-SA, factory_valve_MIMII_CC-BY-SA and models.  The
packages of the runtime are enough to run it.  Prints the figures; --write puts them into
MODEL_CARD.md and model.toml; --plots draws each stream with its labels and scores.

What is counted, for every detector alike:

frame         32 ms: samples [512 i, 512 (i + 1)) of a recording; the last, incomplete one is left
              out.  A detector with another window gets the mean of its scores over the frame.
speech frame  at least half of it lies within a labelled span.
noise-only    frames of recordings without any speech, and frames of the streams no part of which is
              nearer than 0.3 s to any labelled span.
AUC           of a stream: speech frames against all its other frames, edges of the spans included.
recall        share of a stream's speech frames with a score at or over the threshold.
false alarm   share of noise-only frames with a score at or over the threshold.
intervals     95 %: a stream's spans and the gaps between them, or the recordings without speech,
              drawn again and again, 1000 times.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile

from edge_runtime.config import Gate
from edge_runtime.gate.vad import EnergyScorer, WebrtcScorer
from edge_runtime.manifest import load_manifest
from tools.train import bundle, figures
from tools.train.speech_gate_listener import (
    FRAME,
    LOOK_AHEAD_HOPS,
    RATE_HZ,
    in_form,
    listener,
    open_network,
)
from tools.train.speech_gate_peers import of_runtime, silero, tinyvad, webrtc_alone

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
FAR_S = 0.3
MIMII = "factory_valve_MIMII_CC-BY-SA"
STREAMS = ("vad_streams", "vad_streams_factory_CC-BY-SA")
QUIETER_DB = -30.0
COST_S, COST_ROUNDS, INVOKES = 4, 15, 1500
"""Seconds of sound, and inferences, over which the cost is measured."""
THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
"""Shown beside the shipped one."""


# ---- the detectors -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Detector:
    """One column."""

    name: str
    scores: Callable[[np.ndarray], np.ndarray]
    """(frames,) for (n,) int16 samples at 16 kHz."""
    threshold: float
    delay_ms: float
    """From the end of a frame until its score is known."""
    with_intervals: bool = False


def detectors(folder: Path, others: list[Path], data: Path) -> list[Detector]:
    """speech-gate; the same network in the other bundles; other detectors."""
    manifest = load_manifest(folder)
    threshold, models = manifest.hear["speech"], data / "models"
    ours = [("speech-gate", folder)]
    ours += [(f"the same, {load_manifest(other).file}", other) for other in others]
    delay_ms = 1000.0 * LOOK_AHEAD_HOPS * FRAME / RATE_HZ
    found = [
        Detector(name, listener(one), threshold, delay_ms, at == 0)
        for at, (name, one) in enumerate(ours)
    ]
    runtime = WebrtcScorer(Gate().aggressiveness)
    return [
        *found,
        Detector("Silero", silero(models / "silero_vad_16k_op15.onnx"), 0.5, 0.0),
        Detector("tinyvad", tinyvad(models / "tinyvad_int8_int16head.tflite"), 0.5, 0.0),
        Detector("webrtcvad 3", webrtc_alone(), 0.5, 0.0),
        Detector("WebrtcScorer", of_runtime(runtime), 0.5, 0.0),
        Detector("EnergyScorer", of_runtime(EnergyScorer()), 0.5, 0.0),
    ]


# ---- the examination ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Stream:
    """A recording with speech at labelled times."""

    name: str
    samples: np.ndarray
    spans_s: list[tuple[float, float]]

    @property
    def is_speech(self) -> np.ndarray:
        """(frames,) bool: half of it or more lies within a span."""
        inside = self._inside(0.0)
        return inside.mean(1) >= 0.5

    @property
    def is_far(self) -> np.ndarray:
        """(frames,) bool: all of it is at least 0.3 s from any span."""
        return ~self._inside(FAR_S).any(1)

    @property
    def units(self) -> np.ndarray:
        """(frames,) int: the number of the span or the gap that it lies in."""
        return np.cumsum(np.diff(self.is_speech, prepend=False))

    def _inside(self, margin_s: float) -> np.ndarray:
        frames = len(self.samples) // FRAME
        inside = np.zeros(len(self.samples), bool)
        for start_s, end_s in self.spans_s:
            first = max(0, round((start_s - margin_s) * RATE_HZ))
            inside[first : round((end_s + margin_s) * RATE_HZ)] = True
        return inside[: frames * FRAME].reshape(frames, FRAME)


def streams(data: Path) -> list[Stream]:
    found = []
    for folder in STREAMS:
        for one in json.loads((data / folder / "labels.json").read_text()):
            samples, rate_hz = soundfile.read(data / folder / one["file"], dtype="int16")
            assert rate_hz == RATE_HZ
            spans_s = [(s["start_s"], s["end_s"]) for s in one["speech_segments"]]
            found.append(Stream(Path(one["file"]).stem, samples, spans_s))
    return found


def noise_only(data: Path) -> dict[str, list[np.ndarray]]:
    """Recordings of a factory in which nobody speaks, each heard from its start; and nothing.

    MIMII's frames_32ms.npz is left out: all its samples are zero.
    """
    folder = data / MIMII
    valves = []
    for path in sorted(folder.glob("valve*.wav")):
        samples, _ = soundfile.read(path, dtype="int16", always_2d=True)
        valves += [np.ascontiguousarray(samples[:, c]) for c in range(samples.shape[1])]
    backgrounds = sorted(folder.glob("background_noise/*.wav"))
    return {
        "MIMII valves, 8 channels": valves,
        "MIMII background clips": [soundfile.read(p, dtype="int16")[0] for p in backgrounds],
        "digital silence": [np.zeros(10 * RATE_HZ, np.int16)],
    }


def examined(
    detector: Detector, spoken: list[Stream], silent: dict[str, list[np.ndarray]]
) -> dict[str, Any]:
    """A column: figure = value, and figure_95 = its interval where the detector is to have them."""
    column: dict[str, Any] = {"threshold": detector.threshold}
    told = [detector.scores(stream.samples) for stream in spoken]
    said = [scores >= detector.threshold for scores in told]
    for stream, scores in zip(spoken, told, strict=True):
        column |= measured(detector, f"AUC {stream.name}", stream, scores, auc_of)
    for stream, over in zip(spoken, said, strict=True):
        speech = share_where(stream.is_speech)
        column |= measured(detector, f"recall {stream.name}", stream, over, speech)
    for stream, over in zip(spoken, said, strict=True):
        far = share_where(stream.is_far)
        column |= measured(detector, f"false alarm {stream.name}", stream, over, far)
    for name, recordings in silent.items():
        over_all = [detector.scores(one) >= detector.threshold for one in recordings]
        column[f"false alarm {name}"] = share(over_all)
        if detector.with_intervals:
            column[f"false alarm {name}_95"] = figures.bootstrap(over_all, share)
    column |= spans_heard(detector, spoken, said)
    for stream in spoken:
        if stream.name.startswith("factory"):
            quiet = np.round(stream.samples * 10 ** (QUIETER_DB / 20)).astype(np.int16)
            all_frames = np.arange(len(quiet) // FRAME)
            scores = detector.scores(quiet)
            name = f"AUC {stream.name}, {QUIETER_DB:+.0f} dB"
            column[name] = auc_of(stream, scores, all_frames)
    return column


def spans_heard(
    detector: Detector, spoken: list[Stream], said: list[np.ndarray]
) -> dict[str, float]:
    """How many of the labelled spans are heard at all, and when, after their beginning."""
    after_ms: list[float] = []
    count = 0
    for stream, over in zip(spoken, said, strict=True):
        for start_s, end_s in stream.spans_s:
            first, last = int(start_s * RATE_HZ) // FRAME, int(end_s * RATE_HZ) // FRAME
            at = np.flatnonzero(over[first : last + 1])
            count += 1
            if len(at):
                known_s = (first + at[0] + 1) * FRAME / RATE_HZ
                after_ms.append(1000 * (known_s - start_s) + detector.delay_ms)
    return {
        "spans heard": len(after_ms) / count,
        "heard after ms, median": float(np.median(after_ms or [np.inf])),
        "heard after ms, of ten the slowest": float(np.quantile(after_ms or [np.inf], 0.9)),
    }


def measured(
    detector: Detector,
    name: str,
    stream: Stream,
    values: np.ndarray,
    figure: Callable[[Stream, Any, Any], float],
) -> dict[str, Any]:
    """A figure of a stream; with its interval, spans and gaps drawn again and again."""
    found: dict[str, Any] = {name: figure(stream, values, np.arange(len(values)))}
    if detector.with_intervals:
        units = stream.units
        at = [np.flatnonzero(units == unit) for unit in np.unique(units)]
        found[f"{name}_95"] = figures.bootstrap(
            at, lambda drawn: figure(stream, values, np.concatenate(drawn))
        )
    return found


def auc_of(stream: Stream, scores: np.ndarray, at: np.ndarray) -> float:
    speech = stream.is_speech[at]
    if speech.all() or not speech.any():
        return float("nan")
    return figures.auc(scores[at][speech], scores[at][~speech])


def share_where(wanted: np.ndarray) -> Callable[[Stream, np.ndarray, np.ndarray], float]:
    def figure(_: Stream, said: np.ndarray, at: np.ndarray) -> float:
        counted = said[at][wanted[at]]
        return float(counted.mean()) if len(counted) else float("nan")

    return figure


def share(said_of: list[np.ndarray]) -> float:
    return float(np.concatenate(said_of).mean())


def by_threshold(
    detector: Detector, spoken: list[Stream], silent: dict[str, list[np.ndarray]]
) -> dict[str, dict[str, float]]:
    """What another threshold would have done; a column for each."""
    told = [(stream, detector.scores(stream.samples)) for stream in spoken]
    noise = np.concatenate([detector.scores(one) for all_of in silent.values() for one in all_of])
    columns: dict[str, dict[str, float]] = {}
    for threshold in sorted({*THRESHOLDS, detector.threshold}):
        column = {}
        for stream, scores in told:
            if stream.name.startswith("factory"):
                said = scores >= threshold
                column[f"recall {stream.name}"] = float(said[stream.is_speech].mean())
                column[f"false alarm {stream.name}"] = float(said[stream.is_far].mean())
        far = np.concatenate([scores[s.is_far] for s, scores in told if s.name.startswith("s")])
        column["false alarm the other streams"] = float((far >= threshold).mean())
        column["false alarm recordings without speech"] = float((noise >= threshold).mean())
        columns[f"{threshold:.2f}"] = column
    return columns


def cost_ms(detector: Detector) -> float:
    """CPU milliseconds of this thread for a second of sound, features included.

    The least of several rounds: what others do on the machine only adds to it.
    """
    noise = np.random.default_rng(0).normal(0, 1000, COST_S * RATE_HZ).astype(np.int16)
    spent = []
    for _ in range(COST_ROUNDS):
        began = time.thread_time()
        detector.scores(noise)
        spent.append(time.thread_time() - began)
    return 1000 * min(spent) / COST_S


def infer_ms(window: tuple[int, ...], files: list[Path]) -> dict[str, dict[str, float]]:
    """Milliseconds of one inference, turn by turn so that a busy machine is fair to all."""
    nets = {file.name: open_network(file) for file in files}
    features = np.random.default_rng(0).normal(-2, 2, window).astype(np.float32)
    given = {name: net.quantised(features) for name, net in nets.items()}
    spent: dict[str, list[float]] = {name: [] for name in nets}
    for _ in range(INVOKES):
        for name, net in nets.items():
            began = time.perf_counter()
            net.infer(given[name])
            spent[name].append(1000 * (time.perf_counter() - began))
    return {
        name: {
            "one inference, ms, median": float(np.median(times)),
            "one inference, ms, fastest tenth": float(np.quantile(times, 0.1)),
            "bytes": file.stat().st_size,
        }
        for (name, times), file in zip(spent.items(), files, strict=True)
    }


# ---- what is printed ---------------------------------------------------------------------------


def plot(folder: Path, stream: Stream, drawn: list[Detector]) -> None:
    """The spectrum, the labelled spans, and each detector's scores with its threshold."""
    import cv2

    blocks = stream.samples[: len(stream.samples) // FRAME * FRAME].reshape(-1, FRAME)
    log = np.log(np.abs(np.fft.rfft(blocks * np.hanning(FRAME))) + 10.0).T[::-1]
    grey = np.clip((log - log.min()) / (np.quantile(log, 0.999) - log.min()) * 255, 0, 255)
    picture = cv2.applyColorMap(grey.astype(np.uint8), cv2.COLORMAP_VIRIDIS)
    rows = [picture]
    for detector in drawn:
        values = detector.scores(stream.samples)
        row = np.full((90, picture.shape[1], 3), 255, np.uint8)
        row[:, stream.is_speech] = (190, 230, 190)
        row[89 - round(detector.threshold * 85)] = (0, 0, 255)
        line = np.stack([np.arange(len(values)), 89 - np.round(values * 85)], 1).astype(np.int32)
        cv2.polylines(row, [line], isClosed=False, color=(0, 0, 0))
        cv2.putText(row, detector.name, (4, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (200, 0, 0))
        rows.append(row)
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / f"{stream.name}.png"), np.concatenate(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, default=ROOT / "models" / "speech-gate" / "0.1.0")
    parser.add_argument(
        "--other", type=Path, action="append", default=[], help="the same network, to compare"
    )
    parser.add_argument("--plots", type=Path, help="draw the streams into this folder")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    spoken, silent = streams(options.data), noise_only(options.data)
    columns = {}
    with tempfile.TemporaryDirectory() as folder:
        others = [
            in_form(options.bundle, file, Path(folder, str(number)))
            for number, file in enumerate(options.other)
        ]
        for detector in detectors(options.bundle, others, options.data):
            column = examined(detector, spoken, silent)
            column["CPU ms for a second of sound"] = cost_ms(detector)
            columns[detector.name] = column
    manifest = load_manifest(options.bundle)
    assert manifest.audio is not None
    window = (1, manifest.audio.frames, manifest.audio.mels, 1)
    costs = infer_ms(window, [options.bundle / manifest.file, *options.other])
    ours = detectors(options.bundle, [], options.data)[0]
    thresholds = by_threshold(ours, spoken, silent)
    tables = [figures.table(each) for each in (columns, costs, thresholds)]
    text = "\n\n".join(tables)
    print(text)
    if options.plots:
        for stream in spoken:
            drawn = detectors(options.bundle, [], options.data)
            plot(options.plots, stream, drawn)
    if options.write:
        bundle.put_figures(options.bundle, text)
        first = figures.rounded(columns[ours.name])
        bundle.add_metrics(options.bundle, {key_of(k): v for k, v in first.items()})


def key_of(name: str) -> str:
    """A figure's name as a key of model.toml."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


if __name__ == "__main__":
    main()
