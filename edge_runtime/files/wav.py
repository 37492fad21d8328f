"""What a WAV file holds, by its chunks and by its length: RIFF, RIFX, RF64 and BW64.  Pure reading.

Recorders are killed, streams never learn their length, files are cut and joined: the sizes in a
header are one witness, and the file's own length is another.  Where they differ the sound that is
there is read, and `Part.told` says what was found.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edge_runtime.errors import ItemError

if TYPE_CHECKING:
    from typing import BinaryIO

    from edge_runtime.files.pieces import Piece

MAGICS = (b"RIFF", b"RIFX", b"RF64", b"BW64")
_UNKNOWN = 0xFFFF_FFFF
_UNKNOWN_FROM = 0x7FFF_0000
"""Writers that cannot go back put the largest number in, or one a little under 2 GiB."""
_HEADER = 8
_KILLED = "its header tells of no sound (a recorder that was killed?), {there} are there"
_LINEAR = {1: "PCM", 3: "float", 6: "A-law", 7: "mu-law"}
_EXTENSIBLE = 0xFFFE
_EXTENSIBLE_BYTES = 40
_SUBTYPES = bytes.fromhex("000000001000800000aa00389b71")
"""What stands behind the kind in every extensible header."""
_FMT_BYTES = (14, 4096)
_TAG_BYTES = 128
"""What music players put behind a file."""


@dataclass(frozen=True, slots=True)
class Part:
    """One WAV within a file; nearly always there is one."""

    pieces: tuple[Piece, ...]
    """A WAV whose sizes are right."""
    is_as_written: bool
    """The file itself is that WAV."""
    end: int
    """The byte behind it."""
    told: tuple[str, ...] = ()
    """What is wrong with it, each for people."""


@dataclass(slots=True)
class _Found:
    """What the chunks before the sound say."""

    order: str
    fmt: bytes = b""
    sizes64: tuple[int, int] | None = None
    """(RIFF, data) of a ds64 chunk."""
    data_at: int = -1
    data_size: int = 0


def parts(file: BinaryIO, size: int) -> list[Part]:
    """Each WAV in a file of `size` bytes that begins with one of `MAGICS`.

    Raises `ItemError` for chunks that lead nowhere.
    """
    found = [_part(file, 0, size)]
    while found[-1].end < size:
        try:
            found.append(_part(file, found[-1].end, size))
        except ItemError:
            told = (*found[-1].told, "what was joined to its end is no sound")
            return [*found[:-1], replace(found[-1], end=size, told=told)]
    return found


def _part(file: BinaryIO, start: int, size: int) -> Part:
    magic = _magic(file, start)
    order = ">" if magic == b"RIFX" else "<"
    riff_size = _number(_read(file, start + 4, 4), order)
    seen = _chunks(file, start, size, order)
    if seen.sizes64 is not None:
        riff_size = seen.sizes64[0] if riff_size == _UNKNOWN else riff_size
    told = _contradictions(seen.fmt, order)
    align = max(1, struct.unpack_from(order + "H", seen.fmt, 12)[0])
    length, end, why = _sound(file, seen, size)
    unit = "samples" if _kind(seen.fmt, order) in _LINEAR else "blocks"
    if why:
        told.append(
            why.format(tell=_of(seen.data_size, align, unit), there=_of(length, align, unit))
        )
    elif riff_size not in (0, _UNKNOWN) and abs(start + _HEADER + riff_size - end) > 1:
        told.append("cut short behind its sound, or its first size is wrong")
    if length % align:
        told.append("its sound ends in the midst of a sample")
    is_as_written = length == seen.data_size and start == 0 and end == size
    pieces = _right(seen, order, length - length % align)
    return Part(pieces, is_as_written, end, tuple(told))


def _chunks(file: BinaryIO, start: int, size: int, order: str) -> _Found:
    """Up to the sound."""
    seen = _Found(order)
    at = start + 12
    while at + _HEADER <= size:
        name, length = _chunk(file, at, order)
        if not _is_name(name):  # zeros of a disk that lost its power are no chunks of length 0
            break
        if name == b"data":
            if not seen.fmt:
                raise ItemError("not a sound file that can be read: its sound comes before its fmt")
            seen.data_at, seen.data_size = at + _HEADER, length
            if seen.sizes64 is not None and length == _UNKNOWN:
                seen.data_size = seen.sizes64[1]
            return seen
        if name == b"fmt ":
            seen.fmt = _read(file, at + _HEADER, min(length, _FMT_BYTES[1]))
            if len(seen.fmt) < _FMT_BYTES[0]:
                raise ItemError("not a sound file that can be read: its fmt is cut short")
        elif name == b"ds64" and length >= 16:
            riff, data = struct.unpack("<QQ", _read(file, at + _HEADER, 16).ljust(16, b"\0"))
            seen.sizes64 = (riff, data)
        at += _HEADER + length + (length & 1)
    raise ItemError("not a sound file that can be read: no sound behind its header")


def _sound(file: BinaryIO, seen: _Found, size: int) -> tuple[int, int, str]:
    """(bytes of sound, the byte behind this WAV, what is wrong: with {tell} and {there})."""
    there, declared = size - seen.data_at, seen.data_size
    if declared == 0 and there and not _behind(file, seen.data_at, size, seen.order):
        return there, size, _KILLED
    if declared > there:
        if declared >= _UNKNOWN_FROM and there < _UNKNOWN_FROM:
            return there, size, "its header does not tell its length; read to its end, {there}"
        return there, size, "cut short: its header tells of {tell}, {there} are there"
    for pad in (declared & 1, 0):
        end = _behind(file, seen.data_at + declared + pad, size, seen.order)
        if end:
            return declared, end, ""
    return there, size, "its header tells of {tell}, {there} are there"


def _is_name(name: bytes) -> bool:
    return all(32 <= byte < 127 for byte in name)


def _behind(file: BinaryIO, at: int, size: int, order: str) -> int:
    """Where chunks, one behind the other, lead to: the next WAV, the end; 0: nowhere."""
    while at + _HEADER <= size:
        name, length = _chunk(file, at, order)
        if name in MAGICS:
            return at
        if name[:3] == b"TAG" and size - at == _TAG_BYTES:
            return size
        if not _is_name(name):
            return 0
        at += _HEADER + length + (length & 1)
    return size if at - 1 <= size <= at else 0


def _contradictions(fmt: bytes, order: str) -> list[str]:
    """Numbers of the header that must follow from each other and do not."""
    kind, channels, rate_hz, bytes_s, align = struct.unpack_from(order + "HHIIH", fmt)
    bits = struct.unpack_from(order + "H", fmt, 14)[0] if len(fmt) >= 16 else 0
    if kind == _EXTENSIBLE:
        if len(fmt) < _EXTENSIBLE_BYTES or fmt[26:40] != _SUBTYPES:
            return ["its header does not say what kind of samples it holds"]
        extra, valid_bits = struct.unpack_from(order + "HH", fmt, 16)
        if valid_bits > bits or extra < _EXTENSIBLE_BYTES - 18:
            return ["the rate, channels and sizes in its header contradict each other"]
    if _kind(fmt, order) not in _LINEAR:
        return []
    is_right = align == channels * ((bits + 7) // 8) and bytes_s == rate_hz * align
    return [] if is_right else ["the rate, channels and sizes in its header contradict each other"]


def _right(seen: _Found, order: str, length: int) -> tuple[Piece, ...]:
    """The same sound behind a header whose sizes are right."""
    sound = (seen.data_at, length)
    fmt = struct.pack(order + "4sI", b"fmt ", len(seen.fmt)) + seen.fmt
    fmt += b"\0" * (len(seen.fmt) & 1)
    if length + len(fmt) + 64 > _UNKNOWN and order == "<":
        ds64 = struct.pack("<4sIQQQI", b"ds64", 28, length + len(fmt) + 48, length, 0, 0)
        head = struct.pack("<4sI4s", b"RF64", _UNKNOWN, b"WAVE") + ds64 + fmt
        return (head + struct.pack("<4sI", b"data", _UNKNOWN), sound)
    magic = b"RIFX" if order == ">" else b"RIFF"
    head = struct.pack(order + "4sI4s", magic, 4 + len(fmt) + 8 + length, b"WAVE") + fmt
    return (head + struct.pack(order + "4sI", b"data", length), sound)


def _of(size: int, align: int, unit: str) -> str:
    return f"{size // align} {unit}"


def _kind(fmt: bytes, order: str) -> int:
    """Of its samples, as numbered since 1991."""
    is_extended = fmt[:2] in (b"\xfe\xff", b"\xff\xfe") and len(fmt) >= _EXTENSIBLE_BYTES
    return int(struct.unpack_from(order + "H", fmt, 24 if is_extended else 0)[0])


def _chunk(file: BinaryIO, at: int, order: str) -> tuple[bytes, int]:
    head = _read(file, at, _HEADER)
    return head[:4], _number(head[4:], order)


def _magic(file: BinaryIO, at: int) -> bytes:
    return _read(file, at, 4)


def _number(data: bytes, order: str) -> int:
    return int.from_bytes(data, "big" if order == ">" else "little")


def _read(file: BinaryIO, at: int, count: int) -> bytes:
    file.seek(at)
    return file.read(count)
