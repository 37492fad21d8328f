"""Sound files: one channel, 16 bit, their own rate; broken ones are one clear line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.errors import ItemError, NoInput
from edge_runtime.files.sound import SoundFile, read_sound, read_whole
from tests.support import lying_sounds
from tests.support.data import DATA, needs_data

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def samples(count: int, channels: int = 1) -> NDArray[np.int16]:
    rng = np.random.default_rng(0)
    return rng.integers(-32768, 32768, (count, channels)).astype(np.int16)


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_a_file_comes_back_as_it_was_written(tmp_path: Path, suffix: str) -> None:
    said = samples(20000)
    soundfile.write(tmp_path / f"a.{suffix}", said, 22050)
    found, rate_hz = read_sound(tmp_path / f"a.{suffix}")
    assert rate_hz == 22050
    assert found.dtype == np.int16
    assert np.array_equal(found, said[:, 0])


@pytest.mark.parametrize("channel", [0, 3, 7])
def test_one_channel_of_many_is_chosen(tmp_path: Path, channel: int) -> None:
    said = samples(5000, 8)
    soundfile.write(tmp_path / "a.wav", said, 16000)
    found, _ = read_sound(tmp_path / "a.wav", channel=channel)
    assert np.array_equal(found, said[:, channel])


@pytest.mark.parametrize("channel", [-1, 2])
def test_a_channel_that_is_not_there_is_told_with_how_many_there_are(
    tmp_path: Path, channel: int
) -> None:
    soundfile.write(tmp_path / "a.wav", samples(100, 2), 16000)
    with pytest.raises(ItemError, match=f"no channel {channel}: it has 2 channels, counted from 0"):
        read_sound(tmp_path / "a.wav", channel=channel)


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE", "PCM_24", "PCM_32", "PCM_U8"])
def test_other_sample_formats_become_16_bit_of_the_same_loudness(
    tmp_path: Path, subtype: str
) -> None:
    said = np.sin(np.arange(4000) / 20).astype(np.float64) * 0.5
    soundfile.write(tmp_path / "a.wav", said, 16000, subtype=subtype)
    found, _ = read_sound(tmp_path / "a.wav")
    assert np.abs(found / 32768 - said).max() < (0.01 if subtype == "PCM_U8" else 0.0001)


def test_floats_beyond_full_scale_are_clipped_and_no_numbers_are_silence(tmp_path: Path) -> None:
    said = np.array([2.0, -2.0, np.nan, np.inf, -np.inf, 3e38, 0.25], np.float32)
    soundfile.write(tmp_path / "a.wav", said, 16000, subtype="FLOAT")
    found, _ = read_sound(tmp_path / "a.wav")
    assert found.tolist() == [32767, -32768, 0, 32767, -32768, 32767, 8192]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5000), st.integers(1, 3000), st.integers(0, 6000))
def test_blocks_put_together_are_the_file_from_where_it_was_sought(
    tmp_path_factory: pytest.TempPathFactory, count: int, size: int, start: int
) -> None:
    path = tmp_path_factory.mktemp("sound") / "a.wav"
    said = samples(count)[:, 0]
    soundfile.write(path, said, 16000)
    with SoundFile(path) as sound:
        sound.seek(start)
        blocks = list(sound.blocks(size))
    assert all(len(block) == size for block in blocks[:-1])
    assert np.array_equal(np.concatenate([*blocks, np.zeros(0, np.int16)]), said[start:])


def test_closing_twice_is_fine(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", samples(10), 16000)
    sound = SoundFile(tmp_path / "a.wav")
    sound.close()
    sound.close()


def test_a_file_that_is_not_there_is_no_input(tmp_path: Path) -> None:
    with pytest.raises(NoInput, match=r"gone\.wav: there is no such file"):
        read_sound(tmp_path / "gone.wav")


def test_other_kinds_of_sound_and_no_sound_are_told(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.ogg", samples(1000), 16000)
    with pytest.raises(ItemError, match="OGG sound; WAV and FLAC are read"):
        read_sound(tmp_path / "a.ogg")
    (tmp_path / "b.wav").write_text("no sound at all")
    with pytest.raises(ItemError, match=r"b\.wav: not a sound file that can be read"):
        read_sound(tmp_path / "b.wav")


def test_a_recording_of_hours_is_refused_as_a_whole_and_read_in_blocks(tmp_path: Path) -> None:
    path = tmp_path / "long.flac"
    with soundfile.SoundFile(path, "w", 8000, 1) as file:
        for _ in range(31):
            file.write(np.zeros(60 * 8000, np.int16))
    with pytest.raises(ItemError, match="1860 s is longer than 1800 s"):
        read_sound(path)
    with SoundFile(path) as sound:
        assert len(sound.read(100)) == 100


def test_a_flac_file_cut_off_is_told_as_damaged(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", samples(100_000), 16000)
    data = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "a.flac").write_bytes(data[: len(data) // 2])
    with pytest.raises(ItemError, match=r"a\.flac: "):
        read_sound(tmp_path / "a.flac")


@needs_data
@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("null.wav", "it holds no sound (0 samples)"),
        ("bad.wav", "not a sound file that can be read: "),
        ("evil.wav", "not a sound file that can be read: "),
        ("awful.wav", "1092676 Hz is no sample rate"),
    ],
)
def test_malformed_wavs_are_told_in_one_line(file: str, told: str) -> None:
    path = DATA / "malformed_wav" / file
    with pytest.raises(ItemError) as raised:
        read_sound(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)


def test_what_a_killed_recorder_left_is_read_to_its_last_sample(tmp_path: Path) -> None:
    said = lying_sounds.sound()
    for data in (0, 0xFFFF_FFFF, 0x7FFF_FFFF, 2_048, 47_998):
        (tmp_path / "a.wav").write_bytes(lying_sounds.wav_bytes(said, data=data))
        found = read_whole(tmp_path / "a.wav")
        assert np.array_equal(found.samples, said)
        assert found.told


@pytest.mark.parametrize("size", [26, 27, 4_000])
def test_chunks_behind_the_sound_are_no_sound(tmp_path: Path, size: int) -> None:
    chunk = b"LIST" + size.to_bytes(4, "little") + bytes(size + (size & 1))
    for tail in (chunk, chunk * 3):
        (tmp_path / "a.wav").write_bytes(lying_sounds.wav_bytes(lying_sounds.sound(), tail=tail))
        found = read_whole(tmp_path / "a.wav")
        assert len(found.samples) == lying_sounds.COUNT
        assert found.told == ()


@pytest.mark.parametrize("options", [(), ("-b", "576"), ("--lax", "-l", "0")])
def test_a_stream_of_unknown_length_loses_no_block(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    said = lying_sounds.sound(3, 31_417)
    data = lying_sounds.flac_bytes(tmp_path, said, *options)
    (tmp_path / "a.flac").write_bytes(lying_sounds.of_unknown_length(data))
    assert np.array_equal(read_whole(tmp_path / "a.flac").samples, said)
    with SoundFile(tmp_path / "a.flac") as sound:
        assert sound.samples_total is None
        for wanted in (30_000, 11, 0):
            assert sound.seek(wanted) == wanted
            assert np.array_equal(sound.read(64), said[wanted : wanted + 64])
        assert sound.seek(99_999_999) == len(said)
        assert len(sound.read(64)) == 0


def test_a_24_bit_stereo_flac_is_proven_by_its_checksum(tmp_path: Path) -> None:
    said = np.random.default_rng(5).integers(-(2**23), 2**23, (9_000, 2)).astype(np.int32) << 8
    soundfile.write(tmp_path / "a.flac", said, 44_100, subtype="PCM_24")
    assert np.array_equal(read_whole(tmp_path / "a.flac").samples, said[:, 0] >> 16)
    data = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "a.flac").write_bytes(lying_sounds.flipped(data, 30))
    with pytest.raises(ItemError, match="checksum"):
        read_whole(tmp_path / "a.flac")


def test_joined_recordings_are_one_sound_and_of_other_rates_only_the_first_is_read(
    tmp_path: Path,
) -> None:
    one, two = lying_sounds.sound(1), lying_sounds.sound(2, 5_000)
    joined = [lying_sounds.flac_bytes(tmp_path, each) for each in (one, two)]
    (tmp_path / "a.flac").write_bytes(b"".join(joined))
    (tmp_path / "a.wav").write_bytes(lying_sounds.wav_bytes(one) + lying_sounds.wav_bytes(two))
    for name in ("a.flac", "a.wav"):
        assert np.array_equal(read_whole(tmp_path / name).samples, np.concatenate([one, two]))
        with SoundFile(tmp_path / name) as sound:
            assert sound.seek(len(one) + 100) == len(one) + 100
            assert np.array_equal(sound.read(50), two[100:150])
    soundfile.write(tmp_path / "slow.wav", two, 8_000)
    slow = (tmp_path / "slow.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(lying_sounds.wav_bytes(one) + slow)
    found = read_whole(tmp_path / "a.wav")
    assert np.array_equal(found.samples, one)
    assert "the next of them has another rate or channels: left out" in found.told


def test_a_header_that_is_wrong_about_a_flac_is_told_and_every_sample_read(tmp_path: Path) -> None:
    said = lying_sounds.sound()
    data = bytearray(lying_sounds.flac_bytes(tmp_path, said))
    data[22:26] = (4_096).to_bytes(4, "big")
    (tmp_path / "a.flac").write_bytes(bytes(data))
    found = read_whole(tmp_path / "a.flac")
    assert np.array_equal(found.samples, said)
    assert found.told == ("its header tells of 4096 samples, 24000 are there",)


def test_a_folder_is_no_sound(tmp_path: Path) -> None:
    with pytest.raises(ItemError, match="folder"):
        read_whole(tmp_path)
