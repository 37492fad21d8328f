"""What ``infer`` and ``config check`` say of sounds that are odd, damaged, silent or not read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.support import lying_sounds
from tests.support.command_line import run
from tests.support.data import CASES, needs_cases

if TYPE_CHECKING:
    from pathlib import Path


@needs_cases
@pytest.mark.parametrize(
    ("name", "label", "verdict", "warning"),
    [
        ("flac_length_unknown.flac", "stop", "heard", "does not tell its length"),
        ("wav_data_size_zero.wav", "stop", "heard", "48000 samples are there"),
        ("word_dc_minus_0.3.wav", "stop", "heard", ""),
        ("digital_silence.wav", None, "no_speech", "digital silence"),
    ],
)
def test_the_inputs_that_lied_are_heard_as_they_are(
    name: str,
    label: str | None,
    verdict: str,
    warning: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ended = run(capsys, "infer", "keywords", CASES / "sounds" / name)
    (line,) = ended.json_lines
    assert ended.code == 0
    assert (line["label"], line["verdict"]) == (label, verdict)
    assert warning in line.get("warning", "")


@pytest.mark.parametrize(
    "name", ["digital silence", "an offset without a sound", "stereo whose chosen channel is dead"]
)
def test_a_channel_that_says_nothing_is_no_speech(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = lying_sounds.SOUNDS[name](tmp_path)
    (line,) = run(capsys, "infer", "keywords", path).json_lines
    assert (line["label"], line["score"], line["verdict"]) == (None, None, "no_speech")
    assert "digital silence" in line["warning"]


def test_a_damaged_recording_is_an_error_and_the_next_one_is_heard(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = lying_sounds.SOUNDS["FLAC with a flipped bit"](tmp_path)
    cut = lying_sounds.SOUNDS["WAV cut in half"](tmp_path)
    ended = run(capsys, "infer", "keywords", damaged, cut)
    first, second = ended.json_lines
    assert ended.code == 66
    assert "damaged: " in first["error"]
    assert second["warning"].startswith("cut short: its header tells of 24000 samples")
    assert "error" not in second


def test_sounds_that_are_not_read_are_named_in_a_folder_with_what_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lying_sounds.SOUNDS["MP3"](tmp_path)
    (tmp_path / "source.wav").rename(tmp_path / "b.wave")
    ended = run(capsys, "infer", "keywords", tmp_path)
    mp3, wave = ended.json_lines
    assert "WAV and FLAC are read" in mp3["error"]
    assert "ffmpeg -i a.mp3 a.flac" in mp3["error"]
    assert wave["verdict"]
    empty = tmp_path / "empty"
    empty.mkdir()
    (line,) = run(capsys, "infer", "keywords", empty).json_lines
    assert "WAV and FLAC are read" in line["error"]


@pytest.mark.parametrize("name", ["voice.wave", "VOICE.WAV", "voice.aiff", "voice.flac", "v.oga"])
def test_a_sounds_name_makes_a_lane_that_hears(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = run(capsys, "config", "check", config_of(tmp_path, f"file:{name}"))
    assert ended.code == 0, ended.err


@pytest.mark.parametrize("name", ["voice.mp3", "voice.m4a", "voice.OPUS", "voice.aac"])
def test_a_sound_that_is_not_read_is_refused_by_config_check_with_what_is(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = run(capsys, "config", "check", config_of(tmp_path, f"file:{name}"))
    assert ended.code == 78
    assert "lanes.ear.source" in ended.err
    assert "WAV and FLAC are read" in ended.err
    assert "ffmpeg -i" in ended.err
    assert "threshold" not in ended.err


@pytest.mark.parametrize("name", ["default", "pulse", "pipewire"])
def test_a_microphone_that_the_system_chooses_is_warned_of(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = config_of(tmp_path, f"microphone:{name}")
    ended = run(capsys, "config", "check", path)
    assert ended.code == 0
    assert "whichever microphone the system chooses" in ended.out + ended.err
    named = config_of(tmp_path, "microphone:USB Mic: Audio [Device]")
    ended = run(capsys, "config", "check", named)
    assert "whichever" not in ended.out + ended.err


def config_of(folder: Path, source: str) -> Path:
    path = folder / "config.toml"
    path.write_text(
        f'[device]\nid = "here"\ndata_dir = "{folder / "data"}"\n'
        f'[lanes.ear]\nsource = "{source}"\nmodel = "keywords"\n'
    )
    return path


def test_a_header_that_is_only_half_right_never_makes_a_sound_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(3)
    whole = lying_sounds.wav_bytes(lying_sounds.sound())
    for _ in range(40):
        (tmp_path / "a.wav").write_bytes(whole[: int(rng.integers(0, 60))])
        (line,) = run(capsys, "infer", "keywords", tmp_path / "a.wav").json_lines
        assert "error" in line or "cut short" in line["warning"] or line["label"] is None
