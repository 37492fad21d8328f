"""The rows of docs/inputs.md on pictures and folders are true."""

from __future__ import annotations

import os
import re
import struct
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from edge_runtime.config import Capture, Lane
from edge_runtime.errors import ItemError
from edge_runtime.files.image import MAX_PIXELS, decode_picture
from tests.support.data import PROJECT
from tests.support.fakes import FakeClock
from tests.support.jpegs import (
    cut,
    entropy_begin,
    jpeg,
    odd_whole_ones,
    photograph,
    scan_headers,
    with_segment,
)
from tests.support.reading import read_all
from tests.support.sources import lane_source

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from edge_runtime.protocols import Source

TEXT = (PROJECT / "docs" / "inputs.md").read_text("utf-8")
PICTURE = photograph()
ODD = odd_whole_ones()


def rows(section: str) -> dict[str, tuple[str, str]]:
    """What becomes of it and what is said, by input."""
    body = re.split(r"(?m)^## ", TEXT.partition(f"\n## {section}\n")[2])[0]
    cells = [
        [c.strip() for c in line.split("|")[1:-1]] for line in body.splitlines() if "|" in line
    ]
    return {what: (becomes, said.strip('"')) for what, becomes, said in cells[2:]}


def encoded(suffix: str, pixels: Any = PICTURE, **settings: int) -> bytes:
    flags: list[int] = []
    for name, value in settings.items():
        flags += [getattr(cv2, f"IMWRITE_{name.upper()}"), value]
    done, data = cv2.imencode(suffix, pixels, flags)
    assert done
    return bytes(data.tobytes())


def exif(turned: int) -> bytes:
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, turned, 0)
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 1) + entry + bytes(4)


def hidden() -> Any:
    return np.dstack([PICTURE, np.zeros(PICTURE.shape[:2], np.uint8)])


def tiff_with(packing: int = 1, **tags: int) -> bytes:
    """A grey one in one strip, with some of its tags as given."""
    whole = encoded(".tif", PICTURE[:, :, 0], tiff_compression=packing, tiff_rowsperstrip=251)
    data = bytearray(whole)
    (at,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        (tag,) = struct.unpack_from("<H", data, entry)
        if f"t{tag}" in tags:
            struct.pack_into("<HII", data, entry + 2, 4, 1, tags[f"t{tag}"])
    return bytes(data)


PLAIN = ODD["plain"]
SCAN = entropy_begin(PLAIN)
PROGRESSIVE = ODD["progressive"]
DEEP = PICTURE.astype(np.uint16) * 16
PNG = encoded(".png")
LONG = struct.pack("<Iii", 40, 9000, -9000)

PICTURES: dict[str, Sequence[bytes]] = {
    "JPEG: colour, grey, CMYK, 4:4:4 to 4:1:1, progressive, restart markers": [
        ODD[kind]
        for kind in ("plain", "grey", "CMYK", "4:4:4", "4:2:2", "4:1:1", "restart markers")
    ]
    + [PROGRESSIVE],
    "JPEG with another picture or other bytes behind its end": [
        ODD["two pictures"],
        ODD["bytes behind its end"],
        ODD["an older one's tail behind it"],
    ],
    "JPEG turned by its EXIF orientation": [with_segment(PLAIN, 0xE1, exif(6))],
    "JPEG, half of its data missing, the end marker there": [cut(PLAIN, 0.5), cut(PLAIN, 0.25)],
    "JPEG without its end": [PLAIN[:-2], PLAIN[: len(PLAIN) // 2]],
    "JPEG, progressive, whose last scans are missing": [
        PROGRESSIVE[: scan_headers(PROGRESSIVE)[2]] + b"\xff\xd9"
    ],
    "JPEG, a short one over the tail of an older one": [
        jpeg(PICTURE[::-1], quality=70)[:4000] + PLAIN[4000:]
    ],
    "JPEG with 600 zero bytes that its tables cannot give": [
        PLAIN[: SCAN + 2000] + bytes(600) + PLAIN[SCAN + 2600 :]
    ],
    "JPEG with a few bytes more than its blocks take": [PLAIN[:-2] + b"\x9a\x17\xff\xd9"],
    "JPEG of 12 bits, lossless JPEG": [
        PLAIN.replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc1\x00\x11\x0c", 1)
    ],
    "PNG: 8 and 16 bits, grey, colour, palette": [
        PNG,
        encoded(".png", PICTURE[:, :, 0]),
        encoded(".png", PICTURE.astype(np.uint16) * 257),
    ],
    "PNG with a flipped bit, in whatever chunk": [
        PNG[:at] + bytes((PNG[at] ^ 4,)) + PNG[at + 1 :] for at in (25, 3000, len(PNG) - 2)
    ],
    "PNG without its end": [PNG[:-12], PNG[:-4], PNG[:3000]],
    "PNG or WebP with transparent parts": [
        encoded(".png", hidden()),
        encoded(".webp", hidden(), webp_quality=101),
    ],
    "PNG or TIFF, 12 bits in 16": [encoded(".png", DEEP), encoded(".tif", DEEP)],
    "BMP: 1 to 32 bits, packed rows": [encoded(".bmp"), encoded(".bmp", PICTURE[:, :, 0])],
    "BMP whose last rows are missing": [encoded(".bmp")[:-1000]],
    "TIFF: 1 to 16 bits, plain, LZW, Deflate, PackBits, JPEG": [
        *(encoded(".tif", tiff_compression=way) for way in (1, 5, 7, 8, 32773)),
        encoded(".tif", PICTURE.astype(np.uint16) * 257),
    ],
    "TIFF whose strips are not all there": [tiff_with(t273=1 << 24)],
    "TIFF with packed rows that end early": [tiff_with(way, t279=9000) for way in (1, 5)],
    "TIFF packed otherwise, of 32 bits, of broken numbers": [
        tiff_with(t259=4),
        tiff_with(t258=32),
        tiff_with(t339=3),
    ],
    "WebP: lossy and lossless": [
        encoded(".webp", webp_quality=80),
        encoded(".webp", webp_quality=101),
    ],
    "WebP cut short": [encoded(".webp")[:-100]],
    "WebP, animated": [b"RIFF\x1a\0\0\0WEBPVP8X\x0a\0\0\0\2" + bytes(13)],
    "something else with a picture's name": [b"GIF89a" + bytes(50), b"<html>", bytes(100)],
    "a picture of more than 50 megapixels": [b"BM" + bytes(12) + LONG],
}
SAME_WITH_BITS = "the same with `capture.bits = 12` or `--bits 12`"


def test_every_row_on_pictures_is_run_and_every_run_is_a_row() -> None:
    assert set(rows("Pictures")) == {*PICTURES, SAME_WITH_BITS}
    assert MAX_PIXELS == 50_000_000


@pytest.mark.parametrize("what", PICTURES)
def test_a_picture_becomes_what_its_row_says(what: str) -> None:
    becomes, said = rows("Pictures")[what]
    for data in PICTURES[what]:
        if becomes == "refused":
            with pytest.raises(ItemError, match=re.escape(said)):
                decode_picture(data, "part")
            continue
        found = decode_picture(data, "part")
        assert found.pixels.shape[2] == 3
        assert bool(found.advice) is (becomes == "told")
        assert said in found.advice


def test_the_bits_of_a_camera_are_shown_as_its_row_says() -> None:
    assert rows("Pictures")[SAME_WITH_BITS] == ("read", "")
    for data in PICTURES["PNG or TIFF, 12 bits in 16"]:
        found = decode_picture(data, "part", 12)
        assert np.array_equal(found.pixels, PICTURE)
        assert found.advice == ""


def folder(path: Path, **capture: Any) -> Source[Any]:
    lane = Lane(source=f"folder:{path}", capture=Capture(**capture))
    return lane_source(lane, clock=FakeClock())


def watched(source: Source[Any], looks: int) -> tuple[int, int]:
    """How many were judged and how many were bad in so many looks."""
    judged = bad = 0
    for _ in range(looks):
        try:
            judged += source.read() is not None
        except ItemError:
            bad += 1
    return judged, bad


def not_utf_8(path: Path) -> None:
    with open(os.fsencode(path) + b"/pr\xfcf.jpg", "wb") as file:  # noqa: PTH123
        file.write(PLAIN)
    assert len(read_all(folder(path)).items) == 1


def no_file(path: Path) -> None:
    os.mkfifo(path / "a.jpg")
    (path / "b.jpg").mkdir()
    (path / "c.jpg").symlink_to(path / "nowhere")
    found = read_all(folder(path))
    assert found.items == []
    assert len(found.bad) == 3
    assert all("cannot be read: it is a" in told for told in found.bad)


def others(path: Path) -> None:
    for name in ("1.gif", "2.gif", "a.jpg"):
        (path / name).write_bytes(PLAIN)
    (path / "monday").mkdir()
    assert len(read_all(folder(path)).items) == 1


def sub_folders(path: Path) -> None:
    (path / "monday").mkdir()
    (path / "monday" / "a.jpg").write_bytes(PLAIN)
    assert len(read_all(folder(path, subfolders=True)).items) == 1


def grows(path: Path) -> None:
    source = folder(path, watch=True)
    source.open()
    counts = []
    for part in (1, 2, 3, 4):
        (path / "a.jpg").write_bytes(PLAIN[: len(PLAIN) * part // 4])
        counts.append(watched(source, 3))
    counts.append(watched(source, 20))
    assert np.sum(counts, axis=0).tolist() == [1, 0]


def room_kept(path: Path) -> None:
    whole = encoded(".bmp")
    source = folder(path, watch=True)
    source.open()
    (path / "a.bmp").write_bytes(whole[: len(whole) // 2] + bytes(len(whole) - len(whole) // 2))
    first = watched(source, 4)
    (path / "a.bmp").write_bytes(whole)
    assert (first, watched(source, 20)) == ((0, 0), (1, 0))


def damaged(path: Path) -> None:
    (path / "a.jpg").write_bytes(cut(PLAIN, 0.5))
    (path / "b.png").write_bytes(PNG[:3000] + b"damage" + PNG[3006:])
    source = folder(path, watch=True)
    source.open()
    assert watched(source, 4) == (0, 2)
    assert watched(source, 30) == (0, 0)


def stays_damaged(path: Path) -> None:
    (path / "a.jpg").write_bytes(PLAIN[:9000])
    source = folder(path, watch=True)
    source.open()
    assert watched(source, 5) == (0, 0)
    assert watched(source, 30) == (0, 1)


def latest(path: Path) -> None:
    source = folder(path, watch=True)
    source.open()
    judged = 0
    for number in range(10):
        (path / ".new").write_bytes(jpeg(PICTURE + np.uint8(number)))
        (path / ".new").rename(path / "latest.jpg")
        judged += watched(source, 1)[0]
    assert judged >= 5


def anew(path: Path) -> None:
    source = folder(path, watch=True)
    source.open()
    judged = []
    for number in range(3):
        (path / "a.jpg").write_bytes(jpeg(PICTURE + np.uint8(number)))
        os.utime(path / "a.jpg", ns=(number, number))
        judged.append(watched(source, 5))
    assert judged == [(1, 0)] * 3


def in_place(path: Path) -> None:
    """One file is half the old picture and half the new for a while."""
    old, new = (encoded(".bmp", PICTURE + np.uint8(n)) for n in (0, 90))
    (path / "a.bmp").write_bytes(old)
    source = folder(path, watch=True)
    source.open()
    assert watched(source, 5) == (1, 0)
    with (path / "a.bmp").open("r+b") as file:
        for at in range(0, len(new), len(new) // 2 + 1):
            file.seek(at)
            file.write(new[at : at + len(new) // 2 + 1])
            file.flush()
            os.utime(path / "a.bmp", ns=(at, at))
            assert watched(source, 3) == (0, 0)
    assert watched(source, 20) == (1, 0)


FOLDERS: dict[str, Callable[[Path], None]] = {
    "a name that is not UTF-8": not_utf_8,
    "a pipe, a folder, a socket or a dead link with a picture's name": no_file,
    "other files, sub-folders": others,
    "sub-folders with `capture.subfolders = true`": sub_folders,
    "watched: a file that grows for seconds": grows,
    "watched: a file written into room that was kept for it": room_kept,
    "watched: a file that is damaged and has its end": damaged,
    "watched: a file that is cut short and stays so": stays_damaged,
    "watched: `latest.jpg`, replaced faster than the folder is looked at": latest,
    "watched: a file written anew under its old name": anew,
    "watched: a file written over in place, with pauses": in_place,
}


def test_every_row_on_folders_is_run_and_every_run_is_a_row() -> None:
    assert set(rows("Folders")) == set(FOLDERS)


@pytest.mark.parametrize("what", FOLDERS)
def test_a_folder_does_what_its_row_says(
    what: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    FOLDERS[what](tmp_path)
    _, said = rows("Folders")[what]
    if said.startswith("left out"):
        assert said in caplog.text


def test_the_times_that_the_document_names_are_the_defaults() -> None:
    assert f"`capture.poll_s` ({Capture().poll_s:g})" in TEXT
    assert f"`capture.settle_s` ({Capture().settle_s:g})" in TEXT
