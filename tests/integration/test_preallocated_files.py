"""Files that a disk kept room for and nobody filled: told at once, whatever their length."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from edge_runtime.errors import ItemError
from edge_runtime.files import flac_head, wav
from edge_runtime.files.image import decode_image

ZEROS = bytes(4096)


class Reads:
    """A file of zeros behind a head, which counts how often it is read."""

    def __init__(self, head: bytes, size: int) -> None:
        self._head, self._size = head, size
        self._at = self.times = 0

    def seek(self, at: int, whence: int = 0) -> int:
        self._at = at if whence == 0 else self._size + at
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, count: int = -1) -> bytes:
        self.times += 1
        count = self._size - self._at if count < 0 else count
        there = (self._head + ZEROS)[self._at : self._at + count]
        data = there.ljust(max(0, min(count, self._size - self._at)), b"\0")
        self._at += len(data)
        return data


def test_zeros_behind_the_head_of_a_flac_are_not_walked_through() -> None:
    stream_info = b"fLaC\x00\x00\x00\x22" + bytes(34)
    file = Reads(stream_info, 100 << 20)
    assert flac_head._first_frame(file, 0) == -1  # type: ignore[arg-type]
    assert file.times < 10


def test_zeros_behind_the_head_of_a_wav_are_not_walked_through() -> None:
    file = Reads(b"RIFF\xff\xff\xff\x00WAVE", 100 << 20)
    with pytest.raises(ItemError, match="no sound behind its header"):
        wav._chunks(file, 0, 100 << 20, "<")  # type: ignore[arg-type]
    assert file.times < 10


def test_a_tiff_whose_piece_is_larger_than_any_picture_is_refused_before_it_is_unpacked(
    tmp_path: Path,
) -> None:
    tags = [
        (256, 4, 8), (257, 4, 8), (258, 3, 8), (259, 3, 8), (262, 3, 1), (277, 3, 1),
        (322, 4, 0xFFFF_FFF0), (323, 4, 0xFFFF_FFF0), (324, 4, 200), (325, 4, 20),
    ]  # fmt: skip
    data = b"II" + struct.pack("<HIH", 42, 8, len(tags))
    data += b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    data = (data + bytes(4)).ljust(300, b"\0")
    with pytest.raises(ItemError, match="are unpacked"):
        decode_image(data, "part.tif")
