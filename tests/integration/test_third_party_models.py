"""Models that nobody here trained, from a manifest alone: they do what their cards say.

The cards' figures are those of MODEL_CARDS.md.  Long sets are sampled here; what the whole of each
gave is beside its figure.
"""

from __future__ import annotations

import csv
import json
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edge_runtime.errors import ModelError
from edge_runtime.files.sound import read_sound
from edge_runtime.inference import load_model
from tests.support.command_line import run
from tests.support.data import DATA, needs_data
from tests.support.models import MANIFESTS, THIRD_PARTY, third_party_bundle

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from edge_runtime.inference.runner import LoadedModel
    from edge_runtime.protocols import SoundRunner
    from edge_runtime.types import Inference

pytestmark = needs_data

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
NEGATIVE = "NEGATIVE_audio_preprocessor_int8.tflite"


def loaded(folder: Path, file: str) -> LoadedModel:
    return load_model(third_party_bundle(folder / file, file))


def heard(runner: SoundRunner, path: Path) -> Inference:
    return runner.segment(*read_sound(path))


def test_every_model_of_the_data_has_a_manifest_and_every_manifest_a_model() -> None:
    stems = {path.stem for path in MANIFESTS.glob("*.toml")}
    models = {p.name for p in (DATA / "models").iterdir() if p.suffix in (".onnx", ".tflite")}
    assert models == {*THIRD_PARTY, NEGATIVE}
    assert stems == {name.rpartition(".")[0] for name in models}


@pytest.mark.parametrize("file", THIRD_PARTY)
def test_it_loads_and_its_second_runner_too(tmp_path: Path, file: str) -> None:
    model = loaded(tmp_path, file)
    ways = {
        "image": model.picture_runner,
        "audio": model.sound_runner,
        "numbers": model.numbers_runner,
    }
    for _ in range(2):
        ways[model.manifest.input_kind]()
    model.close()


def test_the_negative_one_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"needs the custom operators SignalEnergy, .*SignalWindow"
    ):
        loaded(tmp_path, NEGATIVE)


# Keywords.  `test_inference_keywords` has kws_ref_* and dscnn_l on the Speech Commands.


def test_micro_speech_hears_its_own_examples_to_the_last_step(tmp_path: Path) -> None:
    """Card: yes 0.996, no 0.945, noise silence 0.97."""
    runner = loaded(tmp_path, "micro_speech_quantized.tflite").sound_runner()
    for name, label, step in (("yes", "yes", 255), ("no", "no", 242), ("noise", "silence", 248)):
        best = heard(runner, DATA / "micro_speech_audio" / f"{name}_1000ms.wav").scores[0]
        assert (best.label, best.score) == (label, step / 256)


@pytest.mark.parametrize(
    ("file", "spelled", "fsdd"),
    [
        # Whole set: 135 of 148 and 454 of 480 (card: 90.9 % of 220 clips, 91.7 % of 480).
        ("spelling_letters_digits_int8.tflite", 0.88, 0.92),
        # Whole set: 138 of 148 and 457 of 480 (card: 92.3 % of 220 clips).
        ("spelling_letters_digits.onnx", 0.90, 0.92),
    ],
)
def test_letters_and_digits_are_told_apart_also_at_8_khz(
    tmp_path: Path, file: str, spelled: float, fsdd: float
) -> None:
    runner = loaded(tmp_path, file).sound_runner()
    clips = [(path, path.parent.name) for path in (DATA / "spelling_alphanumeric").glob("*/*.wav")]
    right = sum(heard(runner, path).scores[0].label == label for path, label in clips)
    assert len(clips) == 148
    assert right >= spelled * len(clips)
    digits = sorted((DATA / "fsdd_digits_CC-BY-SA").glob("*.wav"))[::4]
    right = 0
    for path in digits:
        best = next(s for s in heard(runner, path).scores if s.label in DIGITS)
        right += best.label == DIGITS[int(path.name[0])]
    assert len(digits) == 120
    assert right >= fsdd * len(digits)


# Streams.


def test_marvin_is_heard_at_the_three_places_and_nowhere_else(tmp_path: Path) -> None:
    """Card: 0.996 on the clip; windows from 0.26-1.02, 3.58-4.10 and 6.40-6.66 s in the stream."""
    runner = loaded(tmp_path, "str_ww_marvin_int8.tflite").sound_runner()
    folder = DATA / "wakeword_marvin"
    clip = heard(runner, folder / "marvin_617de221_0_stereo16k.wav")
    assert (clip.scores[0].label, clip.scores[0].score) == ("marvin", 255 / 256)
    [told] = json.loads((folder / "sww_short_test.json").read_text())
    spans = heard(runner, folder / "short_wav_easy10s_stereo16k.wav").spans
    assert len(spans) == len(told["detection_windows"]) == 3
    for span, (start_s, end_s) in zip(spans, told["detection_windows"], strict=True):
        assert span.label == "marvin"
        assert start_s <= span.start_s <= end_s + 1.0, "while or just after the word is spoken"


def test_the_other_wake_word_is_not_heard_in_other_speech(tmp_path: Path) -> None:
    runner = loaded(tmp_path, "mww_okay_nabu_stateful.tflite").sound_runner()
    for path in sorted((DATA / "vad_streams").glob("*.wav"))[::2]:
        found = heard(runner, path)
        assert found.spans == ()
        assert found.scores[0].score < 0.5  # at most 0.04 here


@pytest.mark.parametrize(
    ("file", "aucs"),
    [
        # Card: 0.973-0.993.
        ("silero_vad_16k_op15.onnx", (0.994, 0.982, 0.975, 0.990, 0.978, 0.990)),
        # No figure on the card but "close to the int8 one".
        ("tinyvad_fp32.onnx", (0.973, 0.966, 0.953, 0.964, 0.950, 0.976)),
        # Card: 0.954-0.979.
        ("tinyvad_int8_int16head.tflite", (0.974, 0.966, 0.964, 0.955, 0.954, 0.979)),
        # Card: 0.69 with a front end made anew in floats.
        ("mww_vad_stateful.tflite", (0.810, 0.842, 0.862, 0.820, 0.830, 0.883)),
    ],
)
def test_speech_detectors_tell_speech_from_noise_as_well_as_their_cards_say(
    tmp_path: Path, file: str, aucs: tuple[float, ...]
) -> None:
    scorer = loaded(tmp_path, file).speech_scorer()
    streams: list[dict[str, Any]] = json.loads((DATA / "vad_streams" / "labels.json").read_text())
    for stream, expected in list(zip(streams, aucs, strict=True))[::2]:
        samples, rate_hz = read_sound(DATA / "vad_streams" / stream["file"])
        window = rate_hz * scorer.window_ms // 1000
        scorer.reset()
        windows = samples[: len(samples) // window * window].reshape(-1, window)
        scores = np.array([scorer.score(one) for one in windows])
        is_speech = spoken(stream["speech_segments"], len(scores), scorer.window_ms)
        assert area_under_curve(scores, is_speech) == pytest.approx(expected, abs=0.004)


def spoken(segments: Iterable[dict[str, Any]], count: int, window_ms: int) -> NDArray[np.bool_]:
    """Whether the middle of each window lies in speech."""
    middles = (np.arange(count) + 0.5) * window_ms / 1000
    inside = [(one["start_s"] <= middles) & (middles < one["end_s"]) for one in segments]
    return np.asarray(np.any(inside, axis=0))


def area_under_curve(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Of the receiver operating characteristic: the share of pairs in the right order."""
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    ones = int(positive.sum())
    zeros = len(scores) - ones
    return float((ranks[positive].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def test_a_file_is_printed_with_its_spans(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = "silero_vad_16k_op15.onnx"
    bundle = third_party_bundle(tmp_path / "b", file)
    [stream, *_] = json.loads((DATA / "vad_streams" / "labels.json").read_text())
    ended = run(capsys, "infer", bundle, DATA / "vad_streams" / stream["file"])
    assert ended.code == 0, ended.err
    [line] = ended.json_lines
    assert line["label"] == "speech"
    assert all(span["score"] >= 0.5 for span in line["spans"])
    parts = [(one["start_s"], one["end_s"]) for one in stream["speech_segments"]]
    covered = [
        sum(
            max(0.0, min(span["end_s"], end) - max(span["start_s"], start))
            for span in line["spans"]
        )
        for start, end in parts
    ]
    assert min(covered) > 0.1
    assert sum(covered) >= 0.85 * sum(end - start for start, end in parts)


# Numbers.


@pytest.mark.parametrize(
    ("file", "normal", "noisy"),
    [("ad01_int8.tflite", 10.27, 74.1), ("ad01_fp32.tflite", 9.71, 73.5)],
)
def test_the_autoencoders_errors_are_its_cards(
    tmp_path: Path, file: str, normal: float, noisy: float
) -> None:
    runner = loaded(tmp_path, file).numbers_runner()
    path = DATA / "machine_sound_ad01" / "normal_id_01_00000000_logmel200x128_f32le.bin"
    rows = np.fromfile(path, "<f4").reshape(200, 128)
    found = runner.numbers(rows)
    assert found.values == pytest.approx((normal,), abs=0.005)
    assert found.scores[0].label == "normal"
    # The card's noise was another draw from the same distribution.
    noise = np.random.default_rng(0).normal(0, 8, rows.shape).astype(np.float32)
    found = runner.numbers(rows + noise)
    assert found.values == pytest.approx((noisy,), abs=1.0)
    assert found.scores[0].label == "anomaly"


def test_the_autoencoders_file_is_read_and_judged_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = third_party_bundle(tmp_path / "b", "ad01_int8.tflite")
    ended = run(capsys, "infer", bundle, DATA / "machine_sound_ad01")
    assert ended.code == 0, ended.err
    [line] = ended.json_lines
    assert (line["verdict"], line["label"]) == ("pass", "normal")
    assert line["values"] == [pytest.approx(10.27, abs=0.005)]


def test_hello_world_draws_a_sine(tmp_path: Path) -> None:
    runner = loaded(tmp_path, "hello_world_int8.tflite").numbers_runner()
    x = np.linspace(0, 2 * np.pi, 100, dtype=np.float32)
    made = np.array(runner.numbers(x[:, None]).values)
    assert np.abs(made - np.sin(x)).max() < 0.12
    assert np.abs(made - np.sin(x)).mean() < 0.06


def test_streams_of_words_are_found_word_by_word_in_time(tmp_path: Path) -> None:
    """What a whole segment has one answer for: several words, each with its place."""
    runner = loaded(tmp_path, "kws_ref_model_int8.tflite").sound_runner()
    with (DATA / "speech_commands" / "labels.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if not row["label"].startswith("_")][::25]
    random.Random(7).shuffle(rows)
    found = wrong = said = 0
    for first in range(0, len(rows) - 3, 4):
        words = rows[first : first + 4]
        clips = [read_sound(DATA / "speech_commands" / row["file"])[0] for row in words]
        whole = np.concatenate([np.pad(clip, (0, 16000 - len(clip))) for clip in clips])
        spans = runner.segment(whole, 16000).spans
        for at, row in enumerate(words):
            mine = [span for span in spans if at <= (span.start_s + span.end_s) / 2 < at + 1]
            said += 1
            found += any(span.label == row["label"] for span in mine)
            wrong += any(span.label != row["label"] for span in mine)
    assert said == 120
    assert found >= 0.85 * said
    assert wrong <= 0.15 * said
