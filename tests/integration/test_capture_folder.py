from __future__ import annotations

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from edge_runtime.capture import waits_by_itself
from edge_runtime.config import Capture, Lane
from edge_runtime.errors import ItemError, SourceEnded, SourceUnavailable
from edge_runtime.link import in_hand
from tests.support.data import PROJECT
from tests.support.fakes import FakeClock
from tests.support.jpegs import photograph
from tests.support.media_files import frame_number, write_image, write_images
from tests.support.reading import read_all
from tests.support.sources import lane_source

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from edge_runtime.protocols import Source


def source(
    folder: Path,
    *,
    resume_after: str | None = None,
    is_done: Callable[[str], bool] | None = None,
    clock: FakeClock | None = None,
    skip: Collection[str] = (),
    in_hand: Callable[[str | None], None] | None = None,
    interval_s: float | None = None,
    **capture: Any,
) -> Source[Any]:
    lane = Lane(source=f"folder:{folder}", capture=Capture(**capture))
    return lane_source(
        lane,
        clock=clock or FakeClock(),
        resume_after=resume_after,
        is_done=is_done,
        skip=skip,
        in_hand=in_hand,
        interval_s=interval_s,
    )


def names(items: list[Any]) -> list[str]:
    return [frame.item.rsplit(":", 2)[0] for frame in items]


def item_of(path: Path) -> str:
    told = path.stat()
    return f"{path.name}:{told.st_size}:{told.st_mtime_ns}"


def everything(watching: Source[Any], count: int = 3) -> tuple[list[str], list[str]]:
    """(names, items of the bad ones) of what comes in so many looks at the folder."""
    good: list[str] = []
    bad: list[str] = []
    told: list[str] = []
    waits = 0
    while waits < count:
        try:
            frame = watching.read()
        except ItemError as exc:
            bad.append(str(exc.item))
            told.append(str(exc))
            continue
        if frame is None:
            waits += 1
        else:
            good.append(frame.item.rsplit(":", 2)[0])
    assert all(line.isprintable() for line in told)  # it goes into a row and a log
    return good, bad


@contextlib.contextmanager
def oddities(folder: Path) -> Iterator[dict[str, str]]:
    """Everything that can have a picture's name and be none; its kind by its name."""
    (folder / "b_folder.jpg").mkdir()
    os.mkfifo(folder / "c_pipe.jpg")
    (folder / "d_link.jpg").symlink_to(folder / "nowhere.jpg")
    (folder / "e_loop.jpg").symlink_to(folder / "e_loop.jpg")
    with socket.socket(socket.AF_UNIX) as listening:
        here = os.open(folder, os.O_RDONLY)  # a socket's path is at most 107 bytes long
        try:
            listening.bind(f"/proc/self/fd/{here}/f_socket.jpg")
        finally:
            os.close(here)
        yield {"b_folder": "folder", "c_pipe": "pipe", "d_link": "link", "f_socket": "socket"}


def encoded(suffix: str, pixels: Any) -> bytes:
    done, data = cv2.imencode(suffix, pixels)
    assert done
    return bytes(data.tobytes())


def plain(suffix: str) -> bytes:
    """A picture of its kind, not packed where it need not be."""
    packed = [cv2.IMWRITE_TIFF_COMPRESSION, 1] if suffix == ".tif" else []
    done, data = cv2.imencode(suffix, photograph(), packed)
    assert done
    return bytes(data.tobytes())


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
    (tmp_path / ".pipe.png.tmp").mkdir()
    found = read_all(source(tmp_path))
    assert names(found.items) == ["a.png"]
    assert found.bad == []


def test_a_picture_that_cannot_be_decoded_is_named_and_the_next_one_comes(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.png", "b.png", "c.png"])
    (tmp_path / "b.png").write_bytes((tmp_path / "b.png").read_bytes()[:40])
    found = read_all(source(tmp_path))
    assert names(found.items) == ["a.png", "c.png"]
    (told,) = found.bad
    assert str(tmp_path / "b.png") in told
    assert found.bad_items == [item_of(tmp_path / "b.png")]


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
    looks(watching, 6)
    assert clock.waits == [0.5, 0.2] * 3


def test_a_read_gives_the_loop_its_turn_however_seldom_the_folder_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    watching = source(tmp_path, clock=clock, watch=True, poll_s=15.0, notify="poll")
    watching.open()
    listed: list[str] = []
    scandir = os.scandir

    def counted(path: Any) -> Any:
        listed.append(str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", counted)
    looks(watching, 60)
    assert max(clock.waits) <= 0.5
    assert sum(clock.waits) == 30.0
    assert len(listed) <= 4  # two looks in thirty seconds


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
    assert everything(watching, 2) == ([], [])  # it may still be on its way
    assert everything(watching, 20) == ([], [item_of(path)])
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
    with pytest.raises(ItemError, match=r"a\.png") as told:
        reading.read()
    assert told.value.item is None  # nothing to bury: it may come back
    assert reading.read() is not None
    with pytest.raises(SourceEnded):
        reading.read()


@pytest.mark.parametrize("watch", [False, True])
def test_what_is_no_file_is_one_bad_item_each_and_the_rest_goes_on(
    tmp_path: Path, watch: bool
) -> None:
    write_images(tmp_path, ["a.png", "z.png"])
    with oddities(tmp_path) as kinds:
        reading = source(tmp_path, watch=watch)
        reading.open()
        if watch:
            good, bad = everything(reading)
            (tmp_path / "b_folder.jpg" / "x").write_bytes(b"x")  # its time changes, it does not
            assert everything(reading) == ([], [])
        else:
            whole = read_all(reading)
            good, bad = names(whole.items), [str(item) for item in whole.bad_items]
    assert good == ["a.png", "z.png"]
    expected = {f"{name}.jpg:{kind}:0" for name, kind in kinds.items()} | {"e_loop.jpg:0:0"}
    assert set(bad) == expected
    assert len(bad) == len(expected)


def test_what_is_no_file_is_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device may do something when it is opened, and a pipe's writer would be let go."""
    write_images(tmp_path, ["a.png"])
    opened = os.open
    paths: list[str] = []

    def watched(path: Any, *more: Any) -> int:
        paths.append(str(path))
        return opened(path, *more)

    with oddities(tmp_path):
        monkeypatch.setattr(os, "open", watched)
        read_all(source(tmp_path))
    assert paths == [str(tmp_path / "a.png")]


def test_a_pipe_that_takes_a_files_place_after_the_look_is_not_waited_for(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.png", "b.png"])
    reading = source(tmp_path)
    reading.open()
    (tmp_path / "a.png").unlink()
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(ItemError, match="it is a pipe and no file"):
        reading.read()
    assert reading.read() is not None


@pytest.mark.parametrize("watch", [False, True])
def test_a_name_that_is_not_utf_8_is_a_picture_like_any_other(tmp_path: Path, watch: bool) -> None:
    raw = os.path.join(os.fsencode(tmp_path), b"gr\xf6\xdfe.png")  # noqa: PTH118 - bytes
    whole = write_image(tmp_path / "a.png", 1).read_bytes()
    with open(raw, "wb") as file:  # noqa: PTH123
        file.write(whole)
    write_images(tmp_path, ["h.png"])
    reading = source(tmp_path, watch=watch)
    reading.open()
    good = looks(reading) if watch else read_all(reading).items
    assert names(good) == ["a.png", "gr\\xf6\\xdfe.png", "h.png"]
    item = good[1].item
    item.encode("utf-8")
    # By its identity it is gone on behind, known to be done, and left out.
    assert names(read_all(source(tmp_path, resume_after=item)).items) == ["h.png"]
    for more in ({"is_done": {item}.__contains__}, {"skip": [item]}):
        left = source(tmp_path, watch=watch, **more)
        left.open()
        assert "gr\\xf6\\xdfe.png" not in names(looks(left) if watch else read_all(left).items)


def test_a_damaged_picture_of_an_unprintable_name_is_told_in_one_line(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/a\n\x1b\xff.jpg", "wb") as file:  # noqa: PTH123
        file.write(b"no picture")
    (told,) = read_all(source(tmp_path)).bad
    assert told.endswith("/a\\n\\x1b\\xff.jpg: not a JPEG, PNG, BMP, TIFF or WebP picture")
    assert told.isprintable()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_picture_that_may_not_be_read_is_one_bad_item(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.png", "b.png"])
    (tmp_path / "a.png").chmod(0)
    watching = source(tmp_path, watch=True)
    watching.open()
    assert everything(watching) == (["b.png"], [item_of(tmp_path / "a.png")])


def test_a_picture_that_may_not_be_read_is_one_bad_item_told_by_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As above, for those whose tests run as root."""
    write_images(tmp_path, ["a.png", "b.png"])
    opened = os.open

    def refusing(path: Any, *more: Any) -> int:
        if str(path).endswith("a.png"):
            raise PermissionError(13, "Permission denied")
        return opened(path, *more)

    monkeypatch.setattr(os, "open", refusing)
    watching = source(tmp_path, watch=True)
    watching.open()
    assert everything(watching) == (["b.png"], [item_of(tmp_path / "a.png")])


@pytest.mark.parametrize("watch", [False, True])
def test_what_is_buried_is_never_opened_again(tmp_path: Path, watch: bool) -> None:
    write_images(tmp_path, ["a.png", "b.png", "c.png"])
    held: list[str | None] = []
    buried = [item_of(tmp_path / "b.png")]
    reading = source(tmp_path, watch=watch, skip=buried, in_hand=held.append)
    reading.open()
    good = looks(reading) if watch else read_all(reading).items
    assert names(good) == ["a.png", "c.png"]
    assert buried[0] not in held
    write_image(tmp_path / "b.png", 1)
    os.utime(tmp_path / "b.png", ns=(1, 1))
    if watch:  # written anew it is another picture
        assert names(looks(reading)) == ["b.png"]


def test_a_picture_is_in_hand_while_it_is_decoded_and_not_behind_it(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.png", "b.png"])
    (tmp_path / "b.png").write_bytes(b"damaged")
    held: list[str | None] = []
    read_all(source(tmp_path, in_hand=held.append))
    a, b = item_of(tmp_path / "a.png"), item_of(tmp_path / "b.png")
    assert held == [a, None, b, None]


CRASHING = """\
import os, sys, pathlib
from edge_runtime.capture import open_source
from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.config import Capture
from edge_runtime.errors import SourceEnded
from edge_runtime.files import image
from edge_runtime.link.in_hand import Page

decode = image.decode_picture
def crashing(data, name, bits):
    if b"KILLS" in data:
        os.abort()
    return decode(data, name, bits)
image.decode_picture = crashing
page = Page(pathlib.Path(sys.argv[2]))
source = open_source("folder:" + sys.argv[1], Capture(), is_camera=True, clock=SYSTEM_CLOCK,
                     skip=sys.argv[3:], in_hand=lambda item: page.put("capture", item))
source.open()
try:
    while True:
        print(source.read().item, flush=True)
except SourceEnded:
    pass
"""


def test_a_picture_that_ends_the_process_is_known_outside_and_gone_on_behind(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    write_images(folder, [f"{n}.png" for n in range(4)])
    (folder / "1.png").write_bytes(b"KILLS")
    page = in_hand.prepare(tmp_path, "top")

    def run(*buried: str) -> tuple[int, list[str]]:
        ran = subprocess.run(
            [sys.executable, "-c", CRASHING, str(folder), str(page), *buried],
            capture_output=True,
            text=True,
            cwd=PROJECT,
            check=False,
        )
        return ran.returncode, [line.partition(":")[0] for line in ran.stdout.splitlines()]

    assert run() == (-signal.SIGABRT, ["0.png"])
    left = in_hand.read(page)
    assert left is not None
    assert left.items == {"capture": item_of(folder / "1.png")}
    assert run(left.items["capture"]) == (0, ["0.png", "2.png", "3.png"])
    after = in_hand.read(page)
    assert after is not None
    assert after.items == {}


@pytest.mark.parametrize("watch", [False, True])
def test_a_folder_that_waits_keeps_an_interval_and_leaves_out_no_picture(
    tmp_path: Path, watch: bool
) -> None:
    write_images(tmp_path, [f"{n:02}.png" for n in range(12)])
    clock = FakeClock()
    paced = source(tmp_path, clock=clock, interval_s=2.0, watch=watch, poll_s=0.1)
    paced.open()
    frames: list[Any] = []
    while len(frames) < 12:
        frame = paced.read()
        if frame is not None:
            frames.append(frame)
    assert names(frames) == [f"{n:02}.png" for n in range(12)]
    times = [frame.captured.boottime_ns / 1e9 for frame in frames]
    assert [round(b - a, 3) for a, b in itertools.pairwise(times)] == [2.0] * 11
    assert waits_by_itself(f"folder:{tmp_path}", Capture(watch=watch))


def test_a_folder_that_plays_the_live_camera_leaves_its_interval_to_the_gate(
    tmp_path: Path,
) -> None:
    write_images(tmp_path, [f"{n}.png" for n in range(5)])
    clock = FakeClock()
    live = source(tmp_path, clock=clock, interval_s=60.0, live=True, fps=10.0)
    began_ns = clock.now_ns
    assert len(read_all(live).items) == 5
    assert (clock.now_ns - began_ns) / 1e9 == pytest.approx(0.4)
    assert not waits_by_itself("folder:x", Capture(live=True))
    assert not waits_by_itself("file:x.mp4", Capture())


def test_a_replay_of_one_picture_is_never_taken_for_a_frozen_camera(tmp_path: Path) -> None:
    for n in range(40):
        write_image(tmp_path / f"{n:02}.png", 7)
    for live, realtime in ((False, False), (True, False), (False, True)):
        replay = source(tmp_path, fps=1.0, live=live, realtime=realtime)
        assert len(read_all(replay).items) == 40


def test_a_jpegs_own_bytes_come_with_it_and_nothing_else_does(tmp_path: Path) -> None:
    jpeg, png = write_image(tmp_path / "a.jpg", 3), write_image(tmp_path / "b.png", 4)
    first, second = read_all(source(tmp_path)).items
    assert first.encoded == jpeg.read_bytes()
    assert second.encoded is None
    assert png.exists()


@pytest.mark.parametrize("watch", [False, True])
def test_a_folder_that_goes_away_buries_none_of_the_pictures_that_wait_in_it(
    tmp_path: Path, watch: bool
) -> None:
    """As a network share or a stick does."""
    folder, away = tmp_path / "share", tmp_path / "away"
    folder.mkdir()
    write_images(folder, ["a.png", "b.png", "c.png"])
    reading = source(folder, watch=watch)
    reading.open()
    first = next(frame for frame in iter(reading.read, object()) if frame is not None)
    folder.rename(away)
    for _ in range(2):
        with pytest.raises(SourceUnavailable, match="the folder cannot be read"):
            reading.read()
    reading.close()
    away.rename(folder)
    reading.open()
    rest = looks(reading) if watch else [reading.read(), reading.read()]
    assert names([first, *rest]) == ["a.png", "b.png", "c.png"]


@pytest.mark.parametrize("suffix", [".tif", ".tiff", ".webp", ".TIF"])
def test_tiff_and_webp_are_pictures_like_others(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"a{suffix}").write_bytes(encoded(suffix.lower(), photograph()))
    (frame,) = read_all(source(tmp_path)).items
    assert frame.pixels.shape == photograph().shape


@pytest.mark.parametrize("notify", ["auto", "poll"])
def test_sub_folders_are_read_by_a_key(tmp_path: Path, notify: str) -> None:
    for place in ("b", "a/inner"):
        (tmp_path / place).mkdir(parents=True)
        write_images(tmp_path / place, ["1.png"])
    write_images(tmp_path, ["z.png"])
    whole = ["a/inner/1.png", "b/1.png", "z.png"]
    assert names(read_all(source(tmp_path)).items) == ["z.png"]
    assert names(read_all(source(tmp_path, subfolders=True)).items) == whole
    watching = source(tmp_path, subfolders=True, watch=True, notify=notify)
    watching.open()
    assert names(looks(watching)) == whole
    (tmp_path / "c/new").mkdir(parents=True)  # one that comes later
    write_images(tmp_path / "c/new", ["2.png"])
    assert names(looks(watching, 3)) == ["c/new/2.png"]
    write_images(tmp_path / "c/new", ["3.png"])
    assert names(looks(watching, 3)) == ["c/new/3.png"]


@pytest.mark.parametrize("watch", [False, True])
def test_what_is_left_out_is_told_in_one_line_by_kind(
    tmp_path: Path, watch: bool, caplog: pytest.LogCaptureFixture
) -> None:
    write_images(tmp_path, ["a.png"])
    for name in ("1.gif", "2.gif", "3.GIF", "notes.csv", "README", ".hidden.gif", "x.png.tmp"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "LICENSE").touch()
    (tmp_path / "monday").mkdir()
    reading: Any = source(tmp_path, watch=watch)
    reading.open()
    if watch:
        looks(reading, 4)
    told = [record.getMessage() for record in caplog.records]
    expected = (
        f"folder_left_out source=folder:{tmp_path} left out: 3 .gif, "
        "2 names without an ending, 1 .csv, "
        "1 sub-folder (capture.subfolders = true reads them)"
    )
    assert told == [expected]
    assert reading.notes() == {"differs": "", "left_out": expected.partition(f"{tmp_path} ")[2]}


def test_a_folder_of_nothing_but_other_things_says_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "monday").mkdir()
    (tmp_path / "1.gif").write_bytes(b"x")
    with pytest.raises(
        SourceUnavailable, match=r"no picture in it .*left out: 1 \.gif, 1 sub-fold"
    ):
        source(tmp_path).open()


@pytest.mark.parametrize("notify", ["auto", "poll"])
def test_a_picture_that_is_replaced_again_and_again_gives_results_at_that_pace(
    tmp_path: Path, notify: str
) -> None:
    """As cameras do that keep one ``latest.jpg``, faster than the folder is looked at."""
    watching = source(tmp_path, watch=True, notify=notify)
    watching.open()
    seen = []
    for number in range(12):
        write_image(tmp_path / ".new.png", number).rename(tmp_path / "latest.png")
        frame = watching.read()
        if frame is not None:
            seen.append(frame_number(frame.pixels))
    assert len(seen) >= 5
    assert seen == sorted(set(seen))


def test_a_picture_that_is_written_over_without_a_rest_gives_results_in_time(
    tmp_path: Path,
) -> None:
    watching = source(tmp_path, watch=True)
    watching.open()
    seen = []
    for number in range(30):
        write_image(tmp_path / "latest.png", number)
        os.utime(tmp_path / "latest.png", ns=(number, number))
        frame = watching.read()
        if frame is not None:
            seen.append(frame_number(frame.pixels))
    assert seen
    assert seen == sorted(set(seen))


@pytest.mark.parametrize("notify", ["auto", "poll"])
@pytest.mark.parametrize("is_sparse", [True, False])
@pytest.mark.parametrize("suffix", [".bmp", ".tif", ".png", ".jpg"])
def test_a_picture_that_is_written_into_room_kept_for_it_is_judged_once_and_whole(
    tmp_path: Path, suffix: str, is_sparse: bool, notify: str
) -> None:
    """As a share does: all of its size is there from the beginning, half of it is zeros."""
    whole = plain(suffix)
    half = len(whole) // 2
    watching = source(tmp_path, watch=True, notify=notify)
    watching.open()
    path = tmp_path / f"a{suffix}"
    with path.open("wb") as file:
        if is_sparse:
            file.truncate(len(whole))
        else:
            file.write(bytes(len(whole)))
            file.seek(0)
        file.write(whole[:half])
        file.flush()
        assert everything(watching, 4) == ([], [])
        file.write(whole[half:])
    os.utime(path, ns=(1, 1))
    good, bad = everything(watching, 12)
    assert (good, bad) == ([f"a{suffix}"], [])


@pytest.mark.parametrize("notify", ["auto", "poll"])
@pytest.mark.parametrize("suffix", [".bmp", ".tif", ".png", ".jpg"])
def test_a_picture_that_is_written_over_in_place_with_pauses_is_judged_once_and_whole(
    tmp_path: Path, suffix: str, notify: str
) -> None:
    """The old one's length and end stay where they are: half of each would look whole."""
    old, new = plain(suffix), encoded_in_place(suffix)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(old)
    watching = source(tmp_path, watch=True, notify=notify)
    watching.open()
    assert everything(watching, 3) == ([path.name], [])
    third = len(new) // 3
    with path.open("r+b") as file:
        for number, at in enumerate(range(0, len(new), third), 1):
            file.seek(at)
            file.write(new[at : at + third])
            file.flush()
            os.utime(path, ns=(number, number))
            assert everything(watching, 3) == ([], [])
        file.truncate(len(new))
    os.utime(path, ns=(99, 99))
    assert everything(watching, 12) == ([path.name], [])


def encoded_in_place(suffix: str) -> bytes:
    """Another picture of the same size in pixels."""
    packed = [cv2.IMWRITE_TIFF_COMPRESSION, 1] if suffix == ".tif" else []
    done, data = cv2.imencode(suffix, 255 - photograph(), packed)
    assert done
    return bytes(data.tobytes())


@pytest.mark.parametrize("suffix", [".bmp", ".tif", ".png", ".jpg", ".webp"])
def test_a_picture_that_grows_for_seconds_is_judged_once_and_whole(
    tmp_path: Path, suffix: str
) -> None:
    whole = plain(suffix)
    watching = source(tmp_path, watch=True)
    watching.open()
    path = tmp_path / f"a{suffix}"
    told = []
    for part in range(1, 9):
        path.write_bytes(whole[: len(whole) * part // 8])
        os.utime(path, ns=(part, part))
        told.append(everything(watching, 3 if part % 3 else 1))
    good = [name for names_, _ in told for name in names_]
    bad = [item for _, items in told for item in items]
    more = everything(watching, 12)
    assert good + more[0] == [f"a{suffix}"]
    assert bad + more[1] == []


def test_a_dark_picture_without_an_end_mark_is_only_waited_for(tmp_path: Path) -> None:
    """Its last bytes are zeros because it is black there."""
    black = photograph()
    black[: len(black) // 3] = 0
    (tmp_path / "a.bmp").write_bytes(encoded(".bmp", black))
    watching = source(tmp_path, watch=True, poll_s=0.5)
    watching.open()
    assert everything(watching, 5) == ([], [])
    assert everything(watching, 5) == (["a.bmp"], [])
    at_once = source(tmp_path, watch=True, settle_s=0.0)
    at_once.open()
    assert everything(at_once, 2) == (["a.bmp"], [])


def test_of_a_folder_at_rest_nothing_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(tmp_path, [f"{n}.png" for n in range(5)])
    watching = source(tmp_path, watch=True, poll_s=0.5)
    watching.open()
    assert len(looks(watching)) == 5
    asked: list[str] = []
    stat, scandir = os.stat, os.scandir

    def counted(path: Any, **more: Any) -> os.stat_result:
        asked.append(str(path))
        return stat(path, **more)

    def listed(path: Any) -> Any:
        asked.append(str(path))
        return scandir(path)

    monkeypatch.setattr(os, "stat", counted)
    monkeypatch.setattr(os, "scandir", listed)
    looks(watching, 20)
    assert asked == []


def test_what_the_kernel_did_not_tell_is_seen_within_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edge_runtime.capture import inotify

    watching = source(tmp_path, watch=True, poll_s=5.0)
    watching.open()
    assert looks(watching, 1) == []
    monkeypatch.setattr(inotify.Inotify, "changes", lambda _: set())
    write_images(tmp_path, ["a.png"])
    assert len(looks(watching, 150)) == 1  # half a second each


def test_a_folder_that_cannot_be_listened_to_is_looked_at_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from edge_runtime.capture import inotify

    def none_left(_: object, folder: str) -> None:
        raise OSError(28, f"no more watches for {folder}")

    monkeypatch.setattr(inotify.Inotify, "watch", none_left)
    watching = source(tmp_path, watch=True)
    watching.open()
    assert looks(watching, 1) == []
    write_images(tmp_path, ["a.png"])
    assert len(looks(watching, 3)) == 1
    assert "folder_polled" in caplog.text


def test_twelve_bits_in_sixteen_are_told_once_and_shown_by_a_key(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    deep = photograph().astype(np.uint16) * 16
    for name in ("a.png", "b.tif"):
        done, data = cv2.imencode(name[1:], deep)
        assert done
        (tmp_path / name).write_bytes(data.tobytes())
    reading: Any = source(tmp_path)
    dark = read_all(reading).items
    assert "set capture.bits = 12" in reading.notes()["differs"]  # what `status` shows
    assert max(frame.pixels.max() for frame in dark) < 16
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1
    assert "set capture.bits = 12, or 16 if they are right so" in told[0]
    caplog.clear()
    shown = read_all(source(tmp_path, bits=12)).items
    assert [np.array_equal(frame.pixels, photograph()) for frame in shown] == [True, True]
    read_all(source(tmp_path, bits=16))
    assert caplog.records == []
