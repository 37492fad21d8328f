"""What is plugged in: cameras by stable path, microphones by stable name.  Never raises."""

from __future__ import annotations

import fcntl
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.capture.refusal import refused_cards, said
from edge_runtime.errors import SourceUnavailable

_VIDIOC_QUERYCAP = 0x80685600
_CAPABILITY_BYTES = 104
_CAPABILITIES_AT = 84
_DEVICE_CAPS_AT = 88
_HAS_DEVICE_CAPS = 0x8000_0000
_CAN_CAPTURE = 0x0000_0001 | 0x0000_1000  # single- and multi-planar


@dataclass(frozen=True, slots=True)
class CameraInfo:
    """A V4L2 device that captures, or that would not say."""

    path: str
    """Stable: by what the camera is, else by where it is plugged in, else /dev/videoN."""
    name: str
    source: str
    """What to write into the config."""
    problem: str = ""
    """Why it cannot be asked or opened; empty when all is well."""


@dataclass(frozen=True, slots=True)
class MicrophoneInfo:
    """A PortAudio input."""

    name: str
    channels: int
    rate_hz: int
    source: str
    is_default: bool = False


def cameras(dev: Path = Path("/dev"), sys: Path = Path("/sys/class")) -> list[CameraInfo]:
    """Every camera, and every video node that cannot be asked what it is."""
    stable = _links(dev / "v4l/by-path") | _links(dev / "v4l/by-id")
    found = []
    for device in sorted(dev.glob("video*")):
        can_capture, problem = _ask(device)
        if can_capture or problem:
            path = stable.get(os.path.realpath(device), str(device))
            name = _name_of(device, sys)
            found.append(CameraInfo(path, name, f"v4l2:{path}", problem))
    return found


def microphones() -> tuple[list[MicrophoneInfo], str]:
    """Inputs, and why there are none: what to install or that nothing is plugged in."""
    from edge_runtime.capture.microphone import list_inputs

    try:
        inputs = list_inputs()
    except SourceUnavailable as exc:
        return [], str(exc)
    found = [
        MicrophoneInfo(
            each.name, each.channels, each.rate_hz, f"microphone:{each.name}", each.is_default
        )
        for each in inputs
    ]
    return found, "" if found else refused_cards() or "PortAudio finds no input"


def can_capture(answer: bytes) -> bool:
    """Whether an answer to VIDIOC_QUERYCAP (struct v4l2_capability) is that of a camera.

    A card with several nodes tells in `capabilities` what all can and in `device_caps` what this
    one can: a camera's metadata node is no camera.
    """
    (whole,) = struct.unpack_from("=I", answer, _CAPABILITIES_AT)
    (node,) = struct.unpack_from("=I", answer, _DEVICE_CAPS_AT)
    return bool((node if whole & _HAS_DEVICE_CAPS else whole) & _CAN_CAPTURE)


def is_camera(path: str) -> bool:
    """Whether that is a V4L2 device that captures, and may be asked."""
    return _ask(Path(path))[0]


def _links(folder: Path) -> dict[str, str]:
    """Device -> the link to it; the first by name where there are several."""
    return {os.path.realpath(path): str(path) for path in sorted(folder.glob("*"), reverse=True)}


def _ask(device: Path) -> tuple[bool, str]:
    """(is it a camera, why it cannot be asked)."""
    try:
        descriptor = os.open(device, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as exc:
        return False, said(exc.errno, "video") or (exc.strerror or str(exc)).lower()
    try:
        return can_capture(fcntl.ioctl(descriptor, _VIDIOC_QUERYCAP, bytes(_CAPABILITY_BYTES))), ""
    except OSError:
        return False, ""  # not a video device at all
    finally:
        os.close(descriptor)


def _name_of(device: Path, sys: Path) -> str:
    try:
        return (sys / "video4linux" / device.name / "name").read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return device.name
