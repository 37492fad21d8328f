"""What the examination of speech-gate counts, and how it listens."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest

from edge_runtime.inference.audio_features import FrontEnd
from edge_runtime.manifest import AudioInput

if TYPE_CHECKING:
    from pathlib import Path

# The scripts for training are not typed.
examination: Any = importlib.import_module("tools.train.evaluate_speech_gate")
listening: Any = importlib.import_module("tools.train.speech_gate_listener")
peers: Any = importlib.import_module("tools.train.speech_gate_peers")
writing: Any = importlib.import_module("tools.train.bundle")

FRAME = 512
AUDIO = AudioInput(
    window_ms=2048,
    hop_ms=32,
    front_end="log_mel",
    frame_length=512,
    frame_step=256,
    frames=127,
    mels=32,
    low_hz=60.0,
    high_hz=7600.0,
    log_offset=3e-4,
)


class Remembers:
    """A network that keeps the window it was last asked about."""

    def __init__(self) -> None:
        self.window = np.zeros(0)

    def quantised(self, features: np.ndarray) -> np.ndarray:
        return features

    def infer(self, window: np.ndarray) -> float:
        self.window = window.copy()
        return 0.5


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Remembers:
    network = Remembers()
    monkeypatch.setattr(listening, "open_network", lambda _: network)
    return network


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    writing.write(tmp_path, {"audio": msgspec.to_builtins(AUDIO)})
    return tmp_path


def test_a_window_put_together_hop_by_hop_is_that_of_the_whole_sound(
    network: Remembers, bundle: Path
) -> None:
    sound = np.random.default_rng(1).integers(-9000, 9000, 80 * FRAME).astype(np.int16)
    listener = listening.Listener(bundle, bundle / "model.tflite")
    for hop in sound.reshape(-1, FRAME):
        listener.score(hop)
    whole = FrontEnd(AUDIO).features(sound[-(126 * 256 + 512) :])
    np.testing.assert_allclose(network.window[0, :, :, 0], whole, rtol=1e-5, atol=1e-5)


def test_before_the_first_sample_there_was_digital_silence(
    network: Remembers, bundle: Path
) -> None:
    listener = listening.Listener(bundle, bundle / "model.tflite")
    listener.score(np.full(FRAME, 5000, np.int16))
    silence = FrontEnd(AUDIO).features(np.zeros(0, np.int16))[0]
    np.testing.assert_array_equal(network.window[0, :-2, :, 0], np.tile(silence, (125, 1)))
    assert (network.window[0, -1] > network.window[0, 0]).any()


def test_an_answer_belongs_to_the_frame_96_ms_before(network: Remembers, bundle: Path) -> None:
    listener = listening.Listener(bundle, bundle / "model.tflite")
    answers = iter(range(100))
    network.infer = lambda _: float(next(answers))  # type: ignore[method-assign]
    told = listener.scores(np.zeros(10 * FRAME + 7, np.int16))
    assert told.tolist() == [3, 4, 5, 6, 7, 8, 9, 10, 11, 12]


def test_a_frame_is_speech_from_half_of_it_on() -> None:
    half = 20 * FRAME + FRAME // 2
    stream = examination.Stream(
        "s", np.zeros(40 * FRAME, np.int16), [(half / 16000, 22.25 * 0.032)]
    )
    assert np.flatnonzero(stream.is_speech).tolist() == [20, 21]


def test_noise_only_frames_keep_away_from_every_span() -> None:
    stream = examination.Stream("s", np.zeros(40 * FRAME, np.int16), [(20 * 0.032, 21 * 0.032)])
    # 0.3 s are 9.4 frames: of 10.6 to 30.4 none may be counted.
    assert np.flatnonzero(~stream.is_far).tolist() == list(range(10, 31))


def test_answers_about_other_windows_are_averaged_over_a_frame() -> None:
    # 20 ms windows: frame 0 is window 0 and 12 ms of window 1, frame 1 ends 4 ms into window 3.
    told = peers.over_frames(np.array([1.0, 0.0, 0.0, 1.0]), 320, 4 * 320)
    np.testing.assert_allclose(told, [320 / 512, 64 / 512])


def test_a_bundle_of_identical_answers_has_an_area_of_one_half() -> None:
    stream = examination.Stream("s", np.zeros(40 * FRAME, np.int16), [(0.32, 0.64)])
    assert examination.auc_of(stream, np.ones(40), np.arange(40)) == 0.5
