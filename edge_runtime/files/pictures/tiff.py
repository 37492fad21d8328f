"""TIFF's own structure: whether all strips or tiles of the first picture are there.  Pure.

libtiff goes on where packed data end early or make no sense, and says so only in a log.  What can
be unpacked here without a library is unpacked to see that it gives all rows; packings whose damage
nobody would tell of are not read.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.files.pictures.damaged import Damaged
from edge_runtime.files.pictures.opencv import MAX_PIXELS
from edge_runtime.files.pictures.tiff_packed import CHECKS, JPEG, PLAIN, check_plain

if TYPE_CHECKING:
    from collections.abc import Iterator

_ORDERS = {b"II": "<", b"MM": ">"}
_CLASSIC, _BIG = 42, 43
# Field types: bytes each, and how they are unpacked.
_TYPES = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_WIDTH, _HEIGHT, _DEPTHS, _PACKING, _PHOTOMETRIC = 256, 257, 258, 259, 262
_STRIPS, _SAMPLES, _ROWS_PER_STRIP, _STRIP_BYTES = 273, 277, 278, 279
_PLANAR, _TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES = 284, 322, 323, 324, 325
_EXTRA_SAMPLES, _FORMAT, _JPEG_TABLES = 338, 339, 347
_MAX_VALUES = 1 << 20
_SEPARATE = 2
_WHOLE_NUMBERS = 1
_PALETTE = 3
_PLAIN_ALPHA = 2

MAX_PIECE_BYTES = 8 * MAX_PIXELS
"""Of a strip or tile: four samples of 16 bits each for the largest picture that is decoded."""


@dataclass(frozen=True, slots=True)
class Header:
    """What decides whether and how it is decoded."""

    width: int
    height: int
    has_alpha: bool
    """With colours that are not multiplied by it yet."""
    depth: int
    """Bits a sample, 1 to 16."""


@dataclass(frozen=True, slots=True)
class _Piece:
    at: int
    packed_bytes: int
    whole_bytes: tuple[int, int]
    """Unpacked: of its rows in the picture, and of all that a piece has."""


def is_tiff(data: bytes) -> bool:
    """By its first bytes."""
    return data[:4] in {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"}


class Tiff:
    """The first picture of a file."""

    def __init__(self, data: bytes) -> None:
        """Read its directory.  Raises `Damaged`."""
        self._data = data
        self._order = _ORDERS[data[:2]]
        try:
            self._tags = self._directory()
        except (struct.error, IndexError, OverflowError) as exc:
            raise Damaged("the TIFF picture is cut short: its directory is missing") from exc
        self._packing = self._one(_PACKING, PLAIN)
        self._samples = self._one(_SAMPLES, 1)

    def header(self) -> Header:
        """Raises `Damaged` for what no decoder here reads."""
        depths = set(self._all(_DEPTHS) or [1])
        if len(depths) != 1 or not 1 <= max(depths) <= 16:
            shown = " ".join(str(depth) for depth in sorted(depths))
            raise Damaged(f"a TIFF picture of {shown} bits; those of 1 to 16 bits are read")
        if set(self._all(_FORMAT) or [_WHOLE_NUMBERS]) != {_WHOLE_NUMBERS}:
            raise Damaged("a TIFF picture of signed or broken numbers; whole ones are read")
        if self._packing not in {PLAIN, JPEG, *CHECKS}:
            raise Damaged(
                f"a TIFF picture packed in way {self._packing}; "
                "plain, LZW, Deflate, PackBits and JPEG are read"
            )
        (depth,) = depths
        alpha = self._samples in {2, 4} and _PLAIN_ALPHA in self._all(_EXTRA_SAMPLES)
        # Of 8 bits and less the decoder itself multiplies.
        has_alpha = alpha and depth > 8
        return Header(self._one(_WIDTH, 0), self._one(_HEIGHT, 0), has_alpha, depth)

    def check(self) -> None:
        """Raise `Damaged` unless each strip or tile is there and holds all its rows."""
        check = CHECKS.get(self._packing, check_plain)
        tables = bytes(self._all(_JPEG_TABLES))
        for number, piece in enumerate(self._pieces()):
            end = piece.at + piece.packed_bytes
            if not 0 < piece.at < end <= len(self._data):
                raise Damaged(f"the TIFF picture is cut short: piece {number} is missing")
            problem = check(self._data[piece.at : end], piece.whole_bytes, tables)
            if problem:
                raise Damaged(f"the TIFF picture is damaged: piece {number} {problem}")

    def _pieces(self) -> Iterator[_Piece]:
        width, height = self._one(_WIDTH, 0), self._one(_HEIGHT, 0)
        is_tiled = bool(self._all(_TILES))
        places = self._all(_TILES if is_tiled else _STRIPS)
        sizes = self._all(_TILE_BYTES if is_tiled else _STRIP_BYTES)
        across = self._one(_TILE_WIDTH, 0) if is_tiled else width
        down = self._one(_TILE_HEIGHT if is_tiled else _ROWS_PER_STRIP, height)
        down = down if is_tiled else min(down, height)
        if not across or not down:
            raise Damaged("the TIFF picture is damaged: its rows have no length")
        planes = self._samples if self._one(_PLANAR, 1) == _SEPARATE else 1
        a_plane = -(-width // across) * -(-height // down)
        if len(places) != len(sizes) or len(places) < a_plane * planes:
            raise Damaged("the TIFF picture is damaged: not all of its rows are listed")
        bits = max(self._all(_DEPTHS) or [1]) * (self._samples // planes)
        for number, (place, size) in enumerate(zip(places, sizes, strict=True)):
            rows = down if is_tiled else min(down, height - number % a_plane * down)
            row_bytes = -(-across * bits // 8)
            if down * row_bytes > MAX_PIECE_BYTES:
                raise Damaged(
                    f"a TIFF picture in pieces of {down * row_bytes} bytes; at most "
                    f"{MAX_PIECE_BYTES} are unpacked"
                )
            yield _Piece(place, size, (rows * row_bytes, down * row_bytes))

    def _directory(self) -> dict[int, list[int]]:
        data, order = self._data, self._order
        (magic,) = struct.unpack_from(order + "H", data, 2)
        is_big = magic == _BIG
        (at,) = struct.unpack_from(order + ("Q" if is_big else "I"), data, 8 if is_big else 4)
        (count,) = struct.unpack_from(order + ("Q" if is_big else "H"), data, at)
        at += 8 if is_big else 2
        found: dict[int, list[int]] = {}
        for _ in range(min(count, 4096)):
            tag, kind = struct.unpack_from(order + "HH", data, at)
            (number,) = struct.unpack_from(order + ("Q" if is_big else "I"), data, at + 4)
            values = at + (12 if is_big else 8)
            room = 8 if is_big else 4
            if number * _BYTES.get(kind, 8) > room:
                (values,) = struct.unpack_from(order + ("Q" if is_big else "I"), data, values)
            if kind == 7:  # bytes of any meaning
                found[tag] = list(data[values : values + min(number, _MAX_VALUES)])
            elif kind in _TYPES and number <= _MAX_VALUES:
                found[tag] = list(
                    struct.unpack_from(f"{order}{number}{_TYPES[kind]}", data, values)
                )
            at += 20 if is_big else 12
        return found

    def _all(self, tag: int) -> list[int]:
        return self._tags.get(tag, [])

    def _one(self, tag: int, default: int) -> int:
        return (self._tags.get(tag) or [default])[0]
