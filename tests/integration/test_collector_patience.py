"""Who never finishes a request takes nobody's place at the collector."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.collector.patience import HEAD_TIMEOUT_S, MAX_UNFINISHED
from tests.support.collector_process import TOKEN, CollectorProcess, running_collector

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MANY = 2 * MAX_UNFINISHED
HEADS = {
    "nothing at all": b"",
    "half a head": b"POST /v1/events HTTP/1.1\r\nHost: x\r\nX-",
    "half a body": (
        f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
        "Content-Type: application/cloudevents-batch+json\r\nContent-Length: 1000\r\n\r\n["
    ).encode(),
    "half a file": (
        f"PUT /v1/media/{'ab' * 32} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
        "Content-Type: image/jpeg\r\nContent-Length: 1000\r\n\r\nx"
    ).encode(),
}


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[CollectorProcess]:
    with running_collector(tmp_path / "collector") as running:
        yield running


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_hundreds_of_unfinished_requests_leave_room_for_those_that_mean_it(
    head: bytes, collector: CollectorProcess
) -> None:
    with ExitStack() as stack:
        for _ in range(MANY):
            slow = socket.create_connection(("127.0.0.1", collector.port), timeout=10)
            stack.enter_context(slow)
            slow.sendall(head)
        for _ in range(20):
            assert collector.get("/devices") == {"devices": []}


def test_a_head_that_never_ends_is_given_up_however_it_drips(collector: CollectorProcess) -> None:
    began_ns = SYSTEM_CLOCK.boottime_ns()
    with socket.create_connection(("127.0.0.1", collector.port), timeout=1) as slow:
        slow.sendall(b"GET /v1/health HTTP/1.1\r\nHost: x\r\n")
        while True:
            try:
                slow.sendall(b"X-Y: z\r\n")
                if slow.recv(100) == b"":
                    break
            except TimeoutError:
                assert (SYSTEM_CLOCK.boottime_ns() - began_ns) / 1e9 < 10 * HEAD_TIMEOUT_S
            except OSError:
                break
    assert (SYSTEM_CLOCK.boottime_ns() - began_ns) / 1e9 > 0.5 * HEAD_TIMEOUT_S


def test_a_connection_that_is_kept_may_ask_again_and_again(collector: CollectorProcess) -> None:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", collector.port, timeout=10)
    for _ in range(50):
        connection.request("GET", "/v1/health", headers={"Authorization": f"Bearer {TOKEN}"})
        answer = connection.getresponse()
        assert (answer.status, bool(answer.read())) == (200, True)
        assert answer.headers["edge-instance"]
    connection.close()
