"""RTSP cameras: what was lost is never judged, what is old is never new, and refusals are told."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_runtime.capture import decoders
from edge_runtime.capture.camera import Camera
from edge_runtime.capture.rtsp.udp import Ports
from edge_runtime.clock import NS_PER_S, SYSTEM_CLOCK
from edge_runtime.config import Capture
from edge_runtime.errors import ItemError, SourceUnavailable
from edge_runtime.types import Frame
from tests.support.certificate import make_certificate
from tests.support.h264 import drawn, encoded, number_of, with_b_frames
from tests.support.raw_server import RawServer, read_request
from tests.support.reading import next_of
from tests.support.rtsp_camera import Behaviour, RtspCamera

PASSED = 12
"""Mean difference that encoding makes at most, here; a torn picture differs by far more."""


@pytest.fixture(params=["pyav", "opencv"])
def decoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every station has OpenCV, some have PyAV."""
    monkeypatch.setattr(decoders, "hears_damage", lambda: request.param == "pyav")
    return str(request.param)


@contextlib.contextmanager
def opened(url: str, **capture: Any) -> Iterator[Camera]:
    source = Camera(url, Capture(**capture), clock=SYSTEM_CLOCK)
    source.open()
    try:
        yield source
    finally:
        source.close()


def read(source: Camera, count: int) -> tuple[list[Frame], list[str]]:
    """So many pictures, good and bad ones."""
    good: list[Frame] = []
    bad: list[str] = []
    for _ in range(count):
        try:
            good.append(next_of(source))
        except ItemError as exc:
            bad.append(str(exc))
    return good, bad


def is_torn(frame: Frame) -> bool:
    height, width = frame.pixels.shape[:2]
    wanted = drawn(number_of(frame.pixels), width, height)
    difference = np.abs(frame.pixels.astype(int) - wanted).mean(axis=(1, 2))
    return bool(difference.reshape(-1, 8).mean(axis=1).max() > PASSED)


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_every_picture_comes_whole_in_its_order(codec: str, decoder: str) -> None:
    with (
        RtspCamera(encoded(50, codec=codec), Behaviour(codec=codec)) as camera,
        opened(camera.url) as source,
    ):
        good, bad = read(source, 40)
    assert not bad
    numbers = [number_of(frame.pixels) for frame in good]
    assert numbers == list(range(numbers[0], numbers[0] + 40))
    assert not any(map(is_torn, good))


def test_pictures_that_are_shown_later_than_they_come_keep_their_order(decoder: str) -> None:
    pictures, order = with_b_frames(60)
    assert order != sorted(order)
    with RtspCamera(pictures, Behaviour(order=order)) as camera, opened(camera.url) as source:
        first, _ = read(source, 10)  # until it is known how far it shows behind what it gets
        good, bad = read(source, 30)
    assert not bad
    numbers = [number_of(frame.pixels) for frame in good]
    assert numbers == list(range(numbers[0], numbers[0] + 30))
    begun = [number_of(frame.pixels) for frame in first]
    assert begun == sorted(begun)


def test_h265_pictures_that_lean_on_what_was_before_a_key_picture_are_left_out_after_a_loss() -> (
    None
):
    open_groups = "open-gop=1:bframes=3:b-adapt=0:keyint=10:min-keyint=10:log-level=none"
    pictures = encoded(
        80, codec="hevc", options={"preset": "medium", "tune": "psnr", "x265-params": open_groups}
    )
    assert any(nal[0] >> 1 & 63 in (8, 9) for picture in pictures for nal in picture)
    does = Behaviour(codec="hevc", drops=lambda p, i, of: p == 34 and i == of // 2)
    with RtspCamera(pictures[4:], does) as camera, opened(camera.url) as source:
        good, bad = read(source, 60)
    assert bad
    assert not any(map(is_torn, good))
    numbers = [number_of(frame.pixels) for frame in good]
    assert numbers == sorted(numbers)
    ages_ms = [(frame.handed_ns or 0) / 1e6 - frame.captured.boottime_ns / 1e6 for frame in good]
    assert sorted(ages_ms)[len(ages_ms) // 2] < 400


@pytest.mark.parametrize(
    ("name", "drops"),
    [
        ("the end of pictures", lambda p, i, of: p % 10 == 4 and i >= of // 2),
        ("one packet in the midst", lambda p, i, of: p % 10 == 3 and i == of // 2),
        ("a picture's first packet", lambda p, i, of: p % 10 == 7 and i == 0),
        ("whole pictures", lambda p, i, of: p % 10 == 5),
        ("the end of key pictures", lambda p, i, of: p > 0 and p % 20 == 10 and i >= of // 2),
    ],
)
def test_from_a_lost_packet_to_the_next_key_picture_nothing_counts(
    name: str, drops: Any, decoder: str
) -> None:
    with (
        RtspCamera(encoded(100), Behaviour(fps=50, drops=drops)) as camera,
        opened(camera.url) as source,
    ):
        good, bad = read(source, 60)
    assert not any(map(is_torn, good)), name
    assert len(good) >= 15
    assert len(bad) >= 15
    assert all("nothing counts before the next key frame" in reason for reason in bad)
    for frame in good:
        number = number_of(frame.pixels)
        before = range(number - number % 10, number + 1)
        assert not any(drops(each, i, 9) for each in before for i in range(9)), name


@pytest.mark.parametrize("transport", ["udp", "auto"])
def test_packets_that_change_places_on_their_way_are_put_in_order(
    transport: str, decoder: str
) -> None:
    does = Behaviour(refuses="TCP", swaps=True)
    with RtspCamera(encoded(50), does) as camera, opened(camera.url, transport=transport) as source:
        good, bad = read(source, 25)
    assert not bad
    assert not any(map(is_torn, good))


def test_over_udp_a_lost_packet_is_seen(decoder: str) -> None:
    does = Behaviour(fps=50, drops=lambda p, i, _: p % 20 == 13 and i == 1)
    with RtspCamera(encoded(50), does) as camera, opened(camera.url, transport="udp") as source:
        good, bad = read(source, 60)
        lost = source.vitals()["lost_packets"]
    assert source.vitals()["lost_packets"] == lost
    assert not any(map(is_torn, good))
    assert len(bad) >= 7
    assert 1 <= lost <= 4


def test_over_udp_a_slow_cameras_lost_picture_keeps_the_next_ones_waiting_for_a_moment_only() -> (
    None
):
    does = Behaviour(fps=5, drops=lambda p, *_: p == 6)
    with RtspCamera(encoded(40), does) as camera, opened(camera.url, transport="udp") as source:
        at_ns, bad = [], 0
        for _ in range(9):
            try:
                next_of(source)
            except ItemError:
                bad += 1
            at_ns.append(SYSTEM_CLOCK.boottime_ns())
    assert bad == 3
    # 0.2 s, twice where one is lost; by counting packets alone it would be more than 1 s.
    assert max(after - before for before, after in itertools.pairwise(at_ns)) < 0.9e9


def test_what_the_decoder_reports_as_damaged_is_not_judged_nor_what_follows() -> None:
    with (
        RtspCamera(encoded(100), Behaviour(fps=50, flips=lambda p: p % 10 == 2)) as camera,
        opened(camera.url) as source,
    ):
        seen = [read(source, 1) for _ in range(80)]
    reports = [bad[0] for _, bad in seen if bad]
    assert any("the decoder reports damage" in reason for reason in reports)
    for (_, bad), (good, _) in itertools.pairwise(seen):
        if bad and good and good[0].seq > 0:  # the first ones of an opening may be left out
            assert number_of(good[0].pixels) % 10 == 0


@pytest.mark.parametrize("fps", [2.0, 10.0, 25.0])
def test_what_the_camera_had_in_store_is_thrown_away_and_no_picture_is_stamped_too_late(
    fps: float, decoder: str
) -> None:
    stored = 30
    with (
        RtspCamera(encoded(120), Behaviour(fps=fps, stored=stored)) as camera,
        opened(camera.url) as source,
    ):
        good, bad = read(source, 5)
    assert not bad
    for frame in good:
        number = number_of(frame.pixels)
        assert number >= stored - 1
        too_late_ns = frame.captured.boottime_ns - camera.taken_ns[number]
        assert too_late_ns <= 1e9 / fps + 0.1e9  # the 0.1 s: this machine is busy
        assert frame.handed_ns is not None
        assert frame.captured.boottime_ns <= frame.handed_ns


def test_a_picture_that_waited_has_its_own_time_and_not_that_of_its_reading() -> None:
    with RtspCamera(encoded(120)) as camera, opened(camera.url) as source:
        read(source, 10)
        SYSTEM_CLOCK.wait(camera._stop, 1.0)
        frame = next_of(source)
    assert frame.handed_ns is not None
    assert frame.handed_ns - frame.captured.boottime_ns > 0.5e9


def test_opening_a_slow_camera_waits_for_one_picture_and_no_more(decoder: str) -> None:
    with RtspCamera(encoded(20), Behaviour(fps=1.0)) as camera:
        began_ns = SYSTEM_CLOCK.boottime_ns()
        with opened(camera.url, open_timeout_s=10.0) as source:
            frame = next_of(source)
        spent_s = (SYSTEM_CLOCK.boottime_ns() - began_ns) / 1e9
    assert number_of(frame.pixels) == 0
    assert spent_s < 3.0


def test_a_stream_that_changes_its_size_gives_pictures_in_their_own(decoder: str) -> None:
    pictures = [*encoded(10), *encoded(10, size=(480, 352), first=10), *encoded(10, first=20)]
    with RtspCamera(pictures) as camera, opened(camera.url) as source:
        good, bad = read(source, 28)
    assert not bad
    assert {frame.pixels.shape[:2] for frame in good} == {(240, 320), (352, 480)}
    assert not any(map(is_torn, good))


@pytest.mark.parametrize(
    ("does", "transport", "told"),
    [
        (Behaviour(refuses="TCP"), "tcp", "the camera wants UDP .* capture.transport"),
        (Behaviour(refuses="UDP"), "udp", "the camera wants TCP .* capture.transport"),
        (Behaviour(status={"DESCRIBE": "404 Not Found"}), "tcp", "404 Not Found: .* the path"),
        (Behaviour(status={"DESCRIBE": "403 Forbidden"}), "tcp", "403 Forbidden: this user"),
        (Behaviour(status={"PLAY": "453 Not Enough Bandwidth"}), "tcp", "453 .* viewers"),
        (Behaviour(status={"SETUP": "500 Oops"}), "tcp", "500 Oops to SETUP"),
        (Behaviour(password="u:p"), "tcp", "401 .* wants a user and a password"),
    ],
)
def test_what_the_camera_answers_is_told_with_what_to_do(
    does: Behaviour, transport: str, told: str
) -> None:
    with RtspCamera(encoded(10), does) as camera, pytest.raises(SourceUnavailable, match=told):
        Camera(camera.url, Capture(transport=transport), clock=SYSTEM_CLOCK).open()  # type: ignore[arg-type]


def test_a_password_with_odd_letters_opens_the_camera_and_a_wrong_one_is_told() -> None:
    with RtspCamera(encoded(20), Behaviour(password="line 3:a/b?c#d@e")) as camera:
        place = camera.url.removeprefix("rtsp://")
        with opened(f"rtsp://line%203:a%2Fb%3Fc%23d%40e@{place}") as source:
            frame = next_of(source)
        assert frame.source == f"rtsp://***@{place}"
        wrong = Camera(f"rtsp://line%203:no@{place}", Capture(), clock=SYSTEM_CLOCK)
        with pytest.raises(SourceUnavailable, match="401 Unauthorized: check the user and the"):
            wrong.open()


def test_a_camera_that_is_triggered_is_told_by_the_key_that_it_needs() -> None:
    with (
        RtspCamera(encoded(20), Behaviour(stays_silent=True)) as camera,
        pytest.raises(SourceUnavailable, match=r"slow, raise capture\.open_timeout_s"),
    ):
        Camera(camera.url, Capture(open_timeout_s=0.5), clock=SYSTEM_CLOCK).open()
    with (
        RtspCamera(encoded(20), Behaviour(fps=0.2)) as camera,
        opened(camera.url, read_timeout_s=0.5) as source,
    ):
        next_of(source)
        with pytest.raises(SourceUnavailable, match=r"raise capture\.read_timeout_s"):
            next_of(source)


def test_a_stream_without_key_pictures_is_told_by_the_cameras_setting() -> None:
    pictures = [picture[-1:] for picture in encoded(40, key_every=100)[1:]]
    with (
        RtspCamera(pictures) as camera,
        pytest.raises(SourceUnavailable, match="no key frame within 1 s; set the camera"),
    ):
        Camera(camera.url, Capture(open_timeout_s=1.0), clock=SYSTEM_CLOCK).open()


def test_the_session_is_kept_alive_while_pictures_come() -> None:
    with RtspCamera(encoded(50)) as camera, opened(camera.url) as source:  # it ends after 2 s
        read(source, 60)
        assert camera.asked.count("GET_PARAMETER") >= 2
    assert camera.asked[:4] == ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"]


def test_a_sign_of_life_that_wants_a_new_password_gets_it_once() -> None:
    does = Behaviour(password="u:p", next_nonce="n2")
    with RtspCamera(encoded(50), does) as camera:
        place = camera.url.removeprefix("rtsp://")
        with opened(f"rtsp://u:p@{place}") as source:
            read(source, 60)
        signs = [each for each in camera.answered if each.startswith("GET_PARAMETER")]
    assert signs[:3] == [
        "GET_PARAMETER 401 Unauthorized",
        "GET_PARAMETER 200 OK",
        "GET_PARAMETER 200 OK",
    ]


def test_a_camera_that_refuses_each_sign_of_life_is_asked_twice_a_period_and_no_more() -> None:
    does = Behaviour(password="u:p", status={"GET_PARAMETER": "401 Unauthorized"})
    with RtspCamera(encoded(50), does) as camera:
        place = camera.url.removeprefix("rtsp://")
        began_ns = SYSTEM_CLOCK.boottime_ns()
        with opened(f"rtsp://u:p@{place}") as source:
            read(source, 60)
        periods = (SYSTEM_CLOCK.boottime_ns() - began_ns) * 3 / (2 * NS_PER_S)
    assert 2 <= camera.asked.count("GET_PARAMETER") <= 2 * periods


@pytest.mark.parametrize("session", ["4711;timeout=0", "4711;timeout=²", "4711;timeout=x"])
def test_a_time_out_that_is_none_is_that_of_the_standard(session: str) -> None:
    with RtspCamera(encoded(50), Behaviour(session=session)) as camera:
        with opened(camera.url) as source:
            read(source, 10)
        assert "GET_PARAMETER" not in camera.asked


VIDEO = "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"


@pytest.mark.parametrize(
    ("does", "told"),
    [
        (Behaviour(sdp="v=0\r\nm=\r\n"), "offers no pictures"),
        (Behaviour(sdp=f"{VIDEO}a=control:rtsp://[bad\r\n"), "an address that can be none"),
        (
            Behaviour(
                sdp=f"{VIDEO}a=control:/1\r\n", headers={"DESCRIBE": "Content-Base: rtsp://[bad"}
            ),
            "an address that can be none",
        ),
        (Behaviour(status={"OPTIONS": "² Odd"}), "answers 0 Odd to OPTIONS"),
        (Behaviour(status={"OPTIONS": f"{'9' * 5000} Odd"}), "Odd to OPTIONS"),
        (
            Behaviour(headers={"OPTIONS": f"Content-Length: {'9' * 5000}"}),
            "does not speak RTSP",
        ),
    ],
)
def test_a_cameras_odd_answer_is_a_source_that_is_away(does: Behaviour, told: str) -> None:
    with RtspCamera(encoded(10), does) as camera, pytest.raises(SourceUnavailable, match=told):
        Camera(camera.url, Capture(), clock=SYSTEM_CLOCK).open()


def test_a_length_that_is_no_number_is_none() -> None:
    does = Behaviour(headers={"OPTIONS": "Content-Length: ²"})
    with RtspCamera(encoded(20), does) as camera, opened(camera.url) as source:
        next_of(source)


def test_a_port_of_the_cameras_that_can_be_none_keeps_no_picture_away() -> None:
    does = Behaviour(headers={"SETUP": "Transport: RTP/AVP;server_port=99999-99999"})
    with RtspCamera(encoded(20), does) as camera, opened(camera.url, transport="udp") as source:
        next_of(source)


def test_what_a_camera_says_in_words_of_another_fault_is_no_refusal_of_tcp() -> None:
    does = Behaviour(status={"SETUP": "500 Error 461 of unsupported transport"})
    with (
        RtspCamera(encoded(10), does) as camera,
        pytest.raises(SourceUnavailable, match="500 Error 461"),
    ):
        Camera(camera.url, Capture(transport="auto"), clock=SYSTEM_CLOCK).open()
    assert camera.asked.count("SETUP") == 1


def test_no_port_at_an_address_that_is_not_this_machines_is_told() -> None:
    with pytest.raises(SourceUnavailable, match="no UDP port can be had"):
        Ports("192.0.2.1", "192.0.2.2")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificate with openssl")
def test_a_camera_over_tls_is_asked_and_one_without_is_told(tmp_path: Path) -> None:
    key, certificate = make_certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    def secure(connection: socket.socket, _: threading.Event) -> None:
        with context.wrap_socket(connection, server_side=True) as talking:
            read_request(talking)
            talking.sendall(b"RTSP/1.0 404 Not Found\r\nCSeq: 1\r\n\r\n")

    def plain(connection: socket.socket, _: threading.Event) -> None:
        connection.recv(1)
        connection.sendall(b"RTSP/1.0 400 Bad Request\r\n\r\n")

    for talk, told in ((secure, "404 Not Found"), (plain, "does not speak TLS as rtsps://")):
        with RawServer(talk) as server, pytest.raises(SourceUnavailable, match=told):
            url = server.url.replace("http:", "rtsps:")
            Camera(url, Capture(), clock=SYSTEM_CLOCK).open()


def test_another_service_at_the_port_is_told() -> None:
    from tests.support.mjpeg_server import MjpegServer

    with MjpegServer(fps=10) as server:
        source = Camera(f"rtsp://127.0.0.1:{server.port}/", Capture(), clock=SYSTEM_CLOCK)
        with pytest.raises(SourceUnavailable, match=r"does not speak RTSP|hung up"):
            source.open()


@pytest.mark.parametrize("clock_rate", [0.5, 2.0, 0.0])
def test_a_camera_whose_clock_is_wrong_gives_new_pictures_none_of_them_uncounted(
    clock_rate: float, decoder: str
) -> None:
    does = Behaviour(fps=20.0, clock_rate=clock_rate)
    with RtspCamera(encoded(300), does) as camera, opened(camera.url) as source:
        numbers: list[int] = []
        left_out = 0
        while not numbers or numbers[-1] < 250:
            frame = next_of(source)
            numbers.append(number_of(frame.pixels))
            left_out += len(source.left_out().pictures)
            assert frame.handed_ns is not None
            if numbers[-1] > 200:
                assert frame.handed_ns - frame.captured.boottime_ns < NS_PER_S // 2
        assert numbers == sorted(set(numbers))
        assert len(numbers) + left_out == numbers[-1] + 1
        assert [each for each in numbers if each > 210] == list(range(211, numbers[-1] + 1))
        assert "clock" in source.notes()["differs"]


def test_while_a_slow_camera_has_no_picture_the_reader_turns_and_its_time_out_holds() -> None:
    with RtspCamera(encoded(3), Behaviour(fps=0.5)) as camera:
        with opened(camera.url, read_timeout_s=6.0) as source:
            seen = [source.read() for _ in range(6)]
            assert None in seen
            assert any(frame is not None for frame in seen)
        timed_out = pytest.raises(SourceUnavailable, match=r"no frame within 0\.7 s")
        with opened(camera.url, read_timeout_s=0.7) as source, timed_out:
            while True:
                source.read()
