"""What is plugged in: cameras by stable name, microphones by name.  Never raises."""

from __future__ import annotations

import fcntl
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.errors import SourceUnavailable

_VIDIOC_QUERYCAP = 0x80685600
_CAPABILITY_BYTES = 104
_CAN_CAPTURE = 0x1
_DEVICE_CAPS_AT = 88


@dataclass(frozen=True, slots=True)
class CameraInfo:
    """A V4L2 device that captures."""

    path: str
    """The stable path where there is one, else /dev/videoN."""
    name: str
    source: str
    """What to write into the config."""


@dataclass(frozen=True, slots=True)
class MicrophoneInfo:
    """A PortAudio input."""

    name: str
    channels: int
    rate_hz: int
    source: str


def cameras() -> list[CameraInfo]:
    """Every camera that can be opened for capture."""
    stable = {os.path.realpath(path): str(path) for path in Path("/dev/v4l/by-id").glob("*")}
    found = []
    for device in sorted(Path("/dev").glob("video*")):
        if not captures(device):
            continue
        path = stable.get(str(device), str(device))
        found.append(CameraInfo(path, _name_of(device), f"v4l2:{path}"))
    return found


def microphones() -> tuple[list[MicrophoneInfo], str]:
    """Inputs, and why there are none where the library is missing."""
    from edge_runtime.capture.microphone import import_sounddevice

    try:
        sounddevice = import_sounddevice()
        devices = sounddevice.query_devices()
    except (SourceUnavailable, OSError, RuntimeError) as exc:
        return [], str(exc)
    found = [
        MicrophoneInfo(
            str(device["name"]),
            int(device["max_input_channels"]),
            int(device["default_samplerate"]),
            f"microphone:{device['name']}",
        )
        for device in devices
        if device["max_input_channels"] > 0
    ]
    return found, "" if found else "PortAudio finds no input"


def captures(device: Path) -> bool:
    """Whether a node says that it can capture video (VIDIOC_QUERYCAP)."""
    try:
        descriptor = os.open(device, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        told = fcntl.ioctl(descriptor, _VIDIOC_QUERYCAP, b"\0" * _CAPABILITY_BYTES)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    (capabilities,) = struct.unpack_from("=I", told, _DEVICE_CAPS_AT)
    return bool(capabilities & _CAN_CAPTURE)


def _name_of(device: Path) -> str:
    try:
        return Path(f"/sys/class/video4linux/{device.name}/name").read_text("utf-8").strip()
    except OSError:
        return device.name
