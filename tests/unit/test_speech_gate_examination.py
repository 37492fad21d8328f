"""What the examination of speech-gate counts, and how it listens."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

# The scripts for training are not typed.
examination: Any = importlib.import_module("tools.train.evaluate_speech_gate")
listening: Any = importlib.import_module("tools.train.speech_gate_listener")
peers: Any = importlib.import_module("tools.train.speech_gate_peers")

FRAME = 512


class Counts:
    """A detector that says how many windows it has heard since it was reset."""

    window_ms, rate_hz = 32, 16_000

    def __init__(self) -> None:
        self.heard = 0

    def score(self, window: np.ndarray) -> float:
        assert len(window) == FRAME
        self.heard += 1
        return float(self.heard)

    def reset(self) -> None:
        self.heard = 0


def test_an_answer_belongs_to_the_frame_96_ms_before() -> None:
    scores = listening.ahead(Counts())
    for _ in range(2):  # each recording is a stream of its own
        assert scores(np.zeros(5 * FRAME + 7, np.int16)).tolist() == [4, 5, 6, 7, 8]


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
