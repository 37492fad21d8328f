from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from edge_runtime.capture.address import StreamAddress, connect, redacted, stream_address
from edge_runtime.capture.device_feed import device_problem
from edge_runtime.errors import SourceUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("rtsp://admin:secret@10.0.0.5:554/stream1", "rtsp://***@10.0.0.5:554/stream1"),
        ("https://cam/cgi?user=admin&pwd=secret", "https://cam/cgi?***"),
        ("https://cam?pwd=secret", "https://cam?***"),
        ("rtsp://u:p@w@rd@cam/1", "rtsp://***@cam/1"),
        ("http://cam:8080/video", "http://cam:8080/video"),
        ("v4l2:/dev/video0", "v4l2:/dev/video0"),
        ("file:/media/a@b.mp4", "file:/media/a@b.mp4"),
        ("microphone:USB Mic @ desk", "microphone:USB Mic @ desk"),
    ],
)
def test_what_is_shown_of_a_source_has_no_secret(source: str, shown: str) -> None:
    assert redacted(source) == shown


def test_an_address_is_a_host_and_the_port_of_its_scheme() -> None:
    assert stream_address("rtsp://u:p@cam/1") == StreamAddress("rtsp", "cam", 554)
    assert stream_address("http://[::1]:8080/v") == StreamAddress("http", "::1", 8080)
    assert stream_address("https://cam") == StreamAddress("https", "cam", 443)


@pytest.mark.parametrize(
    "url",
    [
        "concat:http://cam/a|http://cam/b",
        "subfile,,start,0,end,99,,:/etc/passwd",
        "file:///etc/passwd",
        "async:http://cam/a",
        "tcp://cam:99",
        "data:image/jpeg;base64,AAAA",
        "http://",
        "http://cam:99999/v",
        "http://cam:port/v",
        "http://cam/a b",
        "http://cam/a\nb",
        "rtsp://[cam/1",
        "",
    ],
)
def test_what_is_no_camera_on_the_network_is_refused(url: str) -> None:
    with pytest.raises(SourceUnavailable):
        stream_address(url)


def test_a_host_that_can_be_none_is_away_and_not_an_error_of_the_program() -> None:
    with pytest.raises(SourceUnavailable, match="can be no host's name"):
        connect(StreamAddress("rtsp", "cam..local", 554), 1.0)


def test_a_refusal_does_not_repeat_the_password() -> None:
    for url in ("http://admin:secret@cam:99999/v", "rtsp://admin:secret@/1"):
        with pytest.raises(SourceUnavailable) as told:
            stream_address(url)
        assert "secret" not in str(told.value)


def access(present: bool, allowed: bool) -> Callable[[str, int], bool]:
    return lambda _path, mode: present if mode == os.F_OK else allowed


def test_a_camera_that_is_not_there_is_told_with_those_that_are() -> None:
    problem = device_problem("/dev/v4l/by-id/b", access(False, False), lambda: ["/dev/v4l/by-id/a"])
    assert "no such device" in problem
    assert "/dev/v4l/by-id/a" in problem


def test_a_camera_that_may_not_be_opened_is_told_with_the_group_that_may() -> None:
    assert "group 'video'" in device_problem("/dev/video0", access(True, False), list)


def test_a_camera_is_named_by_its_path_and_never_by_a_number() -> None:
    assert "path" in device_problem("0", access(True, True), list)
    assert device_problem("/dev/video0", access(True, True), list) == ""
