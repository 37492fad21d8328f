"""JPEG: whole ones of every kind are read, damaged ones are refused, whatever stands behind."""

from __future__ import annotations

import random
import shutil
import subprocess
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from edge_runtime.errors import ItemError
from edge_runtime.files.image import decode_image
from tests.support.data import DATA, needs_data
from tests.support.jpegs import (
    END,
    cut,
    entropy_begin,
    jpeg,
    odd_whole_ones,
    photograph,
    scan_headers,
    with_segment,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

WHOLE = odd_whole_ones()
KINDS = ["plain", "grey", "progressive", "restart markers", "tables of its own", "4:4:4", "CMYK"]
needs_djpeg = pytest.mark.skipif(shutil.which("djpeg") is None, reason="no djpeg here")


def expected(data: bytes) -> NDArray[np.uint8]:
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert found is not None
    return np.asarray(found, np.uint8)


@pytest.mark.parametrize("kind", WHOLE)
def test_a_whole_jpeg_of_an_odd_kind_is_read_to_the_pixel(kind: str) -> None:
    found = decode_image(WHOLE[kind], "part.jpg")
    shown = expected(WHOLE[kind])
    assert found.shape == shown.shape
    assert found.flags.c_contiguous
    differs = np.abs(found.astype(int) - shown)
    assert not differs[:-1].any()
    # Its colours are drawn between two rows, of which the lower one is the file's filling.
    assert differs[-1].max() <= 6


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.9])
def test_a_jpeg_with_half_its_data_and_the_end_marker_is_refused(kind: str, share: float) -> None:
    with pytest.raises(ItemError, match=r"^part\.jpg: the JPEG picture is (damaged or )?cut short"):
        decode_image(cut(WHOLE[kind], share), "part.jpg")


@pytest.mark.parametrize("height", [240, 251])
def test_a_baseline_jpeg_cut_at_any_byte_of_its_data_is_refused(height: int) -> None:
    """The last byte holds at least one bit of the picture."""
    data = jpeg(photograph(height, 96))
    begin = entropy_begin(data)
    for at in range(begin, len(data) - 2):
        if data[at - 1] == 0xFF:
            continue
        with pytest.raises(ItemError):
            decode_image(data[:at] + END, "part.jpg")


def test_a_progressive_jpeg_cut_between_two_of_its_scans_is_refused() -> None:
    """libjpeg shows what there is, and says nothing of what is not."""
    data = WHOLE["progressive"]
    headers = scan_headers(data)
    assert len(headers) >= 8
    for at in headers[1:]:
        tables = data.rfind(b"\xff\xc4", 0, at)
        behind = tables if data.find(b"\xff\xda", tables) == at else at
        with pytest.raises(ItemError, match="of its scans only the first"):
            decode_image(data[:behind] + END, "part.jpg")


@pytest.mark.parametrize("kind", ["plain", "grey", "progressive", "tables of its own", "4:4:4"])
def test_a_block_that_was_never_written_is_refused(kind: str) -> None:
    data = WHOLE[kind]
    begin = entropy_begin(data)
    for at in range(begin, len(data) - 602, 97):
        with pytest.raises(ItemError):
            decode_image(data[:at] + bytes(600) + data[at + 600 :], "part.jpg")


def test_zeros_that_the_files_own_tables_can_give_are_a_picture() -> None:
    assert bytes(64) in WHOLE["black"][entropy_begin(WHOLE["black"]) :]
    assert not decode_image(WHOLE["black"], "black").any()


def test_a_short_file_over_the_tail_of_an_older_one_is_refused() -> None:
    new, old = jpeg(photograph()[::-1], quality=80), WHOLE["plain"]
    for at in range(entropy_begin(new) + 100, len(new) - 500, 211):
        with pytest.raises(ItemError):
            decode_image(new[:at] + old[at:], "part.jpg")


def test_a_picture_that_begins_in_the_midst_of_another_is_refused() -> None:
    new = WHOLE["plain"]
    with pytest.raises(ItemError, match="another one begins in its midst"):
        decode_image(new[: len(new) // 2] + WHOLE["grey"], "part.jpg")


@pytest.mark.parametrize("extra", [b"\x9a", b"\x9a\x17", b"\x5a\xc3\x99\x01\x77"])
def test_a_few_bytes_too_many_behind_the_last_block_are_damage(extra: bytes) -> None:
    """libjpeg alone never mentions the last seven."""
    with pytest.raises(ItemError, match="extraneous"):
        decode_image(WHOLE["plain"][:-2] + extra + END, "part.jpg")


def test_a_code_that_does_not_exist_is_damage_though_the_fast_way_takes_it() -> None:
    data = WHOLE["plain"]
    refused = 0
    for at in range(entropy_begin(data) + 100, len(data) - 400, 131):
        if 0xFF in data[at - 1 : at + 4]:
            continue
        wrong = data[:at] + b"\xff\x00\xff\x00\xff\x00" + data[at + 3 :]
        with pytest.raises(ItemError):
            decode_image(wrong, "part.jpg")
        refused += 1
    assert refused > 50


@pytest.mark.parametrize("turned", range(1, 9))
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_exif_orientation_shows_what_a_viewer_shows(turned: int, order: str) -> None:
    import struct

    entry = struct.pack(order + "HHIHH", 0x0112, 3, 1, turned, 0)
    head = {"<": b"II", ">": b"MM"}[order] + struct.pack(order + "HI", 42, 8)
    exif = b"Exif\0\0" + head + struct.pack(order + "H", 1) + entry + bytes(4)
    data = with_segment(jpeg(photograph(96, 64), sampling_factor=0x111111), 0xE1, exif)
    assert np.array_equal(decode_image(data, "turned"), expected(data))


@pytest.mark.parametrize(
    ("frame", "told"), [(0xC3, "lossless or hierarchical"), (0xC5, "lossless or hierarchical")]
)
def test_a_jpeg_of_a_kind_that_is_not_read_says_so(frame: int, told: str) -> None:
    data = WHOLE["plain"].replace(b"\xff\xc0", bytes((0xFF, frame)), 1)
    with pytest.raises(ItemError, match=told):
        decode_image(data, "part.jpg")
    twelve = WHOLE["plain"].replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc1\x00\x11\x0c", 1)
    with pytest.raises(ItemError, match="a JPEG picture of 12 bits"):
        decode_image(twelve, "part.jpg")


@needs_djpeg
def test_no_jpeg_is_judged_that_djpeg_reports() -> None:
    """Flipped bits, missing and doubled bytes: what the strictest other decoder says of them."""
    rng = random.Random(5)
    judged_though_reported = []
    for number in range(150):
        kind = rng.choice(KINDS)
        data = bytearray(WHOLE[kind])
        at = rng.randrange(entropy_begin(bytes(data)), len(data) - 40)
        how = rng.choice(["flip", "lose", "double"])
        if how == "flip":
            data[at] ^= 1 << rng.randrange(8)
        elif how == "lose":
            del data[at : at + rng.randrange(1, 30)]
        else:
            data[at:at] = data[at : at + rng.randrange(1, 30)]
        told = subprocess.run(
            ["djpeg", "-strict"], input=bytes(data), capture_output=True, check=False
        )
        try:
            decode_image(bytes(data), "part.jpg")
        except ItemError:
            continue
        if told.returncode:
            judged_though_reported.append((number, kind, how, told.stderr))
    assert judged_though_reported == []


@needs_data
def test_every_real_jpeg_is_read_as_before() -> None:
    paths = sorted((DATA / "ballscrew_BSData_CC-BY-SA").rglob("*.jpg"))[::20]
    assert len(paths) > 15
    for path in paths:
        data = path.read_bytes()
        assert np.array_equal(decode_image(data, "real")[:-1], expected(data)[:-1])
