"""Pictures from disk: whole ones decode, everything else is one clear line."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.errors import ItemError
from edge_runtime.files.image import MAX_PIXELS, decode_image, read_image
from tests.support.data import DATA, needs_data

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SHOWN = np.random.default_rng(0).integers(0, 256, (40, 70, 3), np.uint8)


def encoded(suffix: str, pixels: NDArray[np.uint8] = SHOWN) -> bytes:
    ok, data = cv2.imencode(suffix, pixels)
    assert ok
    return data.tobytes()


def png_header(width: int, height: int, body: bytes = b"") -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + body + chunk(b"IEND", b"")


def with_orientation(jpeg: bytes, orientation: int) -> bytes:
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 1) + entry + b"\0\0\0\0"
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


@pytest.mark.parametrize("suffix", [".png", ".bmp"])
def test_a_lossless_picture_comes_back_as_it_was(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"part{suffix}"
    path.write_bytes(encoded(suffix))
    found = read_image(path)
    assert found.dtype == np.uint8
    assert np.array_equal(found, SHOWN)


def test_a_grey_or_transparent_or_16_bit_picture_becomes_8_bit_bgr() -> None:
    grey = SHOWN[:, :, 0]
    assert np.array_equal(decode_image(encoded(".png", grey), "g"), np.stack([grey] * 3, axis=-1))
    transparent = np.dstack([SHOWN, SHOWN[:, :, :1]])
    assert decode_image(encoded(".png", transparent), "t").shape == (40, 70, 3)
    deep = (SHOWN.astype(np.uint16) * 257).view(np.uint16)
    ok, data = cv2.imencode(".png", deep)
    assert ok
    assert np.array_equal(decode_image(data.tobytes(), "d"), SHOWN)


def test_the_exif_orientation_is_obeyed_as_in_any_viewer() -> None:
    found = decode_image(with_orientation(encoded(".jpg"), 6), "turned")
    assert found.shape == (70, 40, 3)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp"])
@pytest.mark.parametrize("part", [0.02, 0.3, 0.7, 0.98])
def test_a_picture_cut_anywhere_is_refused_never_half_shown(suffix: str, part: float) -> None:
    data = encoded(suffix)
    with pytest.raises(ItemError, match=r"^part: "):
        decode_image(data[: int(len(data) * part)], "part")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "it is empty"),
        (b"GIF89a" + b"\0" * 50, "not a JPEG, PNG, BMP, TIFF or WebP picture"),
        (b"#!/bin/sh\n", "not a JPEG, PNG, BMP, TIFF or WebP picture"),
        (b"\x89PNG\r\n\x1a\n", "it does not begin with IHDR"),
        (png_header(4, 4)[:20], "its header is cut short"),
        (b"\xff\xd8\xff\xe0\0\x04ab\0", "a marker is missing"),
        (b"\xff\xd8\xff\xda\0\x02\xff\xd9", "no frame header"),
        (png_header(100_000, 100_000), f"100000 x 100000 pixels; at most {MAX_PIXELS}"),
        (png_header(0, 10), "0 x 10 pixels"),
        (b"BM" + b"\0" * 12 + struct.pack("<Iii", 40, 9000, -9000), "9000 x 9000 pixels"),
    ],
)
def test_what_is_no_bearable_picture_is_refused_before_it_is_decoded(
    data: bytes, told: str
) -> None:
    with pytest.raises(ItemError) as raised:
        decode_image(data, "part.png")
    assert told in str(raised.value)
    assert str(raised.value).startswith("part.png: ")


def test_a_file_that_is_not_there_is_an_item_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ItemError, match=r"gone\.jpg: cannot be read: No such file"):
        read_image(tmp_path / "gone.jpg")
    with pytest.raises(ItemError, match="cannot be read: it is a folder and no file"):
        read_image(tmp_path)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_damaged_picture_gives_a_picture_of_its_size_or_an_item_error(
    data: st.DataObject,
) -> None:
    whole = bytearray(encoded(data.draw(st.sampled_from([".jpg", ".png", ".bmp"]))))
    for _ in range(data.draw(st.integers(1, 5))):
        # Not the size: a larger one is a picture, too, and takes long.
        whole[data.draw(st.integers(30, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = decode_image(bytes(whole), "part")
    except ItemError:
        return
    assert found.ndim == 3
    assert found.shape[2] == 3


@needs_data
def test_every_real_picture_decodes() -> None:
    paths = sorted((DATA / "phone_screen_MSD_GPL3" / "images").glob("*.jpg"))
    assert len(paths) > 30
    for path in paths:
        expected = cv2.imread(str(path))
        assert expected is not None
        assert np.array_equal(read_image(path), expected)
