"""What a FLAC file holds: one stream, or several that were joined, and what each says of itself.

Streaming encoders do not know how many samples will come, and what a header says may be wrong.
So the decoder is not told how many there are: it reads every frame to the end, each proven by its
own checksum, and the header's count and checksum are compared with what came.  Pure reading.
"""

from __future__ import annotations

import hashlib
import itertools
import mmap
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from typing import BinaryIO

    from numpy.typing import NDArray

    from edge_runtime.files.pieces import Piece

MAGIC = b"fLaC"
_STARTS = (b"fLaC\x00\x00\x00\x22", b"fLaC\x80\x00\x00\x22")
"""The mark, and the header of the first block, which describes the stream in 34 bytes."""
_HEAD_BYTES = 42
_COUNT_AT = 21
"""Of 36 bits: the lower half of a byte, and four more."""
_BITS_AT = 20
_MD5_AT = 26
_TAG_BYTES = 128


@dataclass(frozen=True, slots=True)
class Stream:
    """One FLAC within a file; nearly always there is one."""

    begin: int
    """Its first byte within the file."""
    pieces: tuple[Piece, ...]
    """The same stream, its length not told."""
    samples: int | None
    """As its header tells; None: not known to who wrote it."""
    bits: int
    md5: bytes
    """Of all samples, as its header tells; empty: not known to who wrote it."""


def start(file: BinaryIO) -> int:
    """Where the first stream begins, behind an ID3 tag; -1 where there is none."""
    file.seek(0)
    head = file.read(10)
    at = 0
    if head[:3] == b"ID3" and len(head) == 10:
        at = 10 + sum(
            (byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True)
        )
    file.seek(at)
    return at if file.read(8) in _STARTS else -1


def streams(file: BinaryIO, size: int) -> list[Stream]:
    """Each stream of a file of `size` bytes for which `start` gave a place."""
    first = start(file)
    file.seek(max(0, size - _TAG_BYTES))
    end = size - _TAG_BYTES if file.read(3) == b"TAG" else size
    places = [*_places(file, first, end), end]
    return [_stream(file, *place) for place in itertools.pairwise(places)]


def _places(file: BinaryIO, first: int, end: int) -> list[int]:
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        found = set()
        for mark in _STARTS:
            at = data.find(mark, first)
            while 0 <= at < end:
                found.add(at)
                at = data.find(mark, at + 1)
    return sorted(found)


def _stream(file: BinaryIO, begin: int, end: int) -> Stream:
    file.seek(begin)
    head = bytearray(file.read(min(_HEAD_BYTES, end - begin)).ljust(_HEAD_BYTES, b"\0"))
    samples = int.from_bytes(head[_COUNT_AT : _COUNT_AT + 5]) & 0xF_FFFF_FFFF
    bits = ((head[_BITS_AT] & 1) << 4 | head[_COUNT_AT] >> 4) + 1
    md5 = bytes(head[_MD5_AT : _MD5_AT + 16])
    head[_COUNT_AT] &= 0xF0
    head[_COUNT_AT + 1 : _COUNT_AT + 5] = bytes(4)
    rest = (begin + _HEAD_BYTES, max(0, end - begin - _HEAD_BYTES))
    return Stream(begin, (bytes(head), rest), samples or None, bits, md5 if any(md5) else b"")


class Checked:
    """The samples of one stream as they come, against what its header says."""

    def __init__(self, stream: Stream) -> None:
        """Nothing has been read."""
        self._stream = stream
        self._digest = hashlib.md5(usedforsecurity=False)
        self._is_whole = True
        self._count = 0

    def add(self, block: NDArray[np.int32]) -> None:
        """(n, channels) int32, the loudest sample 2^31."""
        self._count += len(block)
        width = (self._stream.bits + 7) // 8
        if self._is_whole and self._stream.md5:
            exact = (block >> (32 - 8 * width)).astype("<i4").view(np.uint8)
            self._digest.update(exact.reshape(*block.shape, 4)[..., :width].tobytes())

    def went_to(self, sample: int) -> None:
        """Reading goes on here: what was left out cannot be proven."""
        self._is_whole = False
        self._count = sample

    def damage(self) -> str:
        """What is wrong at the stream's end; empty where all is as its header says."""
        tell = self._stream.samples
        if tell is not None and self._count < tell:
            return f"cut short: its header tells of {tell} samples, {self._count} are there"
        if self._is_whole and self._stream.md5 and self._digest.digest() != self._stream.md5:
            return "damaged: its samples are not those that its checksum is of"
        return ""

    def remark(self) -> str:
        """What is odd, though every sample is there."""
        tell = self._stream.samples
        if tell is not None and self._count > tell:
            return f"its header tells of {tell} samples, {self._count} are there"
        return ""
