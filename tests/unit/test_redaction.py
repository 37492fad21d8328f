"""Passwords of cameras, in every shape that people and cameras write them."""

from __future__ import annotations

import pytest

from edge_runtime.redaction import address_in, address_problem, hidden, redacted, secrets_of

SHAPES = [
    "rtsp://admin:{}@10.0.0.5:554/stream1",
    "rtsp://admin:Top/{}@127.0.0.1:5541/h264",
    "rtsp://admin:Top?{}@127.0.0.1:5541/h264",
    "rtsp://admin:Top#{}@127.0.0.1:5541/h264",
    "rtsp://admin:8080/{}@127.0.0.1:5541/h264",
    "rtsp://admin:8080/x?{}@camera/h264",
    "rtsp://admin:Top@{}@camera/h264",
    "rtsp://admin:./{}?@10.0.0.5/h264",
    "rtsp://line.3:8080/{}?x@10.0.0.5/h264",
    "rtsp://127.0.0.1:5541/user=admin&password={}&channel=1&stream=0.sdp?real_stream",
    "rtsp://10.0.0.5/user=admin_password={}_channel=1_stream=0.sdp",
    "rtsp://10.0.0.5/user=admin_password=Top@{}_channel=1",
    "rtsp://10.0.0.5/user%3Dadmin%26password%3D{}",
    "rtsp://10.0.0.5/0/admin:{}/main",
    "http://camera/snapshot.cgi?user=admin&pwd={}",
    "http://camera:80/snapshot.cgi?user=admin&pwd=Top@{}",
    "http://10.0.0.5:80/snapshot.cgi?user=admin&pwd=Top@{}",
    "http://camera/video;token={}",
    "http://camera/video#token={}",
    "http://camera/api/key={}/video",
    "HTTP://admin:{}@camera/video",
    "rstp://admin:{}@camera/video",
    "admin:{}@camera/video",
    "rtsp://admin:{}/h264",
    "rtsp://admin:{}",
    "rtsp://admin:Top/{}/h264",
    "rtsp://admin:{}?x=1",
    "rtsp://admin:{}%4010.0.0.5/x",
    "rtsp://admin%3A{}%4010.0.0.5/x",
    "rtsp://admin:{},10.0.0.5/x",
    "rtsp://admin;{};10.0.0.5/x",
    "rtsp://u:p@admin:{}/x",
    "rtsp:/admin:{}/h264",
    "rtsp:admin:{}@10.0.0.5/h264",
    "admin:{}@rtsp://10.0.0.5/h264",
    "file:rtsp://a:{}@h/x",
    "file:rtsp:/a:{}@h/x",
    "v4l2:rtsp://a:{}@h/x",
    "folder:smb://a:{}@h/x",
    "folder:smb://a:{}/x",
    "microphone:http://a:{}@h/x",
    "rtsp://h/psk={}",
    "rtsp://h/x/api_key={}/y",
    "rtsp://h/apikey/{}",
    "rtsp://h/v1/token/{}/stream",
]


@pytest.mark.parametrize("shape", SHAPES)
def test_no_shape_of_a_password_is_shown(shape: str) -> None:
    assert "Secret1" not in redacted(shape.format("Secret1"))


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("rtsp://admin:Top/Secret1@127.0.0.1:5541/h264", "rtsp://***@127.0.0.1:5541/h264"),
        (
            "rtsp://10.0.0.5:554/Streaming/Channels/101",
            "rtsp://10.0.0.5:554/Streaming/Channels/101",
        ),
        ("rtsp://cam/user=admin&password=x", "rtsp://cam/user=***"),
        ("http://cam/cgi?mail=a@b.c", "http://cam/cgi?***"),
        ("http://line3:x@10.0.0.5/cgi?mail=a@b.c", "http://***@10.0.0.5/cgi?***"),
        ("http://[::1]:8080/video", "http://[::1]:8080/video"),
        ("http://u:p@[::1]:8080/video", "http://***@[::1]:8080/video"),
        ("folder:/media/user=a/pass=b@c", "folder:/media/user=a/pass=b@c"),
    ],
)
def test_a_camera_can_still_be_recognised(source: str, shown: str) -> None:
    assert redacted(source) == shown


@pytest.mark.parametrize(
    "source",
    [
        "rtsp://cam",
        "rtsp://cam:8554/main/key_frame",
        "http://[::1]:8080/video",
        "file:/data/line:3/a.mp4",
        "file:///data/a.mp4",
        "v4l2:/dev/v4l/by-id/usb-Cam:1",
    ],
)
def test_an_address_without_a_password_is_shown_whole(source: str) -> None:
    assert redacted(source) == source


def test_an_address_in_the_place_of_a_path_is_found() -> None:
    assert [address_in(path) for path in ("rtsp://a", "smb://a", "/data/a", "a.mp4")] == [
        "rtsp", "smb", "", "",
    ]  # fmt: skip


def test_words_of_a_camera_that_repeat_its_password_are_shown_without_it() -> None:
    secrets = secrets_of("rtsp://admin:Hunter%402@h/x?pwd=Zorro11")
    said = "no Hunter%402, HUNTER@2, YWRtaW46SHVudGVyQDI= or Zorro11 of admin"
    assert hidden(said, secrets) == "no ***, ***, *** or *** of admin"


def test_a_password_of_two_characters_is_not_looked_for_in_words() -> None:
    assert hidden("not it", secrets_of("rtsp://admin:it@h/x")) == "not it"


@pytest.mark.parametrize("char", ["/", "?", "#", "\\", "[", "]"])
def test_a_character_that_ends_the_host_is_told_with_how_to_write_it(char: str) -> None:
    told = address_problem(f"rtsp://admin:Top{char}Secret1@127.0.0.1:5541/h264")
    assert f"write %{ord(char):02X} for {char}" in told
    assert "Secret1" not in told
    assert address_problem(f"rtsp://admin:Top%{ord(char):02X}Secret1@127.0.0.1:5541/h264") == ""


def test_a_password_of_digits_and_a_slash_is_not_taken_for_a_port() -> None:
    assert "write %2F for /" in address_problem("rtsp://admin:8080/Secret@127.0.0.1:5541/h264")


@pytest.mark.parametrize(
    "source",
    [
        "rtsp://cam:99999/1",
        "rtsp://cam:x/1",
        "rtsp://cam:0/1",
        "rtsp://:554/1",
        "rtsp:///1",
        "rtsp://[cam/1",
        "rtsp://admin:Secret1@/1",
        "rtsp://admin:Secret1@cam..local/x",
        "rtsp://.cam/x",
        f"http://{'a' * 64}.local/x",
        "rtsp://admin:Secret 1@cam/1",
        "http://cam/a\nb",
    ],
)
def test_what_can_never_open_is_told_without_repeating_it(source: str) -> None:
    told = address_problem(source)
    assert told
    assert "Secret" not in told


@pytest.mark.parametrize(
    "source",
    [
        "rtsp://127.0.0.1:5541/user=admin&password=X&channel=1&stream=0.sdp?real_stream",
        "rtsp://admin:Top%2FSecret1@127.0.0.1:5541/h264",
        "rtsp://u:p@w@rd@cam/1",
        "http://cam/cgi?mail=a@b.c",
        "http://[fe80::1]/video",
        "https://cam",
        "https://cam.local./x",
        "https://kamera-süd.local/x",
    ],
)
def test_what_can_open_has_no_problem(source: str) -> None:
    assert address_problem(source) == ""
