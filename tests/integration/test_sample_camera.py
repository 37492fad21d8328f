"""The sample station's camera: a process, read as a lane would read it, failing on command."""

from __future__ import annotations

import http.client
import socket
from threading import Event
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.errors import NoInput
from edge_runtime.sample_station.camera import CameraSettings
from edge_runtime.sample_station.camera_process import CameraProcess
from edge_runtime.sample_station.line import read_number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_FILMED = CameraSettings(fps=40, every_ms=100, visible_ms=60, parts=8, look="plain")


@pytest.fixture
def camera() -> Iterator[CameraProcess]:
    with CameraProcess(_FILMED) as running:
        yield running


class _Viewer:
    """Reads parts of the stream one by one."""

    def __init__(self, camera: CameraProcess, *, patience_s: float = 2.0) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", camera.port, timeout=patience_s)
        self.connection.request("GET", "/video")
        self._stream = self.connection.getresponse()

    def jpeg(self) -> bytes:
        """The next one.  Raises `EOFError` when the camera hung up."""
        length = 0
        while line := self._stream.readline():
            if line.startswith(b"Content-Length:"):
                length = int(line.split()[1])
            if line == b"\r\n" and length:
                return self._stream.read(length)
        raise EOFError

    def picture(self) -> NDArray[np.uint8]:
        pixels = cv2.imdecode(np.frombuffer(self.jpeg(), np.uint8), cv2.IMREAD_COLOR)
        return np.asarray(pixels, np.uint8)

    def until_it_ends(self) -> None:
        with pytest.raises((EOFError, ConnectionError)):
            for _ in range(1000):
                self.jpeg()


def test_each_part_is_shown_in_its_time_and_told_with_that_time(camera: CameraProcess) -> None:
    viewer = _Viewer(camera)
    started = camera.start()
    seen = set()
    while not camera.has_ended():
        seen.add(read_number(viewer.picture()))
    parts = camera.parts()
    assert [part["number"] for part in parts] == list(range(8))
    for part in parts:
        assert part["from_ns"] == started["start_ns"] + part["number"] * 100_000_000
        if part["frame_ns"] is not None:
            assert part["from_ns"] <= part["frame_ns"]
            assert part["number"] in seen
    assert any(part["bad"] for part in parts)


def test_a_stalled_camera_sends_nothing_and_its_line_runs_on(camera: CameraProcess) -> None:
    viewer = _Viewer(camera, patience_s=0.5)
    viewer.picture()
    camera.start()
    camera.command("stall")
    with pytest.raises(TimeoutError):
        for _ in range(10):
            viewer.jpeg()
    _wait_for_the_end(camera)
    assert len(camera.parts()) == 8


def test_a_frozen_camera_sends_the_same_jpeg_again_and_again(camera: CameraProcess) -> None:
    viewer = _Viewer(camera)
    assert viewer.jpeg() != viewer.jpeg()
    camera.command("freeze")
    viewer.jpeg()
    viewer.jpeg()  # one may have been on its way
    assert len({viewer.jpeg() for _ in range(5)}) == 1
    camera.command("go")
    assert len({viewer.jpeg() for _ in range(5)}) > 1


def test_damaged_pictures_lack_their_end(camera: CameraProcess) -> None:
    viewer = _Viewer(camera)
    assert viewer.jpeg().endswith(b"\xff\xd9")
    camera.command("damage 2")
    whole = [viewer.jpeg().endswith(b"\xff\xd9") for _ in range(8)]
    assert True in whole
    assert False in whole


def test_a_camera_back_in_another_resolution_hangs_up_first(camera: CameraProcess) -> None:
    viewer = _Viewer(camera)
    assert viewer.picture().shape == (540, 960, 3)
    camera.command("resize 640x480")
    viewer.until_it_ends()
    assert _Viewer(camera).picture().shape == (480, 640, 3)


def test_a_cut_camera_refuses_connections_until_it_is_well_again(camera: CameraProcess) -> None:
    viewer = _Viewer(camera)
    camera.command("cut")
    viewer.until_it_ends()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", camera.port), timeout=1)
    camera.command("go")
    assert _Viewer(camera).picture().size


def test_what_the_camera_does_not_know_it_refuses_and_goes_on(camera: CameraProcess) -> None:
    with pytest.raises(NoInput, match="resize"):
        camera.command("resize wide")
    assert _Viewer(camera).picture().size


def _wait_for_the_end(camera: CameraProcess) -> None:
    for _ in range(200):
        if camera.has_ended():
            return
        SYSTEM_CLOCK.wait(Event(), 0.05)
    pytest.fail("the line did not end")
