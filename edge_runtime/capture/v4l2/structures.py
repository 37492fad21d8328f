"""The kernel's structures for video devices (linux/videodev2.h), as bytes.  Pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

CAPTURE: Final = 1
"""V4L2_BUF_TYPE_VIDEO_CAPTURE."""
_READ, _WRITE = 2, 1


def _request(number: int, size: int) -> int:
    """_IOWR('V', number, a structure of `size` bytes)."""
    return (_READ | _WRITE) << 30 | size << 16 | ord("V") << 8 | number


FORMAT_BYTES: Final = 64
SIZE_BYTES: Final = 44
INTERVAL_BYTES: Final = 52
MODE_BYTES: Final = 208
RATE_BYTES: Final = 204
CONTROL_BYTES: Final = 68
VALUE_BYTES: Final = 8
ENUM_FMT: Final = _request(2, FORMAT_BYTES)
G_FMT: Final = _request(4, MODE_BYTES)
G_PARM: Final = _request(21, RATE_BYTES)
G_CTRL: Final = _request(27, VALUE_BYTES)
S_CTRL: Final = _request(28, VALUE_BYTES)
QUERYCTRL: Final = _request(36, CONTROL_BYTES)
ENUM_FRAMESIZES: Final = _request(74, SIZE_BYTES)
ENUM_FRAMEINTERVALS: Final = _request(75, INTERVAL_BYTES)
NEXT_CONTROL: Final = 0x8000_0000
_DISABLED, _READ_ONLY = 0x1, 0x4
_DISCRETE: Final = 1
_TYPES: Final = (1, 2, 3, 9)
"""Integer, boolean, menu, integer menu; the others are titles, buttons and wider values."""


@dataclass(frozen=True, slots=True)
class Control:
    """One thing that can be set."""

    id: int
    name: str
    """In small letters and underscores, as v4l2-ctl has it."""
    least: int
    most: int
    step: int
    default: int
    can_be_set: bool


@dataclass(frozen=True, slots=True)
class Mode:
    """How a camera gives its pictures."""

    format: str
    """The four letters of the pixel format."""
    width: int
    height: int


def four(code: int) -> str:
    """A pixel format's letters."""
    letters = (code & 0x7FFF_FFFF).to_bytes(4, "little").decode("latin-1")
    return letters.rstrip()


def code_of(letters: str) -> int:
    """The number of a pixel format."""
    return int.from_bytes(letters.ljust(4).encode("latin-1"), "little")


def ask_format(index: int) -> bytes:
    """A struct v4l2_fmtdesc to ask with."""
    return struct.pack("=II", index, CAPTURE).ljust(FORMAT_BYTES, b"\0")


def format_of(answer: bytes) -> str:
    """The letters in a struct v4l2_fmtdesc."""
    return four(struct.unpack_from("=I", answer, 44)[0])


def ask_size(index: int, letters: str) -> bytes:
    """A struct v4l2_frmsizeenum to ask with."""
    return struct.pack("=II", index, code_of(letters)).ljust(SIZE_BYTES, b"\0")


def sizes_of(answer: bytes) -> tuple[list[tuple[int, int]], bool]:
    """(sizes in px, whether more may follow).  Of a range its ends, and what is usual in it."""
    kind, *numbers = struct.unpack_from("=7I", answer, 8)
    if kind == _DISCRETE:
        return [(numbers[0], numbers[1])], True
    least_w, most_w, step_w, least_h, most_h, step_h = numbers
    found = [(most_w, most_h)]
    for width, height in ((1920, 1080), (1280, 720), (640, 480)):
        fits_w = least_w <= width <= most_w and (width - least_w) % max(1, step_w) == 0
        fits_h = least_h <= height <= most_h and (height - least_h) % max(1, step_h) == 0
        if fits_w and fits_h:
            found.append((width, height))
    return found, False


def ask_interval(index: int, mode: Mode) -> bytes:
    """A struct v4l2_frmivalenum to ask with."""
    told = struct.pack("=IIII", index, code_of(mode.format), mode.width, mode.height)
    return told.ljust(INTERVAL_BYTES, b"\0")


def rate_of(answer: bytes) -> tuple[float, bool]:
    """(pictures per second, whether more may follow).  Of a range the fastest."""
    kind, numerator, denominator = struct.unpack_from("=III", answer, 16)
    return (denominator / numerator if numerator else 0.0), kind == _DISCRETE


def ask_mode() -> bytes:
    """A struct v4l2_format to ask with."""
    return struct.pack("=I", CAPTURE).ljust(MODE_BYTES, b"\0")


def mode_of(answer: bytes) -> Mode:
    """From a struct v4l2_format, whose union begins at 8."""
    width, height, code = struct.unpack_from("=III", answer, 8)
    return Mode(four(code), width, height)


def ask_rate() -> bytes:
    """A struct v4l2_streamparm to ask with."""
    return struct.pack("=I", CAPTURE).ljust(RATE_BYTES, b"\0")


def set_rate_of(answer: bytes) -> float:
    """Pictures per second in a struct v4l2_streamparm; 0 where the driver does not say."""
    numerator, denominator = struct.unpack_from("=II", answer, 12)
    return denominator / numerator if numerator else 0.0


def ask_control(identity: int) -> bytes:
    """A struct v4l2_queryctrl to ask with."""
    return struct.pack("=I", identity).ljust(CONTROL_BYTES, b"\0")


def control_of(answer: bytes) -> tuple[int, Control | None]:
    """(its number, the control); None for one that is no number."""
    identity, kind = struct.unpack_from("=II", answer)
    least, most, step, default, flags = struct.unpack_from("=iiiiI", answer, 40)
    if kind not in _TYPES or flags & _DISABLED:
        return identity, None
    name = named(answer[8:40].split(b"\0")[0].decode("latin-1"))
    return identity, Control(identity, name, least, most, step, default, not flags & _READ_ONLY)


def named(title: str) -> str:
    """``White Balance, Automatic`` as ``white_balance_automatic``."""
    letters = (each if each.isalnum() else " " for each in title.lower())
    return "_".join("".join(letters).split())


def value(identity: int, number: int = 0) -> bytes:
    """A struct v4l2_control to ask with."""
    return struct.pack("=Ii", identity, number)


def value_of(answer: bytes) -> int:
    """The number in a struct v4l2_control."""
    return int(struct.unpack_from("=i", answer, 4)[0])
