"""A network that nobody here trained, on real pictures, from a manifest alone.

Its card says: a person in a real video 0.98, an empty room 0.03.  That video is not among the real
media here; these are: a table with bottles that two hands come and take, and a belt without people.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from edge_runtime.files.video import read_video
from edge_runtime.inference import load_model
from tests.support.data import DATA, MODELS, needs_data
from tests.support.models import third_party_bundle

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from edge_runtime.protocols import PictureRunner

pytestmark = needs_data
FILE = "vww_96_int8.tflite"
TWO_HANDS, ONLY_A_BOTTLE = 516, 612
"""Frames of the video of bottles."""


@pytest.fixture
def runner(tmp_path: Path) -> PictureRunner:
    return load_model(third_party_bundle(tmp_path / "vww", FILE)).picture_runner()


@pytest.fixture(scope="module")
def bottles() -> dict[int, NDArray[np.uint8]]:
    frames = enumerate(read_video(DATA / "video" / "bottle-detection.mp4"))
    return {at: pixels for at, pixels in frames if at in (TWO_HANDS, ONLY_A_BOTTLE)}


def person(runner: PictureRunner, pixels: NDArray[np.uint8]) -> float:
    return {s.label: s.score for s in runner.frame(pixels).scores}["person"]


def test_somebody_who_takes_a_bottle_is_a_person_and_a_bottle_is_none(
    runner: PictureRunner, bottles: dict[int, NDArray[np.uint8]]
) -> None:
    assert person(runner, bottles[TWO_HANDS]) == pytest.approx(0.97, abs=0.02)
    assert person(runner, bottles[ONLY_A_BOTTLE]) == pytest.approx(0.08, abs=0.03)


def test_an_empty_belt_has_nobody(runner: PictureRunner) -> None:
    frames = list(read_video(DATA / "video" / "bolt-multi-size-conveyor.gif"))
    scores = [person(runner, pixels) for pixels in frames]
    assert min(scores) == pytest.approx(0.03, abs=0.02)
    assert max(scores) < 0.15


def test_the_answer_is_that_of_the_bare_interpreter(
    runner: PictureRunner, bottles: dict[int, NDArray[np.uint8]]
) -> None:
    from ai_edge_litert.interpreter import Interpreter

    bare = Interpreter(str(MODELS / FILE), num_threads=1)
    bare.allocate_tensors()
    given, made = bare.get_input_details()[0], bare.get_output_details()[0]
    for pixels in bottles.values():
        small = cv2.cvtColor(cv2.resize(pixels, (96, 96)), cv2.COLOR_BGR2RGB)
        # scale 1/255 and zero point -128: a quantised pixel is the pixel minus 128.
        bare.set_tensor(given["index"], (small.astype(np.int16) - 128).astype(np.int8)[None])
        bare.invoke()
        scale, zero = made["quantization"]
        raw = bare.get_tensor(made["index"])[0].astype(np.float32)
        assert person(runner, pixels) == pytest.approx(float((raw[1] - zero) * scale), abs=1e-6)
