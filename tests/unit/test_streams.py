"""Scores of a stream depend on its samples alone: not on blocks, not on what was before a reset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.errors import ModelError
from edge_runtime.inference.engines.tensors import Tensor
from edge_runtime.inference.network import Network
from edge_runtime.inference.sounds.audio_features import FrontEnd
from edge_runtime.inference.sounds.feature_stream import open_feature_stream
from edge_runtime.inference.sounds.streams import SpeechModel, StreamScorer
from edge_runtime.manifest import AudioInput, Manifest, Stream
from edge_runtime.toml.table import convert

if TYPE_CHECKING:
    from numpy.typing import NDArray

F32 = np.dtype(np.float32)
LOG_MEL: dict[str, Any] = {
    "front_end": "log_mel",
    "power": "power",
    "frame_length": 480,
    "frame_step": 160,
    "frames": 8,
    "mels": 12,
}
WAVE: dict[str, Any] = {"front_end": "waveform"}
MICRO: dict[str, Any] = {**LOG_MEL, "front_end": "micro", "low_hz": 125.0, "high_hz": 7500.0}


class MeanEngine:
    """Answers with the mean of what it is given, which it also adds up, and the number of runs."""

    def __init__(self, shape: tuple[int | None, ...], outputs: int) -> None:
        self.inputs = [Tensor("x", shape, F32)]
        self.outputs = [Tensor("y", (1, outputs), F32)]
        self.runs = 0

    def infer(self, tensors: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        self.runs += 1
        mean = float(tensors[0].mean())
        made = [mean, float(self.runs), 0.0][: self.outputs[0].shape[1]]
        return [np.array([made], np.float32)]

    def for_thread(self) -> MeanEngine:
        return self

    def reset(self) -> None:
        self.runs = 0

    def close(self) -> None:
        pass


def manifest(audio: dict[str, Any], **changes: Any) -> Manifest:
    table: dict[str, Any] = {
        "format": 1,
        "name": "m",
        "version": "1",
        "task": "speech-detection",
        "file": "m.onnx",
        "sha256": {"m.onnx": "0" * 64},
        "labels": ["noise", "speech"],
        "audio": audio,
    }
    return convert({**table, **changes}, Manifest, "model.toml")


def scorer(audio: dict[str, Any], *, outputs: int = 2, **changes: Any) -> StreamScorer:
    made = manifest(audio, **changes)
    if audio["front_end"] == "waveform":
        shape: tuple[int | None, ...] = (None, None)
    else:
        shape = (1, audio["frames"], audio["mels"], 1)
    return StreamScorer(made, Network(made, MeanEngine(shape, outputs)))


STREAMS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "frames": (LOG_MEL, {"stream": {"step": 1}}),
    "three frames a step, averaged": (LOG_MEL, {"stream": {"step": 3, "smooth": 4}}),
    "pre-emphasis": ({**LOG_MEL, "pre_emphasis": 0.97, "hop_ms": 20}, {}),
    "samples": (WAVE, {"stream": {"step": 512, "context": 64}}),
    "samples by hop_ms": ({**WAVE, "hop_ms": 32, "window_ms": 100}, {}),
    "micro": (MICRO, {"stream": {"step": 2}}),
    "frames with holes between": ({**LOG_MEL, "frame_step": 512, "hop_ms": 64}, {}),
}


def noise(count: int, seed: int = 0) -> NDArray[np.int16]:
    return np.random.default_rng(seed).normal(0, 3000, count).astype(np.int16)


@pytest.mark.parametrize("name", STREAMS)
@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 6000), max_size=12))
def test_scores_are_the_same_to_the_bit_however_the_sound_is_cut(
    name: str, cuts: list[int]
) -> None:
    audio, changes = STREAMS[name]
    samples = noise(6000)
    whole = scorer(audio, **changes)
    expected = np.concatenate([whole.feed(samples), whole.flush()])
    pieces = scorer(audio, **changes)
    found = [pieces.feed(block) for block in np.split(samples, sorted(cuts))]
    assert np.array_equal(np.concatenate([*found, pieces.flush()]), expected)


@pytest.mark.parametrize("name", STREAMS)
def test_after_a_reset_nothing_of_the_past_is_left(name: str) -> None:
    audio, changes = STREAMS[name]
    used, new = scorer(audio, **changes), scorer(audio, **changes)
    used.feed(noise(5000, seed=7))
    used.reset()
    assert np.array_equal(used.feed(noise(6000)), new.feed(noise(6000)))


@pytest.mark.parametrize("pre_emphasis", [0.0, 0.97])
def test_the_last_frames_of_a_stream_are_those_of_the_window_that_ends_here(
    pre_emphasis: float,
) -> None:
    spec = AudioInput(**{**LOG_MEL, "pre_emphasis": pre_emphasis}, window_ms=100)
    stream = open_feature_stream(spec, Stream(step=1))
    samples = noise(160 * 40)
    for at in range(40):
        heard = stream.push(samples[at * 160 : (at + 1) * 160])
        end = (at + 1) * 160
        if end < 7 * 160 + 480 + 160:
            continue
        window = samples[end - 7 * 160 - 480 : end]
        assert heard[1:] == pytest.approx(FrontEnd(spec).features(window)[1:], abs=1e-4)


def test_before_a_stream_there_was_digital_silence() -> None:
    spec = AudioInput(**LOG_MEL, window_ms=100)
    stream = open_feature_stream(spec, Stream(step=1))
    silent = FrontEnd(spec).features(np.zeros(1600, np.int16))
    heard = stream.push(noise(160))
    assert np.array_equal(heard[:-1], silent[:-1])
    assert not np.array_equal(heard[-1], silent[-1])


def test_a_waveform_step_hears_its_samples_behind_the_last_ones_once_more() -> None:
    spec = AudioInput(front_end="waveform", normalise="none")
    stream = open_feature_stream(spec, Stream(step=4, context=2))
    assert stream.step_samples == 4
    first = stream.push(np.array([1, 2, 3, 4], np.int16)).tolist()
    second = stream.push(np.array([5, 6, 7, 8], np.int16)).tolist()
    assert first == [0, 0, 1, 2, 3, 4]
    assert second == [3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize(
    ("audio", "step", "context"),
    [
        ({**LOG_MEL, "frame_step": 256, "hop_ms": 32}, 2, 0),
        ({**WAVE, "hop_ms": 32, "window_ms": 36}, 512, 64),
    ],
)
def test_without_a_stream_table_there_is_a_step_every_hop(
    audio: dict[str, Any], step: int, context: int
) -> None:
    steps = manifest(audio).steps
    assert (steps.step, steps.context) == (step, context)


def test_a_single_output_is_the_second_labels_and_the_first_has_the_rest() -> None:
    one = scorer(WAVE, outputs=1, stream={"step": 100}, output={"activation": "sigmoid"})
    loud = np.full(100, 16384, np.int16)
    expected = 1 / (1 + np.exp(-0.5))
    assert one.feed(loud)[0].tolist() == pytest.approx([1 - expected, expected])


def test_smoothed_scores_are_means_and_the_time_before_the_stream_counts_as_nothing() -> None:
    smooth = scorer(WAVE, stream={"step": 10, "smooth": 4})
    runs = smooth.feed(np.zeros(60, np.int16))[:, 1]
    assert runs.tolist() == [0.25, 0.75, 1.5, 2.5, 3.5, 4.5]


def test_a_speech_model_is_a_gates_scorer_by_the_bundles_label_and_threshold() -> None:
    made = manifest(WAVE, stream={"step": 512, "context": 64}, hear={"speech": 0.35})
    model = SpeechModel(made, Network(made, MeanEngine((None, None), 1)))
    assert (model.window_ms, model.rate_hz, model.threshold) == (32, 16000, 0.35)
    assert model.score(np.full(512, 16384, np.int16)) == pytest.approx(512 / 576 * 0.5)
    model.reset()
    assert model.score(np.zeros(512, np.int16)) == 0.0


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"task": "wake-word"}, "is of task wake-word; a gate needs speech-detection"),
        ({"stream": {"step": 500}}, "500 samples at 16000 Hz is no whole number of milliseconds"),
    ],
)
def test_a_model_that_cannot_be_a_gates_scorer_is_refused(
    changes: dict[str, Any], told: str
) -> None:
    made = manifest(WAVE, **{"stream": {"step": 512}, **changes})
    with pytest.raises(ModelError, match=told):
        SpeechModel(made, Network(made, MeanEngine((None, None), 1)))


@pytest.mark.parametrize(
    ("labels", "ignore", "speech"),
    [
        (["speech"], [], "speech"),
        (["speech", "noise"], [], "speech"),
        (["voice", "noise"], ["noise"], "voice"),
        (["0", "1"], [], "1"),
    ],
)
def test_the_label_of_speech_is_its_name_or_the_last_that_is_not_ignored(
    labels: list[str], ignore: list[str], speech: str
) -> None:
    assert manifest(WAVE, labels=labels, ignore=ignore).speech_label == speech
