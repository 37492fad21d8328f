from __future__ import annotations

import itertools
import os
import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edge_runtime.capture import recording
from edge_runtime.capture.container import is_bottom_up, is_cut_short
from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.config import Capture, Lane
from edge_runtime.errors import ItemError, SourceUnavailable
from edge_runtime.files.image import MAX_PIXELS
from edge_runtime.files.video import read_video
from tests.support import h264
from tests.support.data import DATA, needs_data
from tests.support.media_files import frame_number, write_video
from tests.support.reading import read_all
from tests.support.sources import lane_source

if TYPE_CHECKING:
    from edge_runtime.protocols import Source

VIDEO = DATA / "video"
RECORDINGS = {
    "ballscrew_wear.mp4": 69,
    "phone_scratch_growth.mp4": 21,
    "bottle-detection.mp4": 1189,
    "bolt-multi-size-conveyor.gif": 37,
}


def source(path: Path, *, resume_after: str | None = None, **capture: Any) -> Source[Any]:
    lane = Lane(source=f"file:{path}", capture=Capture(**capture))
    return lane_source(lane, clock=SYSTEM_CLOCK, resume_after=resume_after)


@needs_data
@pytest.mark.parametrize(("name", "count"), RECORDINGS.items())
def test_every_frame_of_a_real_recording_comes_once_and_in_order(name: str, count: int) -> None:
    found = read_all(source(VIDEO / name))
    assert [frame.item for frame in found.items] == [f"frame:{n}" for n in range(count)]
    assert found.bad == []
    positions = [frame.position_s for frame in found.items]
    assert positions == sorted(set(positions))


@needs_data
@pytest.mark.parametrize("name", RECORDINGS)
def test_resumed_at_any_frame_the_rest_is_the_same_to_the_last_bit(name: str) -> None:
    whole = {f.item: f.pixels.tobytes()[:4096] for f in read_all(source(VIDEO / name)).items}
    items = list(whole)
    for done in (0, len(items) // 3, len(items) - 2):
        rest = read_all(source(VIDEO / name, resume_after=items[done])).items
        assert [frame.item for frame in rest] == items[done + 1 :]
        assert all(frame.pixels.tobytes()[:4096] == whole[frame.item] for frame in rest)


def test_a_recording_that_is_cut_short_gives_its_frames_and_then_says_what_is_missing(
    tmp_path: Path,
) -> None:
    path = write_video(tmp_path / "belt.avi", 30)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 5])
    found = read_all(source(path))
    assert [frame_number(frame.pixels) for frame in found.items] == list(range(len(found.items)))
    assert 8 <= len(found.items) < 30
    (told,) = found.bad
    assert "belt.avi" in told
    assert "30 frames" in told
    assert f"{len(found.items)} could be decoded" in told


def damaged_in_the_middle(path: Path) -> Path:
    data = bytearray((VIDEO / "bottle-detection.mp4").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = bytes(value ^ 0x5A for value in data[middle : middle + 3000])
    path.write_bytes(data)
    return path


@needs_data
def test_frames_that_the_decoder_reports_and_those_made_of_them_are_bad_items(
    tmp_path: Path,
) -> None:
    path = damaged_in_the_middle(tmp_path / "damaged.mp4")
    found = read_all(source(path))
    good = {frame.item for frame in found.items}
    bad = {match[1] for told in found.bad if (match := re.search(r": (frame:\d+): ", told))}
    assert good | bad == {f"frame:{n}" for n in range(len(good) + len(bad))}
    assert not good & bad
    assert any("the decoder reports damage" in told for told in found.bad)
    assert any("nothing counts before the next key frame" in told for told in found.bad)
    numbers = sorted(int(item.removeprefix("frame:")) for item in bad)
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))  # one run, to a key frame
    items = [frame.item for frame in found.items]
    behind = read_all(source(path, resume_after=items[-4])).items
    assert [frame.item for frame in behind] == items[-3:]


@needs_data
def test_a_resumed_replay_knows_of_the_damage_that_it_passed_over(tmp_path: Path) -> None:
    path = damaged_in_the_middle(tmp_path / "damaged.mp4")
    found = read_all(source(path))
    bad = [int(match[1]) for told in found.bad if (match := re.search(r": frame:(\d+): ", told))]
    rest = read_all(source(path, resume_after=f"frame:{bad[len(bad) // 2]}"))
    assert rest.items[0].item == f"frame:{bad[-1] + 1}"


@pytest.mark.parametrize("name", ["belt.mp4", "belt.mkv", "belt.ts"])
def test_no_frame_of_a_damaged_h264_recording_that_is_judged_differs_from_the_whole_one(
    name: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    h264.write_video(path, 60)
    whole = {frame.item: frame.pixels for frame in read_all(source(path)).items}
    assert len(whole) == 60
    data = path.read_bytes()
    middle = len(data) // 2
    path.write_bytes(data[:middle] + bytes(300) + data[middle + 300 :])
    found = read_all(source(path))
    assert 1 <= len(found.bad) <= 12  # the hole, and a run of frames up to a key frame
    assert 45 <= len(found.items) < 60
    assert all(np.array_equal(frame.pixels, whole[frame.item]) for frame in found.items)


def test_a_recording_that_changes_its_size_gives_frames_in_their_own(tmp_path: Path) -> None:
    path = tmp_path / "belt.h264"
    pictures = [*h264.encoded(10), *h264.encoded(10, size=(480, 352), first=10)]
    path.write_bytes(b"".join(b"\0\0\0\1" + nal for nals in pictures for nal in nals))
    shapes = [frame.pixels.shape[:2] for frame in read_all(source(path)).items]
    assert shapes == [(240, 320)] * 10 + [(352, 480)] * 10


@pytest.mark.parametrize("name", sorted(RECORDINGS))
@needs_data
def test_both_readers_give_the_same_frames_to_the_last_bit(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def seen(hears: bool) -> list[tuple[str | None, bytes]]:
        monkeypatch.setattr(recording, "hears_damage", lambda: hears)
        frames = read_all(source(VIDEO / name)).items
        return [(frame.item, frame.pixels.tobytes()[::97]) for frame in frames]

    assert seen(True) == seen(False)


@needs_data
def test_without_pyav_damage_in_the_middle_is_told_and_what_is_behind_it_still_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "hears_damage", lambda: False)
    path = damaged_in_the_middle(tmp_path / "damaged.mp4")
    found = read_all(source(path))
    items = [frame.item for frame in found.items]
    assert items == [f"frame:{n}" for n in range(len(items))]
    assert 1189 - 60 < len(items) < 1189
    assert found.bad
    assert all("damaged before frame:" in told for told in found.bad)
    behind = read_all(source(path, resume_after=items[-4])).items
    assert [frame.item for frame in behind] == items[-3:]


@needs_data
def test_a_recording_without_its_index_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "cut.mp4"
    path.write_bytes((VIDEO / "bottle-detection.mp4").read_bytes()[:250_000])
    with pytest.raises(SourceUnavailable, match=r"cut\.mp4: the recording is cut short"):
        source(path).open()


@pytest.mark.parametrize("content", [b"", b"part,label\n1,ok\n" * 50, bytes(5000)])
def test_what_is_no_video_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.mp4"
    path.write_bytes(content)
    with pytest.raises(SourceUnavailable) as told:
        source(path).open()
    assert str(told.value).startswith(f"{path}: not a video")
    assert "\n" not in str(told.value)


def test_a_folder_in_the_place_of_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match="cannot be read"):
        source(tmp_path).open()


def test_an_uncompressed_avi_that_would_crash_the_decoder_is_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "old.avi", 3, is_bottom_up=True)
    assert is_bottom_up(path)
    with pytest.raises(SourceUnavailable, match="convert it"):
        source(path).open()
    assert not is_bottom_up(write_video(tmp_path / "new.avi", 3))


def test_a_small_file_with_enormous_pictures_is_refused_before_one_is_decoded(
    tmp_path: Path,
) -> None:
    # Only the header tells of the size: nothing in the file is as large.
    path = write_video(tmp_path / "bomb.avi", 2)
    side = int(MAX_PIXELS**0.5) + 100
    data = bytearray(path.read_bytes())
    at = data.find(b"strf") + 8
    struct.pack_into("<ii", data, at + 4, side, -side)
    path.write_bytes(data)
    with pytest.raises(SourceUnavailable, match="pixels; at most"):
        source(path).open()


def test_a_long_replay_is_skipped_in_pieces_so_that_the_loop_turns(tmp_path: Path) -> None:
    path = write_video(tmp_path / "belt.avi", 12)
    resumed = source(path, resume_after="frame:8")
    resumed.open()
    assert resumed.read() is None
    frame = resumed.read()
    assert frame is not None
    assert frame.item == "frame:9"
    resumed.close()


def test_resumed_behind_its_end_a_recording_is_over(tmp_path: Path) -> None:
    path = write_video(tmp_path / "belt.avi", 3)
    assert read_all(source(path, resume_after="frame:2")).items == []
    assert read_all(source(path, resume_after="frame:99")).items == []


def test_paths_that_ffmpeg_would_take_for_protocols_are_files(tmp_path: Path) -> None:
    path = write_video(tmp_path / "concat:belt 1|2.avi", 3)
    assert len(read_all(source(path)).items) == 3


def test_a_playlist_cannot_make_a_recording_reach_the_network_or_other_files(
    tmp_path: Path,
) -> None:
    write_video(tmp_path / "other.avi", 3)
    playlist = tmp_path / "belt.m3u8"
    playlist.write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(SourceUnavailable):
        source(playlist).open()


def box(kind: bytes, size: int) -> bytes:
    return struct.pack(">I", size + 8) + kind + bytes(size)


@pytest.mark.parametrize(
    ("content", "is_cut"),
    [
        (box(b"ftyp", 8) + box(b"moov", 100) + box(b"mdat", 500), False),
        ((box(b"ftyp", 8) + box(b"moov", 100) + box(b"mdat", 500))[:-1], True),
        (box(b"ftyp", 8) + box(b"mdat", 500), True),  # no index
        (
            box(b"ftyp", 8) + box(b"moov", 20) + struct.pack(">I4sQ", 1, b"mdat", 216) + bytes(200),
            False,
        ),
        (
            box(b"ftyp", 8) + box(b"moov", 20) + struct.pack(">I4sQ", 1, b"mdat", 999) + bytes(200),
            True,
        ),
        (box(b"ftyp", 8) + box(b"moov", 20) + struct.pack(">I4s", 0, b"mdat") + bytes(99), False),
        (b"RIFF" + struct.pack("<I", 104) + b"AVI " + bytes(100), False),
        (b"RIFF" + struct.pack("<I", 105) + b"AVI " + bytes(100), True),
        (b"\x1a\x45\xdf\xa3\x82ab\x18\x53\x80\x67\x84" + bytes(4), False),
        (b"\x1a\x45\xdf\xa3\x82ab\x18\x53\x80\x67\x85" + bytes(4), True),
        (b"\x1a\x45\xdf\xa3\x82ab\x18\x53\x80\x67\x01" + b"\xff" * 7 + bytes(4), False),  # live
        (b"\x1a\x45\xdf\xa3\x82ab\x18\x53\x80\x67\x40\x05" + bytes(4), True),  # two-byte length
        (b"\x1a\x45\xdf\xa3\xff\xff\xff\xff\xff\xff\xff\xff", False),
        (b"GIF89a" + bytes(50), False),
        (b"short", False),
        (b"", False),
    ],
)
def test_a_container_tells_by_its_lengths_whether_it_was_cut(
    tmp_path: Path, content: bytes, is_cut: bool
) -> None:
    path = tmp_path / "recording"
    path.write_bytes(content)
    assert is_cut_short(path) is is_cut


@needs_data
@pytest.mark.parametrize("name", RECORDINGS)
def test_whole_recordings_are_not_taken_for_cut_ones(name: str) -> None:
    assert not is_cut_short(VIDEO / name)


def test_frames_that_were_read_stay_as_they_are_while_others_are_decoded(tmp_path: Path) -> None:
    frames = read_all(source(write_video(tmp_path / "belt.avi", 9))).items
    assert [frame_number(frame.pixels) for frame in frames] == list(range(9))
    assert not any(np.shares_memory(a.pixels, b.pixels) for a, b in itertools.pairwise(frames))


def test_a_buried_frame_is_left_out_and_the_others_keep_their_names(tmp_path: Path) -> None:
    path = write_video(tmp_path / "belt.avi", 8)
    lane = Lane(source=f"file:{path}")
    held: list[str | None] = []
    found = read_all(
        lane_source(
            lane, clock=SYSTEM_CLOCK, skip=["frame:3", "frame:7", "x.jpg:1:2"], in_hand=held.append
        )
    )
    assert [frame.item for frame in found.items] == [f"frame:{n}" for n in (0, 1, 2, 4, 5, 6)]
    assert [frame_number(frame.pixels) for frame in found.items] == [0, 1, 2, 4, 5, 6]
    assert "frame:5" in held
    assert held[-1] is None


def test_each_frame_is_in_hand_while_it_is_decoded_also_when_a_replay_goes_on(
    tmp_path: Path,
) -> None:
    path = write_video(tmp_path / "belt.avi", 4)
    held: list[str | None] = []
    lane = Lane(source=f"file:{path}")
    found = read_all(
        lane_source(lane, clock=SYSTEM_CLOCK, resume_after="frame:1", in_hand=held.append)
    )
    assert [frame.item for frame in found.items] == ["frame:2", "frame:3"]
    names = [item for item in held if item is not None]
    assert list(dict.fromkeys(names)) == [f"frame:{n}" for n in range(5)]  # the last: its end
    assert held[1::2] == [None] * (len(held) // 2)


def test_a_frame_whose_decoding_ends_the_process_twice_ends_the_recording_there(
    tmp_path: Path,
) -> None:
    """No decoder can go on behind a frame that it cannot decode: what follows is made from it."""
    path = write_video(tmp_path / "belt.avi", 8)
    lane = Lane(source=f"file:{path}")
    held: list[str | None] = []
    read_all(lane_source(lane, clock=SYSTEM_CLOCK, skip=["frame:3"], in_hand=held.append))
    assert "frame:3" not in held
    assert "frame:3-end" in held  # the second time it has another name
    for resume_after in (None, "frame:2", "frame:3-end"):
        held.clear()
        found = read_all(
            lane_source(
                lane,
                clock=SYSTEM_CLOCK,
                skip=["frame:3", "frame:3-end"],
                in_hand=held.append,
                resume_after=resume_after,
            )
        )
        assert [frame.item for frame in found.items] == (
            [] if resume_after else ["frame:0", "frame:1", "frame:2"]
        )
        assert not {"frame:3", "frame:3-end", "frame:4"} & set(held)


def test_a_recording_whose_name_is_not_utf_8_is_refused_and_not_given_to_the_decoder(
    tmp_path: Path,
) -> None:
    """OpenCV crashes the process over such a name."""
    path = write_video(tmp_path / "belt.avi", 3)
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/b\xe4nd.avi"))
    path.rename(odd)
    with pytest.raises(SourceUnavailable, match=r"b\\xe4nd\.avi: its name is not UTF-8; rename it"):
        source(odd).open()
    with pytest.raises(ItemError, match="its name is not UTF-8"):
        next(read_video(odd))


def test_a_pipe_is_no_recording_and_nobody_waits_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "belt.mp4")
    with pytest.raises(SourceUnavailable, match="it is a pipe and no file"):
        source(tmp_path / "belt.mp4").open()
    with pytest.raises(ItemError, match="it is a pipe and no file"):
        next(read_video(tmp_path / "belt.mp4"))
