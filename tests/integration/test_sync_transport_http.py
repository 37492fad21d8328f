"""The HTTP transport against servers that misbehave."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import msgspec
import pytest

from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.errors import (
    AuthFailed,
    ConfigError,
    EdgeRuntimeError,
    ItemError,
    Offline,
    ProtocolError,
    Throttled,
)
from edge_runtime.sync.http_connection import MAX_ANSWER_BYTES, Timeouts
from edge_runtime.sync.transport_http import HttpTransport
from edge_runtime.wire.conversation import Greeting, Welcome
from tests.support.certificate import make_certificate
from tests.support.collector_process import TOKEN, running_collector
from tests.support.fault_proxy import Fault, FaultProxy
from tests.support.raw_server import (
    RawServer,
    answer,
    answers,
    drips,
    read_request,
    says_nothing,
)

if TYPE_CHECKING:
    from pathlib import Path

GREETING = Greeting(device="box", epoch="e")
GREETED = Welcome(instance="a-life-of-a-collector")
WELCOME = answer(msgspec.json.encode(GREETED))
QUICK = Timeouts(connect_s=0.5, read_s=0.5, total_s=1.0)
PATIENT = Timeouts(connect_s=5.0, read_s=5.0, total_s=10.0)


def transport_to(url: str, *, timeouts: Timeouts = PATIENT, token: str = TOKEN) -> HttpTransport:
    return HttpTransport(url, token=lambda: token, timeouts=timeouts)


@pytest.fixture
def connect() -> Iterator[Callable[..., HttpTransport]]:
    made: list[HttpTransport] = []

    def make(url: str, *, timeouts: Timeouts = PATIENT, token: str = TOKEN) -> HttpTransport:
        made.append(transport_to(url, timeouts=timeouts, token=token))
        return made[-1]

    yield make
    for transport in made:
        transport.close()


Connect = Callable[..., HttpTransport]


def test_one_connection_is_used_for_all_calls(connect: Connect) -> None:
    with RawServer(answers(*[WELCOME] * 5)) as server:
        transport = connect(server.url)
        for _ in range(5):
            transport.hello(GREETING)
        assert server.connections == 1
    assert transport.traffic.connects == 1
    assert transport.traffic.calls == 5


def test_a_kept_connection_that_the_server_has_closed_costs_no_failure(connect: Connect) -> None:
    with RawServer(answers(WELCOME)) as server:
        transport = connect(server.url)
        for _ in range(5):
            transport.hello(GREETING)
        assert server.connections == 5


def test_a_kept_connection_that_dies_under_the_request_is_replaced_once(connect: Connect) -> None:
    def answers_then_drops(connection: socket.socket, stop: threading.Event) -> None:
        read_request(connection)
        connection.sendall(WELCOME)
        read_request(connection)

    with RawServer(answers_then_drops) as server:
        transport = connect(server.url)
        transport.hello(GREETING)
        transport.hello(GREETING)
        assert server.connections == 2


def test_a_fresh_connection_that_dies_is_offline_and_not_tried_for_ever(connect: Connect) -> None:
    def drops(connection: socket.socket, stop: threading.Event) -> None:
        read_request(connection)

    with RawServer(drops) as server:
        with pytest.raises(Offline):
            connect(server.url).hello(GREETING)
        assert server.connections == 1


def test_nobody_listening_is_offline_in_one_short_line(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(Offline) as caught:
        connect(f"http://127.0.0.1:{port}/v1").hello(GREETING)
    assert str(caught.value) == "Connection refused"


def test_a_name_that_does_not_exist_is_offline(connect: Connect) -> None:
    with pytest.raises(Offline) as caught:
        connect("http://no-such-host.invalid/v1").hello(GREETING)
    assert "object at" not in str(caught.value)


def test_a_half_open_server_is_given_up_after_the_read_time_out(connect: Connect) -> None:
    with RawServer(says_nothing) as server:
        assert failing_for_s(connect(server.url, timeouts=QUICK), Offline) < 5


def test_the_time_for_silence_is_not_that_for_connecting(connect: Connect) -> None:
    def thinks(connection: socket.socket, stop: threading.Event) -> None:
        for _ in range(2):
            read_request(connection)
            stop.wait(0.6)
            connection.sendall(WELCOME)

    with RawServer(thinks) as server:
        transport = connect(server.url, timeouts=Timeouts(0.2, 5.0, 10.0))
        transport.hello(GREETING)
        transport.hello(GREETING)
        assert server.connections == 1


def test_a_server_that_drips_is_given_up_after_the_total_time_out(connect: Connect) -> None:
    with RawServer(drips) as server:
        assert 0.9 < failing_for_s(connect(server.url, timeouts=QUICK), Offline) < 5


def test_a_server_that_drips_the_body_is_given_up_too(connect: Connect) -> None:
    def slow_body(connection: socket.socket, stop: threading.Event) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n")
        while not stop.wait(0.05):
            connection.sendall(b" ")

    with RawServer(slow_body) as server:
        assert failing_for_s(connect(server.url, timeouts=QUICK), Offline) < 5


def test_after_a_time_out_the_next_call_is_on_a_new_connection(connect: Connect) -> None:
    with RawServer(says_nothing, answers(WELCOME)) as server:
        transport = connect(server.url, timeouts=QUICK)
        with pytest.raises(Offline):
            transport.hello(GREETING)
        assert transport.hello(GREETING) == GREETED


def test_an_answer_without_end_is_cut_at_the_cap(connect: Connect) -> None:
    def endless(connection: socket.socket, stop: threading.Event) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not stop.is_set():
            connection.sendall(b"x" * 65536)

    with RawServer(endless) as server:
        transport = connect(server.url)
        with pytest.raises(ProtocolError, match="more than"):
            transport.hello(GREETING)
        assert transport.traffic.received_bytes <= MAX_ANSWER_BYTES + 1


@pytest.mark.parametrize(
    "whole",
    [
        answer(b""),
        answer(b"<html>captive portal</html>"),
        answer(b'{"acked": "all of them"}'),
        answer(b"[" * 100_000),
        answer(b"\xff\xfe"),
    ],
)
def test_an_answer_that_is_not_a_collectors_is_an_error_of_the_protocol(
    connect: Connect, whole: bytes
) -> None:
    with RawServer(answers(whole)) as server, pytest.raises(ProtocolError):
        connect(server.url).send_events(b"x")


@pytest.mark.parametrize("garbage", [b"\x00" * 100, b"SSH-2.0-OpenSSH\r\n", b"HTTP/9 x y\r\n\r\n"])
def test_what_is_not_http_is_offline(connect: Connect, garbage: bytes) -> None:
    def talk(connection: socket.socket, stop: threading.Event) -> None:
        read_request(connection)
        connection.sendall(garbage)

    with RawServer(talk) as server, pytest.raises((Offline, ProtocolError)):
        connect(server.url, timeouts=QUICK).hello(GREETING)


def test_a_redirect_is_not_followed(connect: Connect) -> None:
    with RawServer(answers(WELCOME)) as other:
        moved = answer(b"", "307 Temporary Redirect", f"location: {other.url}/hello")
        with (
            RawServer(answers(moved)) as server,
            pytest.raises(ProtocolError, match="redirects are off"),
        ):
            connect(server.url).hello(GREETING)
        assert other.connections == 0


def test_retry_after_comes_through(connect: Connect) -> None:
    busy = answer(b"", "503 Service Unavailable", "retry-after: 42")
    with RawServer(answers(busy)) as server, pytest.raises(Throttled) as caught:
        connect(server.url).hello(GREETING)
    assert caught.value.retry_after_s == 42


def test_the_token_is_in_no_message_even_if_the_server_echoes_it(connect: Connect) -> None:
    def echoes(connection: socket.socket, stop: threading.Event) -> None:
        request = read_request(connection)
        line = next(x for x in request.split(b"\r\n") if x.lower().startswith(b"authorization"))
        connection.sendall(answer(b'{"error":"' + line + b'"}', "500 Oops"))

    with RawServer(echoes) as server, pytest.raises(Offline) as caught:
        connect(server.url, token="very-secret").hello(GREETING)
    assert "very-secret" not in str(caught.value)
    assert "***" in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_wrong_token_is_refused_by_a_real_collector_and_named(
    connect: Connect, tmp_path: Path
) -> None:
    with running_collector(tmp_path) as collector:
        for wrong in ("", "wrong", TOKEN + "x", TOKEN[:-1]):
            with pytest.raises(AuthFailed, match=r"sync\.token"):
                connect(collector.url, token=wrong).hello(GREETING)
        nobody = HttpTransport(collector.url, token=lambda: None, timeouts=PATIENT)
        with pytest.raises(AuthFailed):
            nobody.hello(GREETING)
        nobody.close()


def test_a_token_that_cannot_be_read_now_is_asked_for_again_at_the_next_call() -> None:
    tokens: list[str | None] = [None, "now-it-is-there"]

    def read() -> str:
        token = tokens.pop(0)
        if token is None:
            raise ConfigError(["secret: environment variable X is not set"])
        return token

    with RawServer(answers(WELCOME)) as server:
        transport = HttpTransport(server.url, token=read, timeouts=PATIENT)
        with pytest.raises(AuthFailed, match="X is not set"):
            transport.hello(GREETING)
        assert server.connections == 0
        transport.hello(GREETING)
        transport.close()


def test_a_call_in_flight_is_broken_off_from_another_thread(connect: Connect) -> None:
    with RawServer(says_nothing) as server:
        transport = connect(server.url, timeouts=Timeouts(5.0, 60.0, 120.0))
        breaker = threading.Timer(0.2, transport.abort)
        breaker.start()
        assert failing_for_s(transport, Offline) < 5
        breaker.join()


def test_a_large_upload_that_is_refused_early_is_refused_and_not_offline(
    connect: Connect, tmp_path: Path
) -> None:
    def refuses_early(connection: socket.socket, stop: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(answer(b'{"error":"too large"}', "413 Too Large", "connection: close"))
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1 << 20):
            pass

    path = tmp_path / "large"
    path.write_bytes(bytes(8 << 20))
    with RawServer(refuses_early) as server, pytest.raises(ItemError, match="too large"):
        connect(server.url).put_media(path, sha256="0" * 64, mime="x/y", size_bytes=8 << 20)


def test_a_file_that_changed_its_size_is_not_sent(connect: Connect, tmp_path: Path) -> None:
    path = tmp_path / "short"
    path.write_bytes(b"abc")
    with RawServer(answers(WELCOME)) as server, pytest.raises(ItemError, match="3 bytes"):
        connect(server.url).put_media(path, sha256="0" * 64, mime="x/y", size_bytes=4)


def test_requests_cut_in_half_and_answers_lost_are_offline_and_then_well_again(
    connect: Connect, tmp_path: Path
) -> None:
    with running_collector(tmp_path) as collector:
        proxy = FaultProxy(("127.0.0.1", collector.port))
        try:
            transport = connect(proxy.url, timeouts=QUICK)
            for fault in (Fault.LOSE_ANSWER, Fault.REFUSE, Fault.CUT_REQUEST, Fault.SWALLOW):
                proxy.faults.append(fault)
                with pytest.raises(Offline):
                    transport.hello(GREETING)
                transport.close()
                assert transport.hello(GREETING).max_seq == 0
                transport.close()
        finally:
            proxy.close()


@pytest.mark.parametrize(
    "url",
    [
        "http://user:pass@host/v1",
        "ftp://host/v1",
        "http:///v1",
        "https://u@h/v1",
        "http://h:99999/v1",
    ],
)
def test_a_url_that_cannot_work_is_refused_at_once(url: str) -> None:
    with pytest.raises(ConfigError, match=r"sync\.url"):
        transport_to(url)


def test_a_ca_file_that_is_none_is_refused_at_once(tmp_path: Path) -> None:
    for content in (None, "not a certificate"):
        path = tmp_path / "ca.pem"
        if content is not None:
            path.write_text(content)
        with pytest.raises(ConfigError, match="ca_file"):
            HttpTransport("https://host/v1", token=lambda: None, ca_file=str(path))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificates with openssl")
def test_tls_needs_the_right_ca_and_works_with_it(tmp_path: Path) -> None:
    key, certificate = make_certificate(tmp_path)
    arguments = ("--tls-cert", str(certificate), "--tls-key", str(key))
    with running_collector(tmp_path / "data", *arguments) as collector:
        assert collector.url.startswith("https://")
        strange = transport_to(collector.url)
        with pytest.raises(Offline, match="certificate"):
            strange.hello(GREETING)
        strange.close()
        trusting = HttpTransport(
            collector.url, token=lambda: TOKEN, ca_file=str(certificate), timeouts=PATIENT
        )
        assert trusting.hello(GREETING).max_seq == 0
        data = os.urandom(300_000)
        sha256 = hashlib.sha256(data).hexdigest()
        path = tmp_path / "file"
        path.write_bytes(data)
        trusting.put_media(path, sha256=sha256, mime="image/jpeg", size_bytes=len(data))
        assert trusting.has_media(sha256)
        assert trusting.traffic.connects == 1
        trusting.close()


def failing_for_s(transport: HttpTransport, error: type[EdgeRuntimeError]) -> float:
    begin_ns = SYSTEM_CLOCK.boottime_ns()
    with pytest.raises(error):
        transport.hello(GREETING)
    return (SYSTEM_CLOCK.boottime_ns() - begin_ns) / 1e9
