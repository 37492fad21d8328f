"""An offset makes no station deaf: gates cut the same segments, and models hear the same words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from edge_runtime.config import Gate
from edge_runtime.files.offset import without_offset
from edge_runtime.gate.audio_gate import AudioGate
from edge_runtime.gate.vad import open_scorer
from edge_runtime.inference import load_model
from edge_runtime.manifest import find_bundle
from edge_runtime.types import AudioBlock, Stamp
from tests.support.data import CASES, DATA, needs_cases, needs_data

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from edge_runtime.types import Segment

RATE_HZ = 16_000
STREAM = DATA / "vad_streams" / "stream_1_snr25.wav"
SEGMENTS = 15

OFFSETS: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "none": lambda t: 0.0 * t,
    "-5 %": lambda t: -0.05 + 0.0 * t,
    "-10 %": lambda t: -0.1 + 0.0 * t,
    "30 %": lambda t: 0.3 + 0.0 * t,
    "a drift over half the scale": lambda t: 0.02 * t - 0.4,
    "a slow swing": lambda t: 0.05 * np.sin(2 * np.pi * t / 40),
    "jumps each 7 s": lambda t: np.where(t // 7 % 2, 0.05, -0.05),
    "clipping at it": lambda t: -0.99 + 0.0 * t,
}


def read(path: Path) -> NDArray[np.int16]:
    samples, rate_hz = soundfile.read(path, dtype="int16")
    assert rate_hz == RATE_HZ
    return np.asarray(samples, np.int16)


def on_an_offset(name: str) -> NDArray[np.int16]:
    quiet = read(STREAM) / 5.0
    t = np.arange(len(quiet)) / RATE_HZ
    moved = quiet + OFFSETS[name](t) * 32768
    return np.clip(np.rint(moved), -32768, 32767).astype(np.int16)


def cut(samples: NDArray[np.int16], vad: str) -> list[Segment]:
    settings = Gate(vad=vad)
    scorer = open_scorer(settings)
    if vad == "speech-gate":
        scorer = load_model(find_bundle(vad, None)).speech_scorer()
    gate = AudioGate(settings, scorer, source="file:a.wav", live=False)
    found: list[Segment] = []
    for number, at in enumerate(range(0, len(samples), 480)):
        block = samples[at : at + 480]
        found += gate.feed(AudioBlock("file:a.wav", number, Stamp(0, 0, ""), block, RATE_HZ, at))
    return found + gate.flush()


@needs_data
@pytest.mark.parametrize("vad", ["webrtc", "energy"])
@pytest.mark.parametrize("name", OFFSETS)
def test_a_gate_cuts_as_many_segments_on_an_offset_as_without(name: str, vad: str) -> None:
    found = cut(on_an_offset(name), vad)
    assert len(found) == SEGMENTS
    for segment in found:
        assert abs(float(np.median(segment.samples))) < 700, "a segment carries its offset"


@needs_data
@pytest.mark.parametrize("name", ["none", "-5 %", "30 %", "jumps each 7 s"])
def test_the_shipped_speech_gate_does_so_too(name: str) -> None:
    assert len(cut(on_an_offset(name), "speech-gate")) == SEGMENTS


@needs_cases
@pytest.mark.parametrize("vad", ["webrtc", "energy", "speech-gate"])
def test_the_stream_that_was_cut_into_no_segment_is_cut_into_15(vad: str) -> None:
    assert len(cut(read(CASES / "sounds" / "stream_dc_minus_0.05.flac"), vad)) == SEGMENTS


@needs_data
def test_keywords_hears_on_an_offset_what_it_hears_without_and_clean_clips_to_the_bit() -> None:
    hear = load_model(find_bundle("keywords", None)).sound_runner()
    clips = sorted((DATA / "speech_commands").glob("[a-z]*/*.flac"))[::97]
    alike = same_bits = 0
    for path in clips:
        said = read(path)
        bare = hear.segment(said, RATE_HZ).scores[0].label
        same_bits += without_offset(said, RATE_HZ) is said
        alike += all(
            hear.segment(without_offset(moved, RATE_HZ), RATE_HZ).scores[0].label == bare
            for moved in (
                np.clip(said.astype(np.int32) + offset, -32768, 32767).astype(np.int16)
                for offset in (-9_830, -3_277, -1_638)
            )
        )
    assert len(clips) > 25
    assert alike >= len(clips) - 1
    assert same_bits > 0.75 * len(clips)
