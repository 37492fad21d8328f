"""Cameras over HTTP that misbehave: what is wrong is told, what is whole is seen."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import cv2
import numpy as np
import pytest
from urllib3.connection import HTTPConnection

from edge_runtime import codes
from edge_runtime.capture import open_source
from edge_runtime.capture.http_camera import why_no_pictures
from edge_runtime.capture.http_link import HttpLink, Tls
from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.config import Capture
from edge_runtime.errors import ItemError, SourceUnavailable
from edge_runtime.protocols import HasNotes, LeavesOut
from tests.support.certificate import make_certificate
from tests.support.odd_camera import (
    MIXED,
    answer,
    asks_for_digest,
    cut_in_half,
    noisy,
    part,
    says,
    streams,
)
from tests.support.raw_server import RawServer, read_request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edge_runtime.protocols import Source
    from edge_runtime.types import Frame
    from tests.support.raw_server import Conversation

DARK, LIGHT = 50, 220
MARGIN_S = 3.0
"""For a machine that is busy with other tests."""


def camera(url: str, **capture: Any) -> Source[Frame]:
    settings = Capture(**{"open_timeout_s": 8.0, "read_timeout_s": 8.0, **capture})
    return open_source(url, settings, is_camera=True, clock=SYSTEM_CLOCK)


@contextlib.contextmanager
def opened(*talks: Conversation, **capture: Any) -> Iterator[Source[Frame]]:
    with RawServer(*talks) as server:
        source = camera(server.url, **capture)
        source.open()
        try:
            yield source
        finally:
            source.close()


def why_not(*talks: Conversation, login: str = "", **capture: Any) -> str:
    """What a camera that cannot be opened is told of."""
    with RawServer(*talks) as server:
        source = camera(server.url.replace("//", f"//{login}"), **capture)
        try:
            with pytest.raises(SourceUnavailable) as told:
                source.open()
            assert told.value.code == codes.SOURCE_AWAY
        finally:
            source.close()
    return str(told.value)


def next_frame(source: Source[Frame]) -> Frame:
    while (frame := source.read()) is None:
        pass
    return frame


def read_until_away(source: Source[Frame]) -> tuple[list[Frame], list[str], str]:
    """(pictures, bad items, why it ended)."""
    frames: list[Frame] = []
    bad: list[str] = []
    while True:
        try:
            frame = source.read()
        except ItemError as exc:
            bad.append(str(exc))
        except SourceUnavailable as exc:
            return frames, bad, str(exc)
        else:
            frames += [frame] if frame is not None else []


def hang_up(_: socket.socket, __: threading.Event) -> None:
    pass


def seen(pieces: list[bytes], *, kind: str = MIXED) -> tuple[list[Frame], list[str]]:
    """All of a stream that ends, at a pace that loses none."""
    with opened(streams(pieces, kind=kind, fps=10, then=hang_up)) as source:
        frames, bad, why = read_until_away(source)
    assert "the stream has ended; the camera hung up" in why
    return frames, bad


def levels(frames: list[Frame]) -> list[int]:
    """Of grey, in steps of 10."""
    return [10 * round(float(frame.pixels.mean()) / 10) for frame in frames]


def test_pictures_come_with_their_own_bytes_and_the_stamp_of_their_arrival() -> None:
    jpegs = [noisy(DARK, seed=n) for n in range(5)]
    frames, bad = seen([part(jpeg) for jpeg in jpegs])
    assert (levels(frames), bad) == ([DARK] * 5, [])
    assert [frame.encoded for frame in frames] == jpegs
    assert [frame.seq for frame in frames] == list(range(5))
    for frame in frames:
        assert frame.handed_ns == frame.captured.boottime_ns
        assert not frame.is_exposure
        assert frame.item is None


def test_a_damaged_picture_is_a_bad_item_and_never_filled_with_the_one_before() -> None:
    light = noisy(LIGHT, width=320, height=240)
    dark = [noisy(DARK, seed=n, width=320, height=240) for n in range(4)]
    half = light[: len(light) // 2]
    zeros = light[:-3000] + bytes(2400) + light[-600:]
    damaged = [part(cut_in_half(light)), part(half), part(half, wrong=None), part(zeros)]
    pieces = [piece for pair in zip(map(part, dark), damaged, strict=True) for piece in pair]
    frames, bad = seen([*pieces, part(dark[0])])
    assert levels(frames) == [DARK] * 5
    assert len(bad) == 4
    assert all(told.startswith("http://127.0.0.1:") for told in bad)


def test_pictures_of_another_size_keep_their_own() -> None:
    sizes = [(64, 48), (64, 48), (48, 64), (160, 120), (64, 48)]
    jpegs = [noisy(DARK, seed=n, width=w, height=h) for n, (w, h) in enumerate(sizes)]
    frames, bad = seen([part(jpeg) for jpeg in jpegs])
    assert [(frame.pixels.shape[1], frame.pixels.shape[0]) for frame in frames] == sizes
    assert not bad


@pytest.mark.parametrize("kind", [MIXED, 'multipart/mixed;boundary="--frame"', "", "text/plain"])
@pytest.mark.parametrize("wrong", [0, -10, 10, None])
def test_lengths_types_and_boundaries_may_be_wrong(kind: str, wrong: int | None) -> None:
    jpegs = [noisy(40 + 20 * n) for n in range(4)]
    frames, bad = seen([part(jpeg, wrong=wrong) for jpeg in jpegs], kind=kind)
    assert (levels(frames), bad) == ([40, 60, 80, 100], [])


def test_parts_that_are_empty_or_text_are_counted_and_the_stream_goes_on() -> None:
    jpeg = [part(noisy(DARK, seed=n)) for n in range(3)]
    text = part(b"hello", kind="text/plain")
    pieces = [jpeg[0], part(b""), jpeg[1], text, text, jpeg[2]]
    with opened(streams(pieces, fps=10, then=hang_up)) as source:
        frames, bad, _ = read_until_away(source)
        assert isinstance(source, LeavesOut)
        assert source.left_out().parts == 3
        assert source.left_out().parts == 0
    assert (levels(frames), bad) == ([DARK] * 3, [])


def test_what_was_left_out_is_told_though_the_opening_is_over() -> None:
    pieces = [part(noisy(DARK)), part(b""), part(b""), part(noisy(LIGHT))]
    with opened(streams(pieces, fps=10, then=hang_up)) as source:
        read_until_away(source)
        source.close()
        assert isinstance(source, LeavesOut)
        assert source.left_out().parts == 2


def test_a_stream_may_begin_without_a_boundary() -> None:
    first = part(noisy(DARK)).removeprefix(b"--frame\r\n")
    frames, bad = seen([first, part(noisy(LIGHT))])
    assert (levels(frames), bad) == ([DARK, LIGHT], [])


def test_bare_jpegs_are_seen_at_once() -> None:
    jpegs = [noisy(40 + 20 * n) for n in range(4)]
    with opened(streams(jpegs, kind="image/jpeg", fps=5)) as source:
        assert levels([next_frame(source) for _ in range(4)]) == [40, 60, 80, 100]


def test_a_chunked_stream_is_read() -> None:
    def chunk(data: bytes) -> bytes:
        return b"%x\r\n%s\r\n" % (len(data), data)

    def talk(connection: socket.socket, stop: threading.Event) -> None:
        read_request(connection)
        head = answer("200 OK", f"Content-Type: {MIXED}", "Transfer-Encoding: chunked")
        connection.sendall(head)
        for n in range(4):
            whole = part(noisy(40 + 20 * n))
            connection.sendall(chunk(whole[:100]) + chunk(whole[100:]))
            if stop.wait(0.1):
                return
        connection.sendall(b"0\r\n\r\n")

    with opened(talk) as source:
        frames, bad, _ = read_until_away(source)
    assert (levels(frames), bad) == ([40, 60, 80, 100], [])


def still(jpeg: bytes, kind: str = "image/jpeg") -> bytes:
    return answer("200 OK", f"Content-Type: {kind}", f"Content-Length: {len(jpeg)}", body=jpeg)


def test_a_still_picture_is_asked_for_again_and_again_on_one_connection() -> None:
    pieces = [still(noisy(40 + 20 * n)) for n in range(4)]
    with RawServer(says(*pieces)) as server:
        source = camera(server.url, fps=20)
        source.open()
        frames = [next_frame(source) for _ in range(4)]
        assert (levels(frames), server.connections) == ([40, 60, 80, 100], 1)
        source.close()
    gaps_ns = [
        after.captured.boottime_ns - before.captured.boottime_ns
        for before, after in itertools.pairwise(frames)
    ]
    assert sum(gaps_ns) > 0.1e9


def test_a_still_picture_is_asked_for_once_a_second_where_the_config_does_not_say() -> None:
    def one(connection: socket.socket, _: threading.Event) -> None:
        read_request(connection)
        head = answer("200 OK", "Content-Type: image/jpeg", "Connection: close")
        connection.sendall(head + noisy(DARK, seed=len(asked)))
        asked.append(SYSTEM_CLOCK.boottime_ns())

    asked: list[int] = []
    with opened(one) as source:
        began_ns = SYSTEM_CLOCK.boottime_ns()
        assert source.read() is not None
        assert source.read() is None  # not due: the loop turns meanwhile
        next_frame(source)
        assert SYSTEM_CLOCK.boottime_ns() - began_ns > 0.7e9
    assert len(asked) == 2


def test_a_still_picture_that_is_damaged_is_a_bad_item_and_the_next_one_is_seen() -> None:
    light = noisy(LIGHT, width=320, height=240)
    pieces = [still(noisy(DARK)), still(cut_in_half(light)), still(light)]
    with opened(says(*pieces), fps=20) as source:
        assert levels([next_frame(source)]) == [DARK]
        with pytest.raises(ItemError):
            next_frame(source)
        assert levels([next_frame(source)]) == [LIGHT]


def test_a_still_picture_that_is_refused_later_is_told() -> None:
    busy = answer("503 Service Unavailable", "Content-Length: 0")
    with opened(says(still(noisy(DARK)), busy), fps=20) as source:
        frames, _, why = read_until_away(source)
    assert levels(frames) == [DARK]
    assert "answered 503 (Service Unavailable): it is busy" in why


@pytest.mark.parametrize("status", ["403 Forbidden", "404 Not Found", "461 Odd", "500 Oops"])
def test_what_the_camera_answered_is_told(status: str) -> None:
    number, _, phrase = status.partition(" ")
    told = why_not(says(answer(status, "Content-Length: 0")))
    assert f"the camera answered {number} ({phrase})" in told


def test_a_camera_that_wants_a_login_and_one_that_refuses_it_are_told_apart() -> None:
    refuses = answer(
        "401 Unauthorized", 'WWW-Authenticate: Digest realm="c", nonce="1", qop="auth"'
    )
    assert "wants a user and a password" in why_not(says(refuses))
    told = why_not(says(refuses), login="line3:geheim7@")
    assert "refuses this user or password" in told
    assert "geheim7" not in told


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_a_digest_opens_the_camera(algorithm: str) -> None:
    head = answer("200 OK", f"Content-Type: {MIXED}", "Connection: close")
    body = head + part(noisy(DARK)) + part(noisy(LIGHT))
    talk = asks_for_digest("line3", "Top/Secret 7", algorithm=algorithm, body=body)
    with RawServer(talk) as server:
        source = camera(server.url.replace("//", "//line3:Top%2FSecret%207@"))
        source.open()
        assert next_frame(source).source == server.url.replace("//", "//***@")
        source.close()
        assert "refuses this user" in why_not(talk, login="line3:falsch7@")


def test_a_web_page_an_empty_answer_and_a_playlist_are_told() -> None:
    page = b"<html><title>IPC Login</title><body>...</body></html>"
    told = why_not(says(answer("200 OK", "Content-Type: text/html", body=page)))
    assert "a web page (text/html), not with pictures, which says 'IPC Login'" in told
    assert "hung up without a byte" in why_not(says(answer("200 OK", "Content-Type: image/jpeg")))
    playlist = answer("200 OK", "Content-Type: application/x-mpegurl", body=b"#EXTM3U\n")
    assert "a playlist" in why_not(says(playlist))


def test_parts_that_never_are_pictures_are_told() -> None:
    texts = [part(b"hello", kind="text/plain")] * 30
    told = why_not(streams(texts), open_timeout_s=0.8)
    assert "gives no picture within 0.8 s" in told
    assert "x text/plain" in told


def test_a_camera_that_calls_each_part_something_else_is_told_in_few_words() -> None:
    texts = [part(b"hello", kind=f"text/{n}\x07{'x' * 100}") for n in range(30)]
    pieces = [part(noisy(DARK)), *texts, part(noisy(LIGHT))]
    with opened(streams(pieces, fps=50, then=hang_up)) as source:
        read_until_away(source)
        assert isinstance(source, LeavesOut)
        assert source.left_out().parts == 30
    told = why_not(streams(texts, fps=50), open_timeout_s=2.0)
    listed = told.partition("no picture: ")[2].partition(". One that")[0]
    assert "x other" in listed
    assert len(listed.split(", ")) == 9
    assert listed.isprintable()
    assert max(map(len, listed.split(", "))) < 75


@pytest.mark.parametrize("user", ["Łukasz", "%E7%AE%A1%E7%90%86"])
def test_a_user_of_any_letters_logs_in(user: str) -> None:
    asked: list[bytes] = []

    def talk(connection: socket.socket, stop: threading.Event) -> None:
        asked.append(read_request(connection))
        if len(asked) == 1:
            challenge = 'WWW-Authenticate: Digest realm="c", nonce="1"'
            connection.sendall(answer("401 Unauthorized", challenge, "Content-Length: 0"))
            asked.append(read_request(connection))
        connection.sendall(answer("404 Not Found", "Content-Length: 0"))

    assert "404" in why_not(talk, login=f"{user}:Geheim7@")
    assert f'username="{unquote(user)}"'.encode() in asked[1]


def test_an_error_of_the_program_is_told_by_its_kind_and_not_by_what_was_sent(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = "Authorization: Basic R2VoZWlt"

    def fails(_: HttpLink) -> None:
        raise LookupError(sent)

    monkeypatch.setattr(HttpLink, "get", fails)
    source = camera("http://127.0.0.1:9/1")
    with pytest.raises(SourceUnavailable, match=r"reading it failed: LookupError$"):
        source.open()
    source.close()
    assert "camera_thread_failed" in caplog.text
    assert "in fails" in caplog.text  # where it happened is told
    assert sent not in caplog.text


def test_a_camera_that_is_given_up_while_it_connects_is_waited_for_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connect = HTTPConnection.connect

    def given_up(connection: HTTPConnection) -> None:
        link.cut()  # nothing is there yet that could be cut
        connect(connection)

    monkeypatch.setattr(HTTPConnection, "connect", given_up)
    with RawServer(silent) as server:
        link = HttpLink(server.url, Tls(), connect_s=MARGIN_S, read_s=MARGIN_S)
        with pytest.raises(SourceUnavailable, match="broken off"):
            link.get()
        link.close()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificate with openssl")
def test_a_container_over_https_is_refused_while_certificates_are_to_be_checked(
    tmp_path: Path,
) -> None:
    key, certificate = make_certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    packets = (b"\x47" + bytes(187)) * 100
    plain = says(answer("200 OK", "Content-Type: video/mp2t", body=packets))

    def talk(connection: socket.socket, stop: threading.Event) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            plain(secure, stop)

    with RawServer(talk) as server:
        url = server.url.replace("http:", "https:")
        with pytest.raises(SourceUnavailable, match=r"checks no certificate.*capture\.verify_tls"):
            camera(url, ca_file=str(certificate)).open()
        settings = Capture(open_timeout_s=8.0, verify_tls=False)
        assert why_no_pictures(url, settings, SYSTEM_CLOCK) == ""


def test_what_does_not_speak_http_is_told() -> None:
    assert "does not speak HTTP: it answered 'RTSP/1.0 400" in why_not(
        says(b"RTSP/1.0 400 Bad Request\r\n\r\n")
    )
    assert "hung up without an answer" in why_not(says(b""))


def test_a_port_without_tls_is_told() -> None:
    def plain(connection: socket.socket, _: threading.Event) -> None:
        connection.recv(1)
        connection.sendall(answer("400 Bad Request", "Content-Length: 0"))

    with RawServer(plain) as server:
        source = camera(server.url.replace("http:", "https:"))
        with pytest.raises(SourceUnavailable, match=r"TLS.*is it http://"):
            source.open()
        source.close()


def test_a_name_that_nobody_knows_and_a_closed_port_are_told() -> None:
    with pytest.raises(SourceUnavailable, match="not known to the network"):
        camera("http://camera.invalid/1").open()
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(SourceUnavailable, match="cannot be reached: connection refused"):
        camera(f"http://127.0.0.1:{port}/1").open()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificate with openssl")
def test_a_certificate_is_looked_at_and_may_be_the_cameras_own(tmp_path: Path) -> None:
    key, certificate = make_certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    plain = streams([part(noisy(DARK)), part(noisy(LIGHT))])

    def talk(connection: socket.socket, stop: threading.Event) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            plain(secure, stop)

    with RawServer(talk) as server:
        url = server.url.replace("http:", "https:")
        source = camera(url)
        with pytest.raises(SourceUnavailable, match=r"not trusted: self-signed.*capture\.ca_file"):
            source.open()
        source.close()
        for settings in ({"ca_file": str(certificate)}, {"verify_tls": False}):
            source = camera(url, **settings)
            source.open()
            assert levels([next_frame(source)]) in ([DARK], [LIGHT])
            source.close()
        with pytest.raises(SourceUnavailable, match="holds no certificate"):
            camera(url, ca_file=str(key)).open()


def test_a_redirect_is_followed_and_a_login_goes_to_its_own_host_alone() -> None:
    asked: list[bytes] = []

    def listens(connection: socket.socket, _: threading.Event) -> None:
        asked.append(read_request(connection))
        head = answer("200 OK", f"Content-Type: {MIXED}", "Connection: close")
        connection.sendall(head + part(noisy(DARK)) + part(noisy(LIGHT)))

    with RawServer(listens) as other:
        place = f"localhost:{other.port}"
        moved = answer("302 Found", f"Location: http://{place}/real", "Content-Length: 0")
        with RawServer(says(moved)) as server:
            source = camera(server.url.replace("//", "//line3:geheim7@"))
            source.open()
            assert levels([next_frame(source)]) == [LIGHT]
            source.close()
    assert asked[0].startswith(b"GET /real HTTP/1.1\r\n")
    assert b"uthorization" not in asked[0]


@pytest.mark.parametrize("target", ["file:/etc/hostname", "rtsp://cam/1", "concat:/etc/hostname"])
def test_a_redirect_to_anything_but_http_is_told(target: str) -> None:
    told = why_not(says(answer("302 Found", f"Location: {target}", "Content-Length: 0")))
    assert "redirects to " in told


def test_a_camera_that_redirects_in_a_circle_is_given_up() -> None:
    moved = answer("302 Found", "Location: /again", "Content-Length: 0")
    assert "redirects again and again" in why_not(says(*[moved] * 20))


def silent(_: socket.socket, stop: threading.Event) -> None:
    stop.wait(60)


def drips(connection: socket.socket, stop: threading.Event) -> None:
    """A byte now and then, for ever: no wait for a byte ever runs out."""
    read_request(connection)
    connection.sendall(answer("200 OK", f"Content-Type: {MIXED}"))
    while not stop.wait(0.1):
        connection.sendall(b"-")


@pytest.mark.parametrize("talk", [silent, drips])
def test_a_camera_that_takes_the_call_and_gives_nothing_is_given_up_in_time(
    talk: Conversation,
) -> None:
    began_ns = SYSTEM_CLOCK.boottime_ns()
    told = why_not(talk, open_timeout_s=1.0)
    assert "gives no picture within 1 s" in told
    assert "capture.open_timeout_s" in told
    assert 0.9 < (SYSTEM_CLOCK.boottime_ns() - began_ns) / 1e9 < 1.0 + MARGIN_S


def test_a_camera_that_is_slower_than_the_time_out_is_told_with_the_key() -> None:
    pieces = [part(noisy(DARK)), part(noisy(LIGHT))]
    with opened(streams(pieces), read_timeout_s=1.0) as source:
        began_ns = SYSTEM_CLOCK.boottime_ns()
        frames, _, why = read_until_away(source)
        assert (SYSTEM_CLOCK.boottime_ns() - began_ns) / 1e9 < 1.0 + MARGIN_S
    assert levels(frames)[-1] == LIGHT
    assert "no picture within 1 s" in why
    assert "capture.read_timeout_s" in why


def test_pictures_that_queued_while_nobody_read_are_passed_over() -> None:
    """A picture is handed on with the time that it came, and none that a newer one followed."""
    pieces = [part(noisy(DARK, seed=n)) for n in range(20)]
    with opened(streams([*pieces, part(noisy(LIGHT))], fps=50)) as source:
        next_frame(source)
        SYSTEM_CLOCK.wait(threading.Event(), 1.0)  # a decoder that is slow
        assert levels([next_frame(source)]) == [LIGHT]
        assert isinstance(source, LeavesOut)
        assert len(source.left_out().pictures) >= 10


def test_no_picture_is_lost_where_the_line_stops_between_its_parts() -> None:
    """Three shots of a part, then nothing for a while: a pause of the camera is no queue."""

    def talk(connection: socket.socket, stop: threading.Event) -> None:
        read_request(connection)
        connection.sendall(answer("200 OK", f"Content-Type: {MIXED}"))
        for number in range(12):
            connection.sendall(part(noisy(DARK, seed=number)))
            stop.wait(1.2 if number % 3 == 2 else 0.2)

    with opened(talk) as source:
        frames, _, _ = read_until_away(source)
        assert isinstance(source, LeavesOut)
        assert (len(frames), source.left_out().pictures) == (12, ())


def test_of_pictures_that_wait_in_the_socket_together_only_the_newest_is_handed_on() -> None:
    steady = [part(noisy(DARK, seed=n)) for n in range(5)]
    together = b"".join(part(noisy(DARK, seed=n)) for n in range(20, 50)) + part(noisy(LIGHT))
    with opened(streams([*steady, together], fps=5, then=hang_up)) as source:
        frames, _, _ = read_until_away(source)
        assert isinstance(source, LeavesOut)
        assert len(source.left_out().pictures) >= 25
    assert levels(frames)[-1] == LIGHT


def test_a_camera_that_changes_its_rate_is_not_taken_for_one_that_hangs() -> None:
    def talk(connection: socket.socket, stop: threading.Event) -> None:
        read_request(connection)
        connection.sendall(answer("200 OK", f"Content-Type: {MIXED}"))
        for number in range(40):
            connection.sendall(part(noisy(DARK, seed=number)))
            stop.wait(0.5 if number % 10 >= 7 else 0.05)

    with opened(talk, read_timeout_s=2.0) as source:
        frames, _, why = read_until_away(source)
    assert "hung up" in why
    assert len(frames) >= 30


def test_a_long_time_out_gives_the_loop_its_turn_all_the_same() -> None:
    with opened(streams([part(noisy(DARK))]), read_timeout_s=60.0) as source:
        next_frame(source)
        for _ in range(3):
            began_ns = SYSTEM_CLOCK.boottime_ns()
            assert source.read() is None
            assert (SYSTEM_CLOCK.boottime_ns() - began_ns) / 1e9 < 0.5 + MARGIN_S


def test_a_picture_of_12_bits_is_shown_as_the_config_says_and_else_told_once() -> None:
    def png(seed: int) -> bytes:
        rng = np.random.default_rng(seed)
        grey = 2000 + rng.integers(-200, 200, (48, 64))
        return bytes(cv2.imencode(".png", grey.astype(np.uint16))[1])

    pieces = [part(png(seed), kind="image/png") for seed in range(5)]
    with opened(streams(pieces), bits=12) as source:
        assert 115 < next_frame(source).pixels.mean() < 135  # 2000 of 4095
        assert isinstance(source, HasNotes)
        assert source.notes()["differs"] == ""
    with opened(streams(pieces)) as source:
        assert next_frame(source).pixels.mean() < 20
        next_frame(source)
        assert isinstance(source, HasNotes)
        assert source.notes()["differs"].count("capture.bits = 12") == 1


def test_a_picture_that_stays_the_same_to_the_last_byte_is_a_frozen_camera() -> None:
    pieces = [part(noisy(DARK, seed=n)) for n in range(3)] + [part(noisy(LIGHT))] * 100
    with opened(streams(pieces, fps=20), stale_s=0.5) as source:
        _, _, why = read_until_away(source)
    assert "not changed by one bit" in why


def test_a_damaged_picture_between_two_alike_shows_that_the_camera_does_not_hang() -> None:
    alike, damaged = part(noisy(DARK)), part(cut_in_half(noisy(LIGHT, width=320, height=240)))
    pieces = [alike, alike, alike, damaged] * 6
    with opened(streams(pieces, fps=10, then=hang_up), stale_s=1.0) as source:
        frames, bad, why = read_until_away(source)
    assert (len(frames), len(bad)) == (18, 6)
    assert "hung up" in why


def test_a_frozen_picture_with_a_new_time_in_its_head_is_frozen_all_the_same() -> None:
    jpeg = noisy(LIGHT)
    stamped = [jpeg[:2] + b"\xff\xfe\x00\x06" + b"%04d" % n + jpeg[2:] for n in range(100)]
    with opened(streams([part(each) for each in stamped], fps=20), stale_s=0.5) as source:
        _, _, why = read_until_away(source)
    assert "not changed by one bit" in why


def test_a_camera_that_hangs_up_is_told_and_opens_again() -> None:
    ends = streams([part(noisy(DARK)), part(noisy(DARK, seed=1))], then=hang_up)
    with RawServer(ends, streams([part(noisy(LIGHT))])) as server:
        source = camera(server.url)
        source.open()
        _, _, why = read_until_away(source)
        assert "the camera hung up" in why
        source.open()
        assert levels([next_frame(source)]) == [LIGHT]
        source.close()
        source.close()
