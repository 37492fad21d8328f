"""Whether a FLAC's header fits its first frame, which has a checksum where the header has none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import BinaryIO

_BLOCKS_AT = 4
_LAST = 0x80
_INFO_AT = 8
_LEAST_BLOCK = 16
_SYNC = (0xFFF8, 0xFFF9)
_FRAME_BYTES = 20
_RATES_HZ = {
    1: 88_200, 2: 176_400, 3: 192_000, 4: 8_000, 5: 16_000, 6: 22_050, 7: 24_000, 8: 32_000,
    9: 44_100, 10: 48_000, 11: 96_000,
}  # fmt: skip
_BITS = {1: 8, 2: 12, 4: 16, 5: 20, 6: 24, 7: 32}
_MOST_CHANNELS = 8
_UNITS_HZ = {12: (1, 1_000), 13: (2, 1), 14: (2, 10)}
"""Rates that stand behind the frame's number: bytes, and what they count."""


def problem(file: BinaryIO, begin: int) -> str:
    """What contradicts itself in the stream that begins at byte `begin`; empty for nothing.

    Also empty where no frame is there: then nothing can be read anyway.
    """
    file.seek(begin + _INFO_AT)
    info = file.read(34)
    least, most = int.from_bytes(info[:2]), int.from_bytes(info[2:4])
    if len(info) < 34 or not _LEAST_BLOCK <= least <= most:
        return "damaged: its header tells of blocks that cannot be"
    at = _first_frame(file, begin)
    if at < 0:
        return "damaged: its header does not lead to its sound"
    file.seek(at)
    frame = file.read(_FRAME_BYTES).ljust(_FRAME_BYTES, b"\0")
    if int.from_bytes(frame[:2]) not in _SYNC:
        return "damaged: its header does not lead to its sound"
    packed = int.from_bytes(info[10:14])
    told = (packed >> 12, (packed >> 9 & 7) + 1, (packed >> 4 & 31) + 1)
    for what, header, frames in zip(
        ("Hz", "channels", "bits"), told, _of_frame(frame), strict=True
    ):
        if frames is not None and header != frames:
            return f"damaged: its header tells of {header} {what}, its sound is of {frames}"
    return ""


def _first_frame(file: BinaryIO, begin: int) -> int:
    """Behind the last of the blocks that describe the stream; -1 where they lead nowhere."""
    at, is_last = begin + _BLOCKS_AT, False
    while not is_last:
        file.seek(at)
        head = file.read(4)
        # The one of kind 0 comes first and once: zeros of a disk that lost its power look like it.
        if len(head) < 4 or head[0] & 0x7F == 0x7F or (at > begin + _BLOCKS_AT and not head[0]):
            return -1
        is_last = bool(head[0] & _LAST)
        at += 4 + int.from_bytes(head[1:])
    return at


def _of_frame(frame: bytes) -> tuple[int | None, int | None, int | None]:
    """(rate in Hz, channels, bits) of a frame's head; None where it leaves that to the header."""
    block, rate = frame[2] >> 4, frame[2] & 15
    rate_hz = _RATES_HZ.get(rate)
    if rate in _UNITS_HZ:
        count, unit = _UNITS_HZ[rate]
        at = 4 + _number_bytes(frame[4]) + {6: 1, 7: 2}.get(block, 0)
        rate_hz = int.from_bytes(frame[at : at + count]) * unit
    channels = frame[3] >> 4
    return (
        rate_hz,
        channels + 1 if channels < _MOST_CHANNELS else 2,
        _BITS.get(frame[3] >> 1 & 7),
    )


def _number_bytes(first: int) -> int:
    """How long a frame's number is, by its first byte (as in UTF-8)."""
    ones = 8 - (first ^ 0xFF).bit_length()
    return max(1, ones)
