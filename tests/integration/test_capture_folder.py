from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from edge_runtime.config import Capture, Lane
from edge_runtime.errors import ItemError, SourceEnded, SourceUnavailable
from tests.support.fakes import FakeClock
from tests.support.media_files import frame_number, write_image, write_images
from tests.support.reading import read_all
from tests.support.sources import lane_source

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_runtime.protocols import Source


def source(
    folder: Path,
    *,
    resume_after: str | None = None,
    is_done: Callable[[str], bool] | None = None,
    clock: FakeClock | None = None,
    **capture: Any,
) -> Source[Any]:
    lane = Lane(source=f"folder:{folder}", capture=Capture(**capture))
    return lane_source(lane, clock=clock or FakeClock(), resume_after=resume_after, is_done=is_done)


def names(items: list[Any]) -> list[str]:
    return [frame.item.rsplit(":", 2)[0] for frame in items]


def looks(watching: Source[Any], count: int = 2) -> list[Any]:
    """What comes in so many looks at the folder."""
    found = []
    waits = 0
    while waits < count:
        item = watching.read()
        if item is None:
            waits += 1
        else:
            found.append(item)
    return found


def test_pictures_come_by_name_whatever_the_order_on_disk(tmp_path: Path) -> None:
    write_images(tmp_path, ["b.png", "a.png", "c.bmp", "d.PNG"])
    found = read_all(source(tmp_path)).items
    assert names(found) == ["a.png", "b.png", "c.bmp", "d.PNG"]
    assert [frame_number(frame.pixels) for frame in found] == [1, 0, 2, 3]


def test_an_item_is_the_name_the_size_and_the_time_of_the_file(tmp_path: Path) -> None:
    path = write_image(tmp_path / "part:7.png", 1)
    (frame,) = read_all(source(tmp_path)).items
    told = path.stat()
    assert frame.item == f"part:7.png:{told.st_size}:{told.st_mtime_ns}"


def test_hidden_and_unfinished_files_and_those_that_are_no_pictures_are_left_alone(
    tmp_path: Path,
) -> None:
    write_images(tmp_path, ["a.png"])
    for name in (".b.png", "c.png.tmp", "d.png.part", "labels.csv"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "folder.png").mkdir()
    found = read_all(source(tmp_path))
    assert names(found.items) == ["a.png"]


def test_a_picture_that_cannot_be_decoded_is_named_and_the_next_one_comes(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.png", "b.png", "c.png"])
    (tmp_path / "b.png").write_bytes((tmp_path / "b.png").read_bytes()[:40])
    found = read_all(source(tmp_path))
    assert names(found.items) == ["a.png", "c.png"]
    (told,) = found.bad
    assert str(tmp_path / "b.png") in told


def test_resumed_it_goes_on_by_name_though_the_last_picture_is_gone(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.png", "c.png", "d.png"])
    assert names(read_all(source(tmp_path, resume_after="b.png:10:20")).items) == ["c.png", "d.png"]


def test_a_folder_without_a_picture_is_told_and_not_taken_for_done(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match=r"no picture in it .*\.png"):
        source(tmp_path).open()


def test_a_folder_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    for watch in (False, True):
        with pytest.raises(SourceUnavailable, match="no such file or directory"):
            source(tmp_path / "gone", watch=watch).open()


def test_watching_a_picture_is_taken_once_two_looks_agree(tmp_path: Path) -> None:
    watching = source(tmp_path, watch=True, poll_s=0.5)
    watching.open()
    assert watching.read() is None
    path = write_image(tmp_path / "a.png", 5)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert watching.read() is None  # seen for the first time
    path.write_bytes(whole)
    os.utime(path, ns=(1, 1))
    assert watching.read() is None  # it has grown
    frame = watching.read()
    assert frame is not None
    assert frame_number(frame.pixels) == 5
    assert looks(watching, 3) == []


def test_watching_waits_for_as_long_as_the_config_says(tmp_path: Path) -> None:
    clock = FakeClock()
    watching = source(tmp_path, clock=clock, watch=True, poll_s=0.7)
    watching.open()
    looks(watching, 3)
    assert clock.waits == [0.7, 0.7, 0.7]


def test_watching_new_pictures_come_and_no_picture_comes_twice(tmp_path: Path) -> None:
    watching = source(tmp_path, watch=True)
    watching.open()
    write_images(tmp_path, ["a.png", "b.png"])
    first = looks(watching)
    write_image(tmp_path / "0.png", 9)
    second = looks(watching)
    assert names(first) == ["a.png", "b.png"]
    assert names(second) == ["0.png"]
    assert [frame.seq for frame in [*first, *second]] == [0, 1, 2]


def test_watching_a_file_that_is_written_anew_is_a_new_item(tmp_path: Path) -> None:
    watching = source(tmp_path, watch=True)
    watching.open()
    path = write_image(tmp_path / "latest.png", 1)
    first = looks(watching)
    write_image(path, 2)
    os.utime(path, ns=(1, 1))
    second = looks(watching)
    assert [frame_number(frame.pixels) for frame in [*first, *second]] == [1, 2]
    assert first[0].item != second[0].item


def test_watching_what_was_done_before_a_restart_is_not_done_again(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.png", "b.png", "c.png"])
    done = {frame.item for frame in read_all(source(tmp_path)).items if frame.item[0] in "ab"}
    watching = source(tmp_path, watch=True, is_done=done.__contains__)
    watching.open()
    assert names(looks(watching)) == ["c.png"]


def test_watching_a_bad_picture_is_told_once_and_taken_when_it_is_whole(tmp_path: Path) -> None:
    whole = write_image(tmp_path / "a.png", 3).read_bytes()
    path = tmp_path / "a.png"
    path.write_bytes(whole[:60])
    watching = source(tmp_path, watch=True)
    watching.open()
    assert watching.read() is None
    with pytest.raises(ItemError, match=r"a\.png"):
        watching.read()
    assert looks(watching) == []
    path.write_bytes(whole)
    (frame,) = looks(watching)
    assert frame_number(frame.pixels) == 3


def test_watching_a_folder_that_goes_away_is_unavailable_and_comes_back(tmp_path: Path) -> None:
    folder = tmp_path / "usb"
    folder.mkdir()
    watching = source(folder, watch=True)
    watching.open()
    assert watching.read() is None
    folder.rmdir()
    with pytest.raises(SourceUnavailable):
        watching.read()
    watching.close()
    folder.mkdir()
    write_images(folder, ["a.png"])
    watching.open()
    assert names(looks(watching)) == ["a.png"]


def test_with_a_rate_pictures_come_at_that_rate(tmp_path: Path) -> None:
    write_images(tmp_path, [f"{n}.png" for n in range(5)])
    clock = FakeClock()
    paced = source(tmp_path, clock=clock, realtime=True, fps=4.0)
    stamps = [frame.captured.boottime_ns for frame in read_all(paced).items]
    assert [round((at - stamps[0]) / 1e9, 3) for at in stamps] == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_a_picture_that_vanishes_before_it_is_read_is_a_bad_item(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.png", "b.png"])
    reading = source(tmp_path)
    reading.open()
    (tmp_path / "a.png").unlink()
    with pytest.raises(ItemError, match=r"a\.png"):
        reading.read()
    assert reading.read() is not None
    with pytest.raises(SourceEnded):
        reading.read()
