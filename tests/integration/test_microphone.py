"""A real PortAudio microphone, into which words are spoken, and which goes away and comes back."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
import soxr

from edge_runtime import codes
from edge_runtime.capture import listing
from edge_runtime.capture.microphone import Microphone, list_inputs
from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.config import Capture, Gate
from edge_runtime.errors import SourceUnavailable
from edge_runtime.gate.audio_gate import AudioGate
from edge_runtime.gate.vad import open_scorer
from edge_runtime.types import AudioBlock, Segment, SegmentEnd
from tests.support.data import PROJECT
from tests.support.pulse import Pulse, need_pulse, pulse_microphone, say

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray


RATE_HZ = 16_000
WORDS = ("stop", "left", "yes")
GAP_S = 1.2


@pytest.fixture
def pulse(tmp_path: Path) -> Iterator[Pulse]:
    need_pulse()
    with pulse_microphone(tmp_path / "pulse") as running:
        yield running


def microphone(name: str = "pulse", **capture: Any) -> Microphone:
    return Microphone(f"microphone:{name}", name, Capture(**capture), clock=SYSTEM_CLOCK)


def spoken(folder: Path) -> tuple[Path, list[NDArray[np.int16]]]:
    """A recording of the words with pauses between, and each word at 16 kHz."""
    words = []
    parts = []
    for word in WORDS:
        samples, rate_hz = say(word, folder / f"{word}.wav")
        words.append(np.asarray(soxr.resample(samples, rate_hz, RATE_HZ), np.int16))
        parts += [words[-1], np.zeros(int(GAP_S * RATE_HZ), np.int16)]
    path = folder / "said.wav"
    soundfile.write(path, np.concatenate(parts), RATE_HZ)
    return path, words


def hear(
    source: Microphone, seconds: float, *, into: list[AudioBlock] | None = None
) -> list[AudioBlock]:
    blocks = [] if into is None else into
    while sum(len(block.samples) for block in blocks) < seconds * RATE_HZ:
        blocks.append(source.read())
    return blocks


def where(word: NDArray[np.int16], sound: NDArray[np.int16]) -> tuple[int, float]:
    """Where `word` lies in `sound`, and how alike it is to what is there (1: the same)."""
    size = 1 << int(len(sound) + len(word)).bit_length()
    loud = sound.astype(np.float64)
    product = np.fft.irfft(
        np.fft.rfft(loud, size) * np.conj(np.fft.rfft(word.astype(np.float64), size)), size
    )[: len(sound) - len(word) + 1]
    at = int(np.argmax(product))
    there = loud[at : at + len(word)]
    norm = np.linalg.norm(there) * np.linalg.norm(word.astype(np.float64))
    return at, float(product[at] / norm)


def test_words_that_are_spoken_arrive_as_segments_that_cover_them(
    pulse: Pulse, tmp_path: Path
) -> None:
    recording, words = spoken(tmp_path)
    source = microphone()
    source.open()
    player = pulse.play(recording)
    try:
        blocks = hear(source, sum(map(len, words)) / RATE_HZ + len(words) * GAP_S + 2.0)
    finally:
        player.terminate()
        player.wait()
        source.close()
    settings = Gate(vad="webrtc")
    gate = AudioGate(settings, open_scorer(settings), source="microphone:pulse", live=True)
    segments: list[Segment] = [s for block in blocks for s in gate.feed(block)] + gate.flush()
    heard = np.concatenate([block.samples for block in blocks])

    assert not any(block.has_gap for block in blocks)
    assert len(segments) == len(words)
    assert {segment.end for segment in segments} == {SegmentEnd.ENDED}
    for word, segment in zip(words, segments, strict=True):
        at, alike = where(word, heard)
        assert alike > 0.95
        start = round((segment.start_s * RATE_HZ) - blocks[0].position)
        assert start <= at
        assert at + len(word) <= start + len(segment.samples)


def test_a_block_is_what_the_config_asks_for(pulse: Pulse) -> None:
    source = microphone(block_ms=50, rate_hz=48_000, channel=1)
    source.open()
    blocks = [source.read() for _ in range(8)]
    source.close()
    assert {(len(block.samples), block.rate_hz) for block in blocks} == {(2400, 48_000)}
    ends_ns = [block.captured.boottime_ns for block in blocks]
    assert ends_ns == sorted(ends_ns)


def test_a_microphone_whose_server_dies_is_seen_and_works_again_when_it_is_back(
    pulse: Pulse, tmp_path: Path
) -> None:
    source = microphone(read_timeout_s=1.0)
    source.open()
    before = [source.read() for _ in range(5)]
    pulse.kill()
    began_ns = SYSTEM_CLOCK.boottime_ns()
    with pytest.raises(SourceUnavailable, match=r"microphone:pulse: no sound within 1 s") as told:
        hear(source, 99.0, into=before)
    assert told.value.code == codes.SOURCE_AWAY
    assert (SYSTEM_CLOCK.boottime_ns() - began_ns) / 1e9 < 4.0
    source.close()
    with pytest.raises(SourceUnavailable, match="microphone:pulse"):
        source.open()
    pulse.start()
    source.open()
    after = [source.read() for _ in range(5)]
    source.close()
    assert after[0].seq == 0
    assert after[0].has_gap
    assert not any(block.has_gap for block in after[1:])
    away_s = (after[0].captured.boottime_ns - before[-1].captured.boottime_ns) / 1e9
    missing_s = (after[0].position - before[-1].position) / RATE_HZ
    assert missing_s == pytest.approx(away_s, abs=0.5)


def test_a_reader_that_is_late_gets_a_gap_and_the_time_that_is_missing(pulse: Pulse) -> None:
    source = microphone()
    source.open()
    before = [source.read() for _ in range(5)][-1]
    SYSTEM_CLOCK.wait(threading.Event(), 4.0)  # longer than the ring: PortAudio's thread goes on
    after = source.read()
    source.close()
    assert after.has_gap
    assert after.position > before.position + len(before.samples)


def test_a_microphone_is_found_by_part_of_its_name_and_never_by_a_number(pulse: Pulse) -> None:
    source = microphone("PUL")
    source.open()
    assert source.read() is not None
    source.close()
    with pytest.raises(SourceUnavailable, match=r"no microphone called '0'; found: .*'pulse'"):
        microphone("0").open()


def test_default_is_the_systems_own(pulse: Pulse) -> None:
    source = microphone("default")
    source.open()
    assert source.read() is not None
    source.close()


def test_a_channel_that_the_microphone_does_not_have_is_told(pulse: Pulse) -> None:
    with pytest.raises(SourceUnavailable, match="no channel 40: it has 32"):
        microphone(channel=40).open()


def test_digital_zero_is_a_dead_microphone_told_within_ten_seconds_of_its_own(
    tmp_path: Path,
) -> None:
    need_pulse()
    with pulse_microphone(tmp_path / "pulse", noise=False):
        dead = microphone()
        dead.open()
        began_ns = SYSTEM_CLOCK.boottime_ns()
        with pytest.raises(SourceUnavailable, match=r"muted or broken.*dead_s = 0") as told:
            hear(dead, 20.0)
        assert 7.0 < (SYSTEM_CLOCK.boottime_ns() - began_ns) / 1e9 < 10.0
        assert told.value.code == codes.SOURCE_DEAD
        dead.close()
        dead.open()
        with pytest.raises(SourceUnavailable, match="muted or broken"):
            dead.read()  # still dead: not one block passes for a microphone that works
        dead.close()


def test_a_microphone_that_is_right_to_give_zeros_is_none_when_the_config_says_so(
    tmp_path: Path,
) -> None:
    need_pulse()
    with pulse_microphone(tmp_path / "pulse", noise=False):
        quiet = microphone(dead_s=0.0)
        quiet.open()
        assert not any(block.samples.any() for block in hear(quiet, 9.0))
        assert quiet.vitals() == {"level_dbfs": -120.0}
        quiet.close()


def test_the_noise_of_a_microphone_keeps_it_alive_and_its_level_is_told(pulse: Pulse) -> None:
    source = microphone(dead_s=0.5)
    assert source.vitals() == {}
    source.open()
    hear(source, 3.0)
    assert source.vitals()["level_dbfs"] == pytest.approx(-66, abs=4)
    source.close()
    assert source.vitals() == {}


def test_the_device_that_really_answers_is_known_and_a_move_of_the_stream_is_noticed(
    pulse: Pulse,
) -> None:
    source = microphone(dead_s=0.0)
    assert source.answering() is None
    source.open()
    found = source.answering()
    assert found is not None
    assert found.device == "mic.monitor"
    assert "Monitor of" in found.told
    pulse.add_microphone("other")
    pulse.move_streams("other")
    blocks: list[AudioBlock] = []
    while (found := source.answering()) is None or found.device != "other.monitor":
        blocks.append(source.read())
        assert len(blocks) < 1_000  # 30 s of sound
    source.close()
    assert source.answering() is None


@pytest.mark.parametrize(
    ("words", "back"),
    [
        (("set-source-mute", "mic.monitor", "1"), ("set-source-mute", "mic.monitor", "0")),
        (("set-source-volume", "mic.monitor", "0"), ("set-source-volume", "mic.monitor", "100%")),
    ],
)
def test_a_microphone_that_is_muted_in_the_sound_server_is_told_with_what_ends_it(
    pulse: Pulse, words: tuple[str, ...], back: tuple[str, ...]
) -> None:
    source = microphone()
    source.open()
    hear(source, 0.5)
    pulse.control(*words)
    with pytest.raises(SourceUnavailable, match=f"sound server: pactl {back[0]} mic") as told:
        hear(source, 30.0)
    assert told.value.code == codes.SOURCE_DEAD
    source.close()
    with pytest.raises(SourceUnavailable, match="in the sound server"):
        source.open()
    pulse.control(*back)
    source.open()
    assert source.read() is not None
    source.close()


def test_the_microphone_is_listed_with_what_to_write_into_the_config(pulse: Pulse) -> None:
    source = microphone()  # PortAudio's list is that of the last opening
    source.open()
    source.close()
    assert list_inputs()
    found, reason = listing.microphones()
    assert reason == ""
    assert "microphone:pulse" in {each.source for each in found}


@pytest.mark.parametrize(
    ("module", "told"),
    [
        ("raise OSError('PortAudio library not found')", "apt install libportaudio2"),
        ("raise ImportError('no')", "sounddevice is not installed"),
    ],
)
def test_without_portaudio_the_message_says_what_to_install(
    tmp_path: Path, module: str, told: str
) -> None:
    (tmp_path / "sounddevice.py").write_text(module)
    program = (
        "from edge_runtime.capture import listing, microphone\n"
        "from edge_runtime.clock import SYSTEM_CLOCK\n"
        "from edge_runtime.config import Capture\n"
        "from edge_runtime.errors import SourceUnavailable\n"
        "print(listing.microphones())\n"
        "try:\n"
        "    microphone.Microphone('microphone:x', 'x', Capture(), clock=SYSTEM_CLOCK).open()\n"
        "except SourceUnavailable as exc:\n"
        "    print(exc)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{PROJECT}"},
        capture_output=True,
        text=True,
        check=True,
    )
    listed, raised = ran.stdout.splitlines()
    assert listed.startswith("([], ")
    assert told in listed
    assert told in raised


def test_the_tools_that_these_tests_need_are_named_when_they_are_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tests.support import pulse as support

    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert "apt install pulseaudio" in support.missing()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception):
        need_pulse()
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception):
        need_pulse()
