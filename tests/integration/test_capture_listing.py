from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from edge_runtime.capture.listing import cameras, microphones
from edge_runtime.capture.refusal import refusal
from tests.support.data import PROJECT

if TYPE_CHECKING:
    from pathlib import Path


def test_a_box_without_cameras_has_an_empty_list(tmp_path: Path) -> None:
    assert cameras(tmp_path, tmp_path) == []


def test_a_node_that_is_no_video_device_is_not_listed(tmp_path: Path) -> None:
    (tmp_path / "video0").write_bytes(b"")
    assert cameras(tmp_path, tmp_path) == []


def test_a_node_that_cannot_be_asked_is_listed_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "video0").symlink_to(tmp_path / "gone")
    (tmp_path / "sys/video4linux/video0").mkdir(parents=True)
    (tmp_path / "sys/video4linux/video0/name").write_text("HIK U20\n")
    (camera,) = cameras(tmp_path, tmp_path / "sys")
    assert camera.name == "HIK U20"
    assert camera.problem == "no such file or directory"


def test_a_camera_is_listed_by_its_stable_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "video0").write_bytes(b"")
    stable = tmp_path / "v4l/by-id/usb-HIK_U20-video-index0"
    stable.parent.mkdir(parents=True)
    stable.symlink_to("../../video0")
    # No kernel answers for a plain file: the answer is the only thing that is not real here.
    answer = bytes(84) + (0x8000_0001).to_bytes(4, "little") + (1).to_bytes(4, "little") + bytes(12)
    monkeypatch.setattr(fcntl, "ioctl", lambda *_: answer)
    (camera,) = cameras(tmp_path, tmp_path / "sys")
    assert camera.path == str(stable)
    assert camera.source == f"v4l2:{stable}"
    assert camera.problem == ""


def test_a_camera_without_a_serial_number_is_listed_by_where_it_is_plugged_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = bytes(84) + (0x8000_0001).to_bytes(4, "little") + (1).to_bytes(4, "little") + bytes(12)
    monkeypatch.setattr(fcntl, "ioctl", lambda *_: answer)
    links = {"video0": ["by-path/pci-0-usb-1-index0", "by-id/usb-A-index0"],
             "video2": ["by-path/pci-0-usb-2-index0", "by-path/pci-0-usbv2-2-index0"]}  # fmt: skip
    for node, names in links.items():
        (tmp_path / node).write_bytes(b"")
        for name in names:
            link = tmp_path / "v4l" / name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(f"../../{node}")
    found = [camera.path for camera in cameras(tmp_path, tmp_path / "sys")]
    assert found == [
        f"{tmp_path}/v4l/by-id/usb-A-index0",
        f"{tmp_path}/v4l/by-path/pci-0-usb-2-index0",
    ]


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.EPERM, "the service's device rules refuse it (EPERM)"),
        (errno.EACCES, "no permission to open it; add this user to the group 'video'"),
        (errno.ENOENT, ""),
        (errno.ENXIO, ""),
        (errno.EBUSY, ""),
    ],
)
def test_a_device_that_is_refused_is_told_from_one_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, said: str
) -> None:
    def refuse(path: Path, flags: int) -> int:
        raise OSError(number, os.strerror(number), str(path))

    (tmp_path / "video0").write_bytes(b"")
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refuse)  # only a device cgroup answers EPERM
        told = refusal(tmp_path / "video0", "video")
        listed = cameras(tmp_path, tmp_path)
    assert told.startswith(said)
    assert bool(told) == bool(said)
    assert listed[0].problem.startswith(said or os.strerror(number).lower())


def test_this_machine_can_be_asked_and_never_raises() -> None:
    assert isinstance(cameras(), list)
    found, reason = microphones()
    assert found or reason
    for each in found:
        assert each.source == f"microphone:{each.name}"
        assert each.channels > 0


def test_choosing_and_listing_load_no_heavy_library() -> None:
    """So that `doctor` can say what is missing on a box where it is missing."""
    program = (
        "import sys\n"
        "import edge_runtime.capture.listing\n"
        "from edge_runtime.capture import open_source\n"
        "from edge_runtime.clock import SYSTEM_CLOCK\n"
        "from edge_runtime.config import Lane\n"
        "import edge_runtime.gate.audio_gate, edge_runtime.gate.vad, edge_runtime.gate.frames\n"
        "for name in ('file:a.mp4', 'file:a.wav', 'folder:a', 'v4l2:/dev/video0', 'rtsp://c/1',\n"
        "             'microphone:default'):\n"
        "    lane = Lane(source=name)\n"
        "    open_source(name, lane.capture, is_camera=lane.is_camera, clock=SYSTEM_CLOCK)\n"
        "heavy = {'cv2', 'sounddevice', 'soundfile', 'soxr', 'webrtcvad', 'onnxruntime'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert ran.stdout == "[]\n"
