"""USB cameras without one: the kernel's bytes, which mode is asked for, and controls read back."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from edge_runtime.capture.v4l2 import controls, device, structures
from edge_runtime.capture.v4l2.choice import Choice, choose, differences, format_to_ask
from edge_runtime.capture.v4l2.structures import Mode
from edge_runtime.config import Capture


def test_requests_are_the_kernels_own_numbers() -> None:
    # As a C program with linux/videodev2.h prints them on a 64-bit machine.
    assert structures.ENUM_FMT == 0xC0405602
    assert structures.G_FMT == 0xC0D05604
    assert structures.G_PARM == 0xC0CC5615
    assert structures.G_CTRL == 0xC008561B
    assert structures.S_CTRL == 0xC008561C
    assert structures.QUERYCTRL == 0xC0445624
    assert structures.ENUM_FRAMESIZES == 0xC02C564A
    assert structures.ENUM_FRAMEINTERVALS == 0xC034564B


FORMATS = {
    "YUYV": {(640, 480): 30.0, (1920, 1080): 5.0},
    "MJPG": {(640, 480): 60.0, (1280, 720): 60.0, (1920, 1080): 30.0, (3840, 2160): 15.0},
}
TITLES = {
    0x00980913: ("Gain", 1, 0, 255),
    0x0098090C: ("White Balance, Automatic", 2, 0, 1),
    0x0098091A: ("White Balance Temperature", 1, 2800, 6500),
    0x009A0901: ("Auto Exposure", 3, 0, 3),
    0x009A0902: ("Exposure Time, Absolute", 1, 3, 2047),
    0x009A0910: ("Camera Controls", 6, 0, 0),
}


class Webcam:
    """The kernel's side of a USB camera, as bytes."""

    def __init__(self) -> None:
        self.values = {
            0x009A0901: 3,
            0x009A0902: 156,
            0x00980913: 0,
            0x0098090C: 1,
            0x0098091A: 4000,
        }
        self.ignores: set[int] = set()
        """Controls that it takes and does not use."""
        self.order: list[int] = []

    def ask(self, request: int, told: bytes) -> bytes:
        index, code = struct.unpack_from("=II", told)
        answer = bytearray(told)
        assert len(told) == request >> 16 & 0x3FFF
        if request == structures.ENUM_FMT:
            struct.pack_into("=I", answer, 44, structures.code_of(nth(list(FORMATS), index)))
        elif request == structures.ENUM_FRAMESIZES:
            size = nth(list(FORMATS[structures.four(code)]), index)
            struct.pack_into("=III", answer, 8, 1, *size)
        elif request == structures.ENUM_FRAMEINTERVALS:
            size = struct.unpack_from("=II", told, 8)
            rate = nth([FORMATS[structures.four(code)][size]], index)
            struct.pack_into("=III", answer, 16, 1, 10, int(rate * 10))
        elif request == structures.QUERYCTRL:
            after = index & ~structures.NEXT_CONTROL
            identity = nth([each for each in sorted(TITLES) if each > after], 0)
            title, kind, least, most = TITLES[identity]
            struct.pack_into(
                "=II32siiiiI", answer, 0, identity, kind, title.encode(), least, most, 1, 0, 0
            )
        elif request == structures.S_CTRL:
            (number,) = struct.unpack_from("=i", told, 4)
            if index == 0x009A0901 and number == 0:
                raise OSError(22, "Invalid argument")  # it knows aperture priority only
            if index == 0x009A0902 and self.values[0x009A0901] != 1:
                raise OSError(13, "Permission denied")  # it exposes by itself
            self.order.append(index)
            if index not in self.ignores:
                self.values[index] = number
        else:
            struct.pack_into("=i", answer, 4, self.values[index])
        return bytes(answer)


def nth(things: list[Any], index: int) -> Any:
    if index >= len(things):
        raise OSError(22, "Invalid argument")
    return things[index]


def test_formats_sizes_and_rates_are_read_from_the_kernel() -> None:
    assert device.formats(Webcam()) == ["YUYV", "MJPG"]
    assert device.modes(Webcam(), "MJPG") == [
        (Mode("MJPG", *size), rate) for size, rate in FORMATS["MJPG"].items()
    ]


def test_a_range_of_sizes_gives_its_largest_and_the_usual_ones() -> None:
    answer = bytes(8) + struct.pack("=7I", 3, 32, 2592, 2, 32, 1944, 2) + bytes(8)
    assert structures.sizes_of(answer) == (
        [(2592, 1944), (1920, 1080), (1280, 720), (640, 480)],
        False,
    )


def test_the_mode_that_is_set_is_read_at_its_place() -> None:
    answer = struct.pack("=IIIII", 1, 0, 1280, 720, structures.code_of("MJPG"))
    assert structures.mode_of(answer.ljust(208, b"\0")) == Mode("MJPG", 1280, 720)
    rate = struct.pack("=IIIII", 1, 0x1000, 0, 2, 25).ljust(204, b"\0")
    assert structures.set_rate_of(rate) == 12.5


@pytest.mark.parametrize(
    ("asked", "offered", "letters"),
    [
        (None, ["YUYV", "MJPG"], "MJPG"),
        (None, ["YUYV"], None),
        (None, [], None),
        ("YUYV", ["YUYV", "MJPG"], "YUYV"),
    ],
)
def test_compressed_pictures_are_asked_for_where_the_camera_has_them(
    asked: str | None, offered: list[str], letters: str | None
) -> None:
    assert format_to_ask(offered, Capture(format=asked)) == letters


@pytest.mark.parametrize(
    ("letters", "settings", "choice"),
    [
        ("MJPG", Capture(), Choice("MJPG", 1920, 1080, 30.0)),
        ("MJPG", Capture(fps=60), Choice("MJPG", 1280, 720, 60.0)),
        ("MJPG", Capture(width=1000, height=700, fps=60), Choice("MJPG", 1000, 700, 60.0)),
        ("MJPG", Capture(width=1280), Choice("MJPG", 1280, 720, 60.0)),
        ("MJPG", Capture(height=1000), Choice("MJPG", None, 1000, None)),
        ("MJPG", Capture(width=3840), Choice("MJPG", 3840, 2160, 15.0)),
        ("YUYV", Capture(), Choice("YUYV", 640, 480, 30.0)),
        ("YUYV", Capture(fps=5), Choice("YUYV", 1920, 1080, 5.0)),
    ],
)
def test_where_nothing_is_asked_the_largest_usual_size_that_is_fast_enough_is_chosen(
    letters: str, settings: Capture, choice: Choice
) -> None:
    assert choose(letters, device.modes(Webcam(), letters), settings) == choice


def test_a_camera_that_tells_nothing_is_left_to_its_driver() -> None:
    assert choose(None, [], Capture(fps=9)) == Choice(None, None, None, 9)


def test_what_the_camera_gives_other_than_asked_is_told() -> None:
    asked = Capture(width=1000, height=700, fps=60, format="MJPG")
    told = differences(asked, (Mode("YUYV", 1280, 720), 12.5), ["YUYV"])
    assert told == [
        "format MJPG asked, YUYV given; it has YUYV",
        "1000 x 700 asked, 1280 x 720 given",
        "fps 60 asked, 12.5 given",
    ]
    assert differences(asked, (Mode("MJPG", 1000, 700), 59.94), ["MJPG"]) == []
    assert differences(Capture(), (Mode("YUYV", 640, 480), 5.0), ["YUYV"]) == []
    assert differences(asked, None, []) == []


def test_controls_have_the_names_that_people_know() -> None:
    there = device.controls(Webcam())
    assert sorted(there) == [
        "auto_exposure",
        "exposure_time_absolute",
        "gain",
        "white_balance_automatic",
        "white_balance_temperature",
    ]
    assert (there["gain"].least, there["gain"].most) == (0, 255)


def test_controls_are_set_automatics_first_and_what_was_taken_is_not_told() -> None:
    webcam = Webcam()
    told = controls.apply(webcam, {"exposure": 80, "white_balance": 5000, "gain": 7})
    assert told == []
    assert webcam.values == {
        0x009A0901: 1,
        0x009A0902: 80,
        0x00980913: 7,
        0x0098090C: 0,
        0x0098091A: 5000,
    }
    assert webcam.order.index(0x009A0901) < webcam.order.index(0x009A0902)


def test_auto_gives_the_camera_its_own_will_again() -> None:
    webcam = Webcam()
    webcam.values |= {0x009A0901: 1, 0x0098090C: 0}
    assert controls.apply(webcam, {"exposure": "auto", "white_balance": "auto"}) == []
    assert (webcam.values[0x009A0901], webcam.values[0x0098090C]) == (3, 1)


def test_kernel_names_are_set_as_they_are() -> None:
    webcam = Webcam()
    assert controls.apply(webcam, {"auto_exposure": 1, "exposure_time_absolute": 50}) == []
    assert webcam.values[0x009A0902] == 50


def test_a_value_that_the_camera_takes_and_does_not_use_is_told() -> None:
    webcam = Webcam()
    webcam.ignores = {0x00980913}
    assert controls.apply(webcam, {"gain": 9}) == ["gain: gain 9 asked, 0 given"]


def test_what_the_camera_has_not_and_what_is_out_of_its_range_are_told() -> None:
    told = controls.apply(
        Webcam(), {"focus": 30, "gain": 300, "zoom_absolute": 1, "focus_auto": True}
    )
    assert len(told) == 4
    assert "focus: the camera has no such control; it has auto_exposure, exposure_time" in told[0]
    assert "gain: gain 300 asked, it takes 0 to 255" in told
    assert controls.apply(Webcam(), {"focus": "auto"}) == [
        "focus: the camera cannot do it by itself; give a number"
    ]


def test_what_cannot_be_opened_is_left_to_others_to_tell() -> None:
    assert device.with_device("/dev/no-such-camera", device.formats, ["x"]) == ["x"]
    assert device.with_device("/dev/null", device.formats, ["x"]) == []
