from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edge_runtime.capture.sound import WARM_UP_S
from edge_runtime.config import Capture, Lane
from edge_runtime.errors import ConfigError, SourceUnavailable
from tests.support.data import DATA, needs_data
from tests.support.fakes import FakeClock
from tests.support.media_files import write_sound
from tests.support.reading import read_all
from tests.support.sources import lane_source

if TYPE_CHECKING:
    from edge_runtime.protocols import Source

RAMP = np.arange(-8000, 8000, dtype=np.int16)


def source(
    path: Path,
    *,
    resume_after: str | None = None,
    clock: FakeClock | None = None,
    **capture: Any,
) -> Source[Any]:
    lane = Lane(source=f"file:{path}", kind="microphone", capture=Capture(**capture))
    return lane_source(lane, clock=clock or FakeClock(), resume_after=resume_after)


def samples(path: Path, **more: Any) -> list[int]:
    return [
        int(value) for block in new(read_all(source(path, **more)).items) for value in block.samples
    ]


def new(blocks: list[Any]) -> list[Any]:
    """Without what was heard before a restart."""
    return [block for block in blocks if not block.is_warm_up]


@pytest.mark.parametrize("suffix", ["wav", "flac"])
@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100])
def test_a_recording_comes_whole_at_its_own_rate(tmp_path: Path, suffix: str, rate_hz: int) -> None:
    path = write_sound(tmp_path / f"desk.{suffix}", RAMP, rate_hz)
    blocks = read_all(source(path, block_ms=30)).items
    assert [value for block in blocks for value in block.samples] == RAMP.tolist()
    assert {block.rate_hz for block in blocks} == {rate_hz}
    size = rate_hz * 30 // 1000
    assert [block.position for block in blocks] == list(range(0, len(RAMP), size))


def test_of_eight_channels_the_one_asked_for_is_heard(tmp_path: Path) -> None:
    each = np.stack([np.full(480, 100 * channel, np.int16) for channel in range(8)], axis=1)
    path = write_sound(tmp_path / "array.wav", each, 16_000)
    for channel in (0, 5, 7):
        assert set(samples(path, channel=channel)) == {100 * channel}
    with pytest.raises(SourceUnavailable, match="no channel 8"):
        source(path, channel=8).open()


def test_resumed_it_goes_on_at_the_sample_behind_the_last_segment(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "desk.flac", RAMP, 16_000)
    blocks = new(read_all(source(path, resume_after="samples:100-5003")).items)
    assert blocks[0].position == 5003
    assert [value for block in blocks for value in block.samples] == RAMP[5003:].tolist()
    assert samples(path, resume_after=f"samples:0-{len(RAMP)}") == []
    assert samples(path, resume_after="samples:0-999999") == []


def test_resumed_it_first_repeats_some_minutes_for_the_detector_and_says_so(tmp_path: Path) -> None:
    warm = int(WARM_UP_S * 8_000)
    path = write_sound(tmp_path / "desk.flac", np.resize(RAMP, warm + 16_000), 8_000)
    done = warm + 5_001
    clock = FakeClock()
    resumed = source(
        path, resume_after=f"samples:0-{done}", clock=clock, realtime=True, block_ms=1000
    )
    blocks = read_all(resumed).items
    repeated = [block for block in blocks if block.is_warm_up]
    assert repeated[0].position == 5_001
    assert sum(len(block.samples) for block in repeated) == warm
    assert len({block.captured for block in repeated}) == 1  # not paced: it has been heard
    assert blocks[len(repeated)].position == done
    assert [block.seq for block in blocks] == list(range(len(blocks)))


def test_in_real_time_a_block_comes_once_it_has_been_spoken(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "desk.wav", RAMP, 16_000)
    clock = FakeClock()
    blocks = read_all(source(path, clock=clock, realtime=True, block_ms=100)).items
    stamps = [block.captured.boottime_ns for block in blocks]
    assert [round((at - stamps[0]) / 1e9, 3) for at in stamps] == [n / 10 for n in range(10)]


def test_a_recording_that_is_cut_short_gives_what_there_is(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    whole = rng.integers(-9000, 9000, 48_000).astype(np.int16)
    for suffix in ("wav", "flac"):
        path = write_sound(tmp_path / f"desk.{suffix}", whole, 16_000)
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])
        found = read_all(source(path))
        got = np.concatenate([block.samples for block in found.items])
        assert 0.4 * len(whole) < len(got) <= 0.5 * len(whole)
        assert np.array_equal(got, whole[: len(got)])
        assert len(found.bad) == 1
        assert path.name in found.bad[0]


@needs_data
@pytest.mark.parametrize("name", ["awful.wav", "bad.wav", "evil.wav", "null.wav"])
def test_malformed_recordings_are_refused_in_one_clear_line(name: str) -> None:
    path = DATA / "malformed_wav" / name
    with pytest.raises(SourceUnavailable) as told:
        source(path).open()
    assert str(told.value).startswith(f"{path}: ")
    assert "\n" not in str(told.value)


@needs_data
def test_real_eight_channel_recordings_are_heard() -> None:
    folder = DATA / "factory_valve_MIMII_CC-BY-SA"
    blocks = read_all(source(folder / "valve_id00_n_00000000.wav", channel=7)).items
    assert sum(len(block.samples) for block in blocks) == 160_000
    first = read_all(source(folder / "valve_id00_n_00000000.wav", channel=0)).items
    assert not np.array_equal(blocks[5].samples, first[5].samples)


def test_a_lane_that_hears_is_not_given_what_it_cannot_hear(tmp_path: Path) -> None:
    for name in ("rtsp://cam/1", f"folder:{tmp_path}"):
        with pytest.raises(ConfigError, match="hears"):
            lane_source(Lane(source=name, kind="microphone"), clock=FakeClock())
    with pytest.raises(ConfigError, match="camera"):
        lane_source(Lane(source="microphone:default", kind="camera"), clock=FakeClock())


def test_what_is_buried_of_a_sound_is_never_read_and_leaves_a_gap(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "desk.wav", RAMP, 16_000)
    lane = Lane(source=f"file:{path}", kind="microphone")
    held: list[str | None] = []
    buried = ["samples:1000-2500", "samples:2500-2600", "frame:3"]
    blocks = read_all(lane_source(lane, clock=FakeClock(), skip=buried, in_hand=held.append)).items
    places = [
        at for block in blocks for at in range(block.position, block.position + len(block.samples))
    ]
    assert places == [*range(1000), *range(2600, len(RAMP))]
    values = [value for block in blocks for value in block.samples]
    assert values == [RAMP[at] for at in places]
    assert [block.position for block in blocks if block.has_gap] == [2600]
    for item in held[::2]:
        assert item is not None
        first, _, end = item.removeprefix("samples:").partition("-")
        assert int(end) <= 1000 or int(first) >= 2600
    assert held[1::2] == [None] * (len(held) // 2)


def test_what_is_buried_up_to_the_end_ends_the_sound(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "desk.wav", RAMP, 16_000)
    lane = Lane(source=f"file:{path}", kind="microphone")
    found = read_all(lane_source(lane, clock=FakeClock(), skip=["samples:960-99999999"]))
    assert sum(len(block.samples) for block in found.items) == 960
    assert found.bad == []


def test_a_damaged_recording_names_the_samples_that_cannot_be_read(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "desk.flac", RAMP, 16_000)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 400] = b"\xff" * 400
    path.write_bytes(bytes(data))
    found = read_all(source(path))
    (item,) = found.bad_items
    assert item is not None
    assert item.startswith("samples:")


def test_zeros_of_a_recording_are_no_dead_microphone(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "still.wav", np.zeros(20 * 8_000, np.int16), 8_000)
    for live in (False, True):
        found = read_all(source(path, live=live))
        assert sum(len(block.samples) for block in found.items) == 20 * 8_000


def test_a_recording_whose_name_is_not_utf_8_is_heard_and_a_pipe_is_not_waited_for(
    tmp_path: Path,
) -> None:
    write_sound(tmp_path / "desk.wav", RAMP, 16_000)
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/t\xf6ne.wav"))
    (tmp_path / "desk.wav").rename(odd)
    assert samples(odd) == RAMP.tolist()
    odd.write_bytes(b"no sound")
    with pytest.raises(SourceUnavailable, match=r"t\\xf6ne\.wav: not a sound file"):
        source(odd).open()
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(SourceUnavailable, match="it is a pipe and no file"):
        source(tmp_path / "pipe.wav").open()
