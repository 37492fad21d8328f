"""The shipped bundles are whole, and judge the demo's media as they were made."""

from __future__ import annotations

import itertools
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_runtime.config import Gate
from edge_runtime.demo import teaching
from edge_runtime.files.sound import read_sound
from edge_runtime.gate.audio_gate import AudioGate
from edge_runtime.gate.vad import open_scorer
from edge_runtime.inference import load_model
from edge_runtime.inference.engines.opening import open_engine
from edge_runtime.inference.engines.tensors import to_dtype, to_real
from edge_runtime.inference.sounds.audio_features import FrontEnd
from edge_runtime.inference.sounds.words import words
from edge_runtime.manifest import find_bundle, load_manifest
from edge_runtime.sample_station import media
from edge_runtime.sample_station.belt import draw_part
from edge_runtime.types import AudioBlock, Stamp

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from edge_runtime.inference.runner import LoadedModel
    from edge_runtime.protocols import SpeechScorer
    from edge_runtime.types import Segment

MODELS = ("surface-defect", "keywords", "speech-gate")
PARTS = 24
OTHER_SEED = 4711
RATE_HZ = 16_000
WEBRTC = Gate(vad="webrtc")
_WORDS = media.voice_words()


@pytest.fixture(scope="module")
def surface() -> LoadedModel:
    return load_model(find_bundle("surface-defect", None))


@pytest.fixture(scope="module")
def keywords() -> LoadedModel:
    return load_model(find_bundle("keywords", None))


@pytest.mark.parametrize("name", MODELS)
def test_a_bundle_has_its_card_and_licence_and_the_labels_of_its_manifest(name: str) -> None:
    folder = find_bundle(name, None)
    manifest = load_manifest(folder)
    assert (folder / "labels.txt").read_text("utf-8").split() == manifest.labels
    assert manifest.id in (folder / "MODEL_CARD.md").read_text("utf-8").replace(" ", "/", 2)
    assert "Apache License" in (folder / "LICENSE").read_text("utf-8")


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """surface-defect, taught with the pictures that the demo teaches it with."""
    folder = tmp_path_factory.mktemp("taught")
    teaching.teach(folder)
    return load_model(find_bundle(teaching.NAME, folder / "models"))


@pytest.mark.parametrize("seed", [7, OTHER_SEED])
def test_once_it_was_taught_every_part_of_the_demos_belt_is_judged_as_it_was_made(
    taught: LoadedModel, seed: int
) -> None:
    runner, rng = taught.picture_runner(), np.random.default_rng(seed)
    for part in range(PARTS):
        drawn = draw_part(rng, part, scratched=part % 3 == 1)
        score = {s.label: s.score for s in runner.frame(drawn.pixels).scores}["defect"]
        if drawn.scratches:
            assert score >= taught.manifest.reject["defect"], f"part {part}"
        else:
            assert score < taught.manifest.review["defect"], f"part {part}"


@pytest.mark.parametrize("seed", [7, OTHER_SEED])
def test_every_part_of_the_demos_belt_is_judged_as_it_was_made(
    surface: LoadedModel, seed: int
) -> None:
    runner, rng = surface.picture_runner(), np.random.default_rng(seed)
    for part in range(PARTS):
        drawn = draw_part(rng, part, scratched=part % 3 == 1)
        score = {s.label: s.score for s in runner.frame(drawn.pixels).scores}["defect"]
        if drawn.scratches:
            assert score >= surface.manifest.reject["defect"], f"part {part}"
        else:
            assert score < surface.manifest.review["defect"], f"part {part}"


def test_the_box_that_is_shown_lies_on_a_scratch(surface: LoadedModel) -> None:
    runner, rng = surface.picture_runner(), np.random.default_rng(OTHER_SEED)
    for part in range(PARTS // 2):
        drawn = draw_part(rng, part, scratched=True)
        worst = runner.frame(drawn.pixels).regions[0]
        assert any(
            worst.x0 < x1 and x0 < worst.x1 and worst.y0 < y1 and y0 < worst.y1
            for x0, y0, x1, y1 in drawn.scratches
        ), f"part {part}"


def test_the_demos_words_are_heard_in_their_segments(keywords: LoadedModel, tmp_path: Path) -> None:
    said = media.make_voice(tmp_path / "voice.wav")
    samples, _ = read_sound(tmp_path / "voice.wav")
    segments = _segments(samples)
    assert len(segments) == len(said)
    runner, hear = keywords.sound_runner(), keywords.manifest.hear
    heard = []
    for segment in segments:
        scores = {s.label: s.score for s in runner.segment(segment.samples, RATE_HZ).scores}
        word = max(hear, key=lambda label: scores[label] - hear[label])
        heard.append(word if scores[word] >= hear[word] else "_unknown_")
    right = sum(a == b for a, b in zip(heard, said, strict=True))
    assert right >= len(said) - 1, heard
    assert all(a in (b, "_unknown_") for a, b in zip(heard, said, strict=True)), heard


def _spoken(labels: list[str], gap_s: float, path: Path) -> NDArray[np.int16]:
    """The demo's voice says words so far apart, in the hall's noise, as a gate cuts a segment."""
    media.make_voice(path)
    samples, _ = read_sound(path)
    voice = {w.word: samples[int(w.start_s * RATE_HZ) : int(w.end_s * RATE_HZ)] for w in _WORDS}
    room = samples[: int(min(w.start_s for w in _WORDS) * RATE_HZ)]
    pieces = [np.resize(room, int(0.3 * RATE_HZ))]
    for label in labels:
        pieces += [_trimmed(voice[label]), np.resize(room, int(gap_s * RATE_HZ))]
    return np.concatenate([*pieces, np.resize(room, int(0.2 * RATE_HZ))])


def _trimmed(word: NDArray[np.int16]) -> NDArray[np.int16]:
    first, *_, last = np.flatnonzero(np.abs(word) > 0.1 * np.abs(word).max())
    return word[first : last + 1]


@pytest.mark.parametrize(
    ("said", "gap_s"),
    [
        (["yes", "no"], 0.3),
        (["left", "right"], 0.3),
        (["stop", "stop"], 0.3),
        (["stop", "stop", "stop"], 0.4),
        (["up", "stop", "down"], 0.4),
    ],
)
def test_words_close_together_are_each_a_word_with_its_own_time(
    keywords: LoadedModel, tmp_path: Path, said: list[str], gap_s: float
) -> None:
    samples = _spoken(said, gap_s, tmp_path / "voice.wav")
    found = words(keywords.sound_runner().segment(samples, RATE_HZ), keywords.manifest.hear)
    assert [span.label for span in found] == said
    for earlier, later in itertools.pairwise(found):
        assert gap_s - 0.1 < later.start_s - earlier.end_s < gap_s + 0.2  # words end softly


def test_a_word_alone_is_what_its_segment_is_as_a_whole(
    keywords: LoadedModel, tmp_path: Path
) -> None:
    answer = keywords.sound_runner().segment(_spoken(["stop"], 0.3, tmp_path / "v.wav"), RATE_HZ)
    [word] = words(answer, keywords.manifest.hear)
    assert (word.label, word.score) == (answer.scores[0].label, answer.scores[0].score)
    assert 0.2 < word.start_s < word.end_s


def test_the_keywords_as_onnx_answer_as_the_tflite_file_does_within_one_step(
    keywords: LoadedModel, tmp_path: Path
) -> None:
    folder = find_bundle("keywords", None)
    names = (keywords.manifest.file, "model.onnx")
    tflite, onnx = (open_engine((folder / name).read_bytes(), name) for name in names)
    assert keywords.manifest.audio is not None
    front_end = FrontEnd(keywords.manifest.audio)
    output = tflite.outputs[0]
    assert output.quantisation is not None
    step, _ = output.quantisation
    media.make_voice(tmp_path / "voice.wav")
    samples, _ = read_sound(tmp_path / "voice.wav")
    answers = []
    for at in range(0, len(samples) - RATE_HZ, RATE_HZ // 5):
        features = front_end.features(samples[at : at + RATE_HZ])
        scores = []
        for engine in (tflite, onnx):
            given = engine.inputs[0]
            tensor = to_dtype(features, given).reshape([size or 1 for size in given.shape])
            scores.append(to_real(engine.infer([tensor])[0], engine.outputs[0]).ravel())
        assert np.abs(scores[0] - scores[1]).max() <= step * 1.001, f"at sample {at}"
        answers.append(int(scores[0].argmax()))
    assert len(set(answers)) > 5  # a network that always answers alike would agree with itself


def test_the_speech_gate_cuts_the_demos_words_out_one_by_one(tmp_path: Path) -> None:
    media.make_voice(tmp_path / "voice.wav")
    samples, _ = read_sound(tmp_path / "voice.wav")
    model = load_model(find_bundle("speech-gate", None))
    segments = _segments(samples, model.speech_scorer())
    words = media.voice_words()
    assert len(segments) == len(words)
    for segment, word in zip(segments, words, strict=True):
        end_s = segment.start_s + len(segment.samples) / RATE_HZ
        assert segment.start_s < word.start_s < word.end_s < end_s, word


def test_both_files_of_the_speech_gate_say_the_same(tmp_path: Path) -> None:
    folder = find_bundle("speech-gate", None)
    other = tmp_path / "onnx"
    shutil.copytree(folder, other)
    text = (folder / "model.toml").read_text("utf-8")
    (other / "model.toml").write_text(text.replace('file = "model.tflite"', 'file = "model.onnx"'))
    media.make_voice(tmp_path / "voice.wav")
    samples, _ = read_sound(tmp_path / "voice.wav")
    told = [_scores(load_model(each).speech_scorer(), samples) for each in (folder, other)]
    step = 1 / 256
    assert np.abs(told[0] - told[1]).max() <= step * 1.001
    assert told[0].max() > 0.9
    assert told[0].min() < 0.1


def _scores(scorer: SpeechScorer, samples: np.ndarray) -> np.ndarray:
    window = scorer.window_ms * scorer.rate_hz // 1000
    whole = len(samples) // window * window
    return np.array([scorer.score(each) for each in samples[:whole].reshape(-1, window)])


def _segments(samples: np.ndarray, scorer: SpeechScorer | None = None) -> list[Segment]:
    """As a lane cuts them, with WebRTC's detector if no other is given."""
    gate = AudioGate(Gate(), scorer or open_scorer(WEBRTC), source="voice", live=False)
    block = AudioBlock("voice", 0, Stamp(0, 0, ""), samples, RATE_HZ, 0)
    return [*gate.feed(block), *gate.flush()]
