"""Every row of "Cameras over RTSP" and "Recordings" in docs/inputs.md, run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.capture import decoders, recording
from edge_runtime.capture.camera import Camera
from edge_runtime.capture.video import VideoFile
from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.config import Capture
from edge_runtime.errors import ItemError, SourceUnavailable
from tests.support.data import PROJECT
from tests.support.h264 import encoded, with_b_frames, write_video
from tests.support.media_files import write_video as write_motion_jpeg
from tests.support.odd_camera import says
from tests.support.raw_server import RawServer
from tests.support.reading import read_all
from tests.support.rtsp_camera import Behaviour, RtspCamera

TEXT = (PROJECT / "docs" / "inputs.md").read_text("utf-8")


def table(title: str) -> list[list[str]]:
    text = TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[1:]]


@dataclass
class Case:
    does: Callable[[], Behaviour] = Behaviour
    pictures: Callable[[], list[list[bytes]]] = lambda: encoded(40)
    capture: dict[str, Any] = field(default_factory=dict)
    login: str = ""


def two_sizes() -> list[list[bytes]]:
    return [*encoded(10), *encoded(10, size=(480, 352), first=10)]


def without_keys() -> list[list[bytes]]:
    return [picture[-1:] for picture in encoded(40, key_every=100)[1:]]


def is_lost(picture: int, packet: int, _of: int) -> bool:
    return picture == 14 and packet == 1


CAMERAS = {
    "H.264 over TCP": Case(),
    "H.265 over TCP": Case(lambda: Behaviour(codec="hevc"), lambda: encoded(40, codec="hevc")),
    "H.264 over UDP": Case(capture={"transport": "udp"}),
    "UDP packets that change places": Case(
        lambda: Behaviour(swaps=True), capture={"transport": "udp"}
    ),
    "pictures with B-frames": Case(
        lambda: Behaviour(order=with_b_frames(40)[1]), lambda: with_b_frames(40)[0]
    ),
    "a stream that changes its size": Case(pictures=two_sizes),
    "a stream that is joined between two key frames": Case(pictures=lambda: encoded(40)[4:]),
    "a camera that wants a digest": Case(lambda: Behaviour(password="u:p"), login="u:p@"),
    "lost packets over TCP": Case(
        lambda: Behaviour(drops=lambda p, i, of: p == 14 and i >= of // 2)
    ),
    "lost packets over UDP": Case(lambda: Behaviour(drops=is_lost), capture={"transport": "udp"}),
    "lost pictures": Case(lambda: Behaviour(drops=lambda p, *_: p == 14)),
    "half of a key picture": Case(
        lambda: Behaviour(drops=lambda p, i, of: p == 20 and i >= of // 2)
    ),
    "wrong bits in a picture (with the extra `video`)": Case(
        lambda: Behaviour(flips=lambda p: p in (12, 13, 14))
    ),
    "a camera that refuses TCP": Case(lambda: Behaviour(refuses="TCP")),
    "a camera that refuses UDP, asked for it": Case(
        lambda: Behaviour(refuses="UDP"), capture={"transport": "udp"}
    ),
    "answer 401, no user given": Case(lambda: Behaviour(password="u:p")),
    "answer 401, wrong password": Case(lambda: Behaviour(password="u:p"), login="u:x@"),
    "answer 403": Case(lambda: Behaviour(status={"DESCRIBE": "403 Forbidden"})),
    "answer 404": Case(lambda: Behaviour(status={"DESCRIBE": "404 Not Found"})),
    "answer 453": Case(lambda: Behaviour(status={"SETUP": "453 Not Enough Bandwidth"})),
    "nothing but sound": Case(lambda: Behaviour(codec="")),
    "no picture at all": Case(
        lambda: Behaviour(stays_silent=True), capture={"open_timeout_s": 1.0}
    ),
    "a picture now and then (triggered)": Case(
        lambda: Behaviour(fps=0.3), capture={"read_timeout_s": 0.5}
    ),
    "no key frame": Case(pictures=without_keys, capture={"open_timeout_s": 1.0}),
    "another protocol": Case(),
}


@contextlib.contextmanager
def address_of(what: str, case: Case) -> Iterator[str]:
    if what == "another protocol":
        with RawServer(says(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as other:
            yield other.url.replace("http:", "rtsp:")
    else:
        with RtspCamera(case.pictures(), case.does()) as camera:
            yield camera.url.replace("//", "//" + case.login)


def test_every_kind_of_camera_stands_in_the_table_once() -> None:
    assert [row[0] for row in table("Cameras over RTSP")] == list(CAMERAS)


@pytest.mark.parametrize("row", table("Cameras over RTSP"), ids=lambda row: row[0])
def test_a_camera_does_what_the_table_has(row: list[str]) -> None:
    what, becomes, said = row
    case = CAMERAS[what]
    seen, bad, away = 0, [], ""
    with address_of(what, case) as url:
        source = Camera(url, Capture(**case.capture), clock=SYSTEM_CLOCK)
        try:
            source.open()
            for _ in range(30):
                try:
                    seen += source.read() is not None  # None: not yet
                except ItemError as exc:
                    bad.append(str(exc))
        except SourceUnavailable as exc:
            away = str(exc)
        finally:
            source.close()
    told = {"bad item": "\n".join(bad), "away": away}.get(becomes, "")
    assert said.strip('"') in told
    assert bool(bad) == (becomes == "bad item")
    assert bool(away) == (becomes == "away"), away
    assert seen or becomes == "away"


def video(path: Path) -> Path:
    write_video(path, 60)
    return path


def wrong_bytes(path: Path) -> Path:
    data = path.read_bytes()
    middle = len(data) // 2
    path.write_bytes(data[:middle] + bytes(300) + data[middle + 300 :])
    return path


def first_half(path: Path, share: float = 0.5) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def sizes(path: Path) -> Path:
    path.write_bytes(b"".join(b"\0\0\0\1" + nal for nals in two_sizes() for nal in nals))
    return path


def notes(path: Path) -> Path:
    path.write_text("part,label\n1,ok\n" * 50)
    return path


def torn_motion_jpeg(path: Path) -> Path:
    write_video(path, 12, encoder="mjpeg", strict="-1")
    data = bytearray(path.read_bytes())
    middle = data.find(b"\xff\xda", len(data) // 2) + 100  # in a picture's data
    data[middle : middle + 400] = bytes(400)
    path.write_bytes(data)
    return path


RECORDINGS: dict[str, Callable[[Path], list[Path]]] = {
    "H.264 in MP4, MKV and TS": lambda to: [
        video(to / f"a.{kind}") for kind in ("mp4", "mkv", "ts")
    ],
    "a recording that changes its size": lambda to: [sizes(to / "a.h264")],
    "wrong bytes in H.264": lambda to: [
        wrong_bytes(video(to / f"a.{kind}")) for kind in ("mp4", "mkv", "ts")
    ],
    "wrong bytes in motion JPEG": lambda to: [torn_motion_jpeg(to / "a.avi")],
    "a recording that is cut short": lambda to: [first_half(write_motion_jpeg(to / "a.avi", 30))],
    "MP4 without its index": lambda to: [first_half(video(to / "a.mp4"), 0.8)],
    "no video": lambda to: [notes(to / "a.mp4")],
}


def test_every_kind_of_recording_stands_in_the_table_once() -> None:
    assert [row[0] for row in table("Recordings")] == list(RECORDINGS)


@pytest.mark.parametrize("extra", [True, False], ids=["with", "without"])
@pytest.mark.parametrize("row", table("Recordings"), ids=lambda row: row[0])
def test_a_recording_is_read_as_the_table_has_it(
    row: list[str], extra: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (recording, decoders):
        monkeypatch.setattr(module, "hears_damage", lambda: extra)
    what, with_extra, without, said = row
    becomes = with_extra if extra else without
    for path in RECORDINGS[what](tmp_path):
        source = VideoFile(f"file:{path}", path, Capture(), clock=SYSTEM_CLOCK)
        if becomes == "refused":
            with pytest.raises(SourceUnavailable, match=said.strip('"')):
                source.open()
            continue
        found = read_all(source)
        assert found.items
        assert bool(found.bad) == (becomes != "read")
        if found.bad:
            told = "\n".join(found.bad)
            assert all(each.strip('"') in told for each in said.split(", "))
