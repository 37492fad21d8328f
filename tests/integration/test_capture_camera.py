"""A network camera in a process of its own, which is killed, stalls and comes back."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from edge_runtime import codes
from edge_runtime.capture import opencv
from edge_runtime.capture.camera import Camera
from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.config import Capture
from edge_runtime.errors import ItemError, SourceUnavailable
from tests.support.mjpeg_server import HEIGHT_PX, WIDTH_PX, MjpegServer
from tests.support.reading import next_of

if TYPE_CHECKING:
    from collections.abc import Iterator


READ_S = 1.0
MARGIN_S = 2.0
"""For a machine that is busy with other tests."""


@pytest.fixture
def server() -> Iterator[MjpegServer]:
    with MjpegServer(fps=50) as running:
        yield running


def camera(url: str, **capture: Any) -> Camera:
    settings = Capture(**{"open_timeout_s": 5.0, "read_timeout_s": READ_S, **capture})
    return Camera(url, settings, clock=SYSTEM_CLOCK)


@contextlib.contextmanager
def opened(url: str, **capture: Any) -> Iterator[Camera]:
    source = camera(url, **capture)
    source.open()
    try:
        yield source
    finally:
        source.close()


def number(frame: Any) -> int:
    """Which picture of the server's this is."""
    return round(float(frame.pixels[: HEIGHT_PX // 4].mean()))


def read_for_ever(source: Camera) -> None:
    while True:
        next_of(source)


def seconds_until_away(source: Camera) -> tuple[float, str]:
    began_ns = SYSTEM_CLOCK.boottime_ns()
    with pytest.raises(SourceUnavailable) as told:
        read_for_ever(source)
    return (SYSTEM_CLOCK.boottime_ns() - began_ns) / 1e9, str(told.value)


def test_every_picture_of_the_stream_comes_in_order(server: MjpegServer) -> None:
    with opened(server.url) as source:
        frames = [next_of(source) for _ in range(40)]
    assert frames[0].pixels.shape == (HEIGHT_PX, WIDTH_PX, 3)
    numbers = [number(frame) for frame in frames]
    assert numbers == list(range(numbers[0], numbers[0] + 40))


def test_a_camera_that_stalls_is_seen_within_the_read_time_out(server: MjpegServer) -> None:
    with opened(server.url) as source:
        next_of(source)
        server.command("stall")
        spent_s, told = seconds_until_away(source)
    assert READ_S * 0.8 <= spent_s <= READ_S + MARGIN_S
    assert told.startswith(f"{server.url}: no frame within 1 s")


def test_a_camera_that_is_killed_is_seen_and_runs_again_when_it_is_back(
    server: MjpegServer,
) -> None:
    source = camera(server.url)
    source.open()
    next_of(source)
    server.kill()
    spent_s, _ = seconds_until_away(source)
    assert spent_s <= READ_S + MARGIN_S
    source.close()
    with pytest.raises(SourceUnavailable, match="cannot be reached: connection refused") as told:
        source.open()
    assert told.value.code == codes.SOURCE_AWAY
    server.start()
    source.open()
    assert next_of(source).seq == 0
    source.close()


def test_a_camera_that_hangs_up_has_ended_and_not_stalled(server: MjpegServer) -> None:
    with opened(server.url, read_timeout_s=20.0) as source:
        next_of(source)
        server.command("hangup")
        spent_s, told = seconds_until_away(source)
        assert spent_s < 10
        assert "hung up" in told


def test_a_picture_that_arrives_damaged_does_not_end_the_stream(server: MjpegServer) -> None:
    with opened(server.url) as source:
        next_of(source)
        server.command("damaged")
        frames = [next_of(source) for _ in range(20)]
    assert {frame.pixels.shape for frame in frames} == {(HEIGHT_PX, WIDTH_PX, 3)}


def test_a_camera_that_repeats_one_picture_is_away_when_the_config_says_so(
    server: MjpegServer,
) -> None:
    source = camera(server.url, stale_s=0.4)
    source.open()
    for _ in range(40):
        next_of(source)
    server.command("still")
    _, told = seconds_until_away(source)
    assert "not changed by one bit" in told
    source.close()
    source.open()
    # The one picture it hung on is refused at once, and never shown as if it were new.
    with pytest.raises(SourceUnavailable, match="not changed"):
        next_of(source)
    source.close()
    server.command("go")
    source.open()
    assert next_of(source) is not None
    source.close()


def test_a_frozen_picture_is_told_within_ten_seconds_by_itself(server: MjpegServer) -> None:
    with opened(server.url) as source:
        next_of(source)
        server.command("still")
        began_ns = SYSTEM_CLOCK.boottime_ns()
        with pytest.raises(SourceUnavailable, match="stale_s = 0") as told:
            read_for_ever(source)
        assert 7.0 < (SYSTEM_CLOCK.boottime_ns() - began_ns) / 1e9 < 10.0
    assert told.value.code == codes.SOURCE_FROZEN


def test_a_camera_that_may_repeat_itself_is_well_when_the_config_says_so(
    server: MjpegServer,
) -> None:
    server.command("still")
    with opened(server.url, stale_s=0.0) as source:
        began_ns = SYSTEM_CLOCK.boottime_ns()
        numbers = set()
        while SYSTEM_CLOCK.boottime_ns() - began_ns < 9e9:
            numbers.add(number(next_of(source)))
    assert len(numbers) == 1


def test_the_age_of_the_last_picture_is_told_also_while_the_camera_is_away(
    server: MjpegServer,
) -> None:
    source = camera(server.url)
    assert source.vitals() == {}
    source.open()
    next_of(source)
    assert 0 <= source.vitals()["picture_age_s"] < 1.0
    server.command("stall")
    seconds_until_away(source)
    source.close()
    assert source.vitals()["picture_age_s"] >= READ_S * 0.8


def test_a_network_cameras_picture_is_stamped_as_it_is_handed_over(server: MjpegServer) -> None:
    with opened(server.url) as source:
        frame = next_of(source)
    assert not frame.is_exposure
    assert frame.handed_ns == frame.captured.boottime_ns


class Buffers:
    """A V4L2 capture whose driver stamps its buffers by the monotonic clock."""

    def __init__(self, ages_ms: list[float]) -> None:
        self._ages_ms = ages_ms
        self._told_ms = 0.0
        self._number = 0

    def grab(self) -> bool:
        self._number += 1
        self._told_ms = time.monotonic_ns() / 1e6 - self._ages_ms.pop(0)
        return True

    def retrieve(self) -> tuple[bool, Any]:
        return True, np.full((48, 64, 3), self._number, np.uint8)

    def get(self, prop: int) -> float:
        return self._told_ms if prop == cv2.CAP_PROP_POS_MSEC else 64.0

    def isOpened(self) -> bool:  # noqa: N802 - as OpenCV's
        return True

    def release(self) -> None:
        pass


def test_a_v4l2_picture_is_stamped_with_its_exposure(monkeypatch: pytest.MonkeyPatch) -> None:
    buffers = Buffers([40.0, 25.0, -500.0, 60_000.0])
    monkeypatch.setattr(opencv, "open_device", lambda *_: (buffers, ()))
    with opened("v4l2:/dev/null") as source:
        first, second, future, ancient = [next_of(source) for _ in range(4)]
    for frame, age_ms in ((first, 40.0), (second, 25.0)):
        assert frame.is_exposure
        assert frame.handed_ns is not None
        told_ms = (frame.handed_ns - frame.captured.boottime_ns) / 1e6
        assert age_ms - 0.2 <= told_ms < age_ms + 50  # between the two this machine may be busy
    for frame in (future, ancient):  # what cannot be an exposure's stamp is none
        assert not frame.is_exposure
        assert frame.captured.boottime_ns == frame.handed_ns


class Compressed(Buffers):
    """A V4L2 capture that hands over its buffers as they are: a picture, and what was there before."""

    def __init__(self, pictures: list[bytes]) -> None:
        super().__init__([1.0] * len(pictures))
        self._pictures = pictures

    def retrieve(self) -> tuple[bool, Any]:
        return True, np.frombuffer(self._pictures[self._number - 1], np.uint8)[np.newaxis]


def jpeg(light: int) -> bytes:
    noise = np.random.default_rng(light).integers(0, 60, (48, 64, 3), dtype=np.uint8)
    ok, data = cv2.imencode(".jpg", noise + np.uint8(light))
    assert ok
    return bytes(data)


def test_a_usb_cameras_compressed_picture_is_whole_or_a_bad_item(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole, torn = jpeg(100), jpeg(150)[:900]
    tail = jpeg(180)  # the buffer's end still holds a picture from before
    pictures = [torn, whole + tail[len(whole) // 2 :], torn + tail[len(torn) :], whole]
    monkeypatch.setattr(opencv, "open_device", lambda *_: (Compressed(pictures), ()))
    with opened("v4l2:/dev/null") as source:
        first = next_of(source)  # the first of all was torn: a camera that has just begun
        with pytest.raises(ItemError, match=r"v4l2:/dev/null: a picture of the camera: .*JPEG"):
            next_of(source)
        second = next_of(source)
    assert first.encoded == second.encoded == whole
    assert np.array_equal(first.pixels, second.pixels)
    assert abs(float(first.pixels.mean()) - 130) < 5


def test_what_a_usb_camera_gives_other_than_asked_is_noted_until_it_gives_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = [("1000 x 700 asked, 1280 x 720 given", "gain: gain 9 asked, 0 given"), ()]
    monkeypatch.setattr(opencv, "open_device", lambda *_: (Buffers([1.0]), told.pop(0)))
    source = camera("v4l2:/dev/null")
    assert source.notes()["differs"] == ""
    source.open()
    assert source.notes()["differs"] == (
        "1000 x 700 asked, 1280 x 720 given; gain: gain 9 asked, 0 given"
    )
    source.open()
    assert source.notes()["differs"] == ""
    source.close()


def test_a_password_opens_the_camera_and_is_never_shown(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with MjpegServer(user="line3:geheim7") as server:
        place = server.url.removeprefix("http://")
        with opened(f"http://line3:geheim7@{place}") as source:
            frame = next_of(source)
        assert frame.source == f"http://***@{place}"
        with pytest.raises(SourceUnavailable) as told:
            camera(f"http://line3:falsch7@{place}?token=falsch7").open()
    assert "check the path, the user and the password" in str(told.value)
    shown = str(told.value) + "".join(capfd.readouterr())
    assert "falsch7" not in shown
    assert "geheim7" not in shown


@contextlib.contextmanager
def black_hole() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_camera_that_takes_the_call_and_says_nothing_is_given_up_in_time(scheme: str) -> None:
    with black_hole() as port:
        began_ns = SYSTEM_CLOCK.boottime_ns()
        with pytest.raises(SourceUnavailable, match="gives no picture within 1 s"):
            camera(f"{scheme}://127.0.0.1:{port}/1", open_timeout_s=1.0).open()
        assert (SYSTEM_CLOCK.boottime_ns() - began_ns) / 1e9 < 1.0 + MARGIN_S


def test_a_name_that_the_network_does_not_know_is_told() -> None:
    with pytest.raises(SourceUnavailable, match="not known to the network"):
        camera("rtsp://camera.invalid/1").open()


def test_other_threads_run_while_a_read_waits(server: MjpegServer) -> None:
    """The lane's other stages and its link must not stand still with its camera."""
    turns = 0
    done = threading.Event()

    def turn() -> None:
        nonlocal turns
        while not SYSTEM_CLOCK.wait(done, 0.01):
            turns += 1

    with opened(server.url) as source:
        next_of(source)
        server.command("stall")
        thread = threading.Thread(target=turn)
        thread.start()
        try:
            seconds_until_away(source)
        finally:
            done.set()
            thread.join()
    assert turns > 20


@pytest.mark.parametrize(
    "target",
    ["file:/etc/hostname", "/etc/hostname", "concat:/etc/hostname|/etc/hostname"],
)
def test_a_camera_cannot_redirect_the_runtime_to_a_file(target: str) -> None:
    with redirecting_to(target) as url, pytest.raises(SourceUnavailable):
        camera(url, open_timeout_s=1.0).open()


@contextlib.contextmanager
def redirecting_to(target: str) -> Iterator[str]:
    """A server that answers every request with a redirect."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    with connection:
                        connection.settimeout(0.5)
                        with contextlib.suppress(OSError):
                            connection.recv(4096)
                            connection.sendall(
                                b"HTTP/1.0 302 Found\r\nLocation: " + target.encode() + b"\r\n\r\n"
                            )

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/video"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_a_v4l2_camera_that_is_not_there_is_told_with_what_is() -> None:
    with pytest.raises(SourceUnavailable, match=r"usb-absent.*no such device; cameras found: "):
        camera("v4l2:/dev/v4l/by-id/usb-absent-video-index0").open()


def test_a_device_that_is_no_camera_is_told() -> None:
    with pytest.raises(SourceUnavailable, match="/dev/null: it is no camera"):
        camera("v4l2:/dev/null").open()
