"""A service that is told of verdicts: what is said, and answers that are none."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from edge_runtime.clock import NS_PER_MS, NS_PER_S, SYSTEM_CLOCK
from edge_runtime.config import WebhookOutput
from edge_runtime.config.secret import Secret
from edge_runtime.field import open_output
from edge_runtime.types import Actuation, Verdict, VerdictKind
from tests.support.webhook_server import WebhookServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edge_runtime.protocols import Output

REJECT = Verdict(VerdictKind.REJECT, "dent", 0.9, 0.5, reason="dent 0.90 is at least 0.50")


@pytest.fixture
def server() -> Iterator[WebhookServer]:
    made = WebhookServer()
    made.start()
    yield made
    made.close()


@pytest.fixture
def make() -> Iterator[Callable[..., Output]]:
    made: list[Output] = []

    def start(url: str, **more: Any) -> Output:
        table: dict[str, Any] = {"ack_timeout_ms": 2000}
        made.append(
            open_output("gate", WebhookOutput(url=url, **(table | more)), clock=SYSTEM_CLOCK)
        )
        made[-1].start()
        return made[-1]

    yield start
    for output in made:
        output.close(safe=False)


def wait_for(what: Callable[[], bool], seconds: float = 10.0) -> None:
    never = threading.Event()
    until_ns = SYSTEM_CLOCK.boottime_ns() + int(seconds * NS_PER_S)
    while not what():
        assert SYSTEM_CLOCK.boottime_ns() < until_ns, f"not within {seconds} s"
        SYSTEM_CLOCK.wait(never, 0.002)


def drive(output: Output) -> Actuation:
    return output.drive(REJECT, part="17", at_ns=123).result(20)


def test_a_verdict_is_told_with_its_part_and_reason(
    make: Callable[..., Output], server: WebhookServer
) -> None:
    output = make(server.url)
    wait_for(lambda: server.bodies == [{"output": "gate", "action": "safe"}])
    output.hold(active=False).result(20)
    assert drive(output).acknowledged
    assert server.bodies[1:] == [
        {"output": "gate", "action": "release"},
        {
            "output": "gate",
            "action": "drive",
            "part": "17",
            "at_boottime_ns": 123,
            "verdict": "reject",
            "label": "dent",
            "score": 0.9,
            "reason": "dent 0.90 is at least 0.50",
        },
    ]
    assert server.headers[0]["content-type"] == "application/json"
    assert "authorization" not in server.headers[0]


def test_the_token_is_sent_and_never_told(
    make: Callable[..., Output], server: WebhookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATE_TOKEN", "s3cret")
    output = make(server.url, token=Secret(env="GATE_TOKEN"))
    assert drive(output).acknowledged
    assert server.headers[-1]["authorization"] == "Bearer s3cret"
    monkeypatch.delenv("GATE_TOKEN")
    told = drive(output)
    assert (told.acknowledged, told.detail) == (
        False,
        "secret: environment variable GATE_TOKEN is not set",
    )


@pytest.mark.parametrize("status", [300, 302, 307, 400, 401, 404, 500, 503])
def test_any_answer_but_2xx_is_none_and_the_drive_is_not_repeated(
    make: Callable[..., Output], server: WebhookServer, status: int
) -> None:
    output = make(server.url)
    wait_for(lambda: len(server.bodies) == 1)
    server.status, server.location = status, f"{server.url}/elsewhere"
    told = drive(output)
    assert not told.acknowledged
    assert told.detail == f"{server.url}: answers with status {status}"
    server.status = 200
    wait_for(lambda: output.state().connected)  # by telling the safe state anew
    assert [body["action"] for body in server.bodies].count("drive") == 1
    assert server.bodies[-1]["action"] == "safe"


def test_an_answer_that_drips_is_cut_in_time(
    make: Callable[..., Output], server: WebhookServer
) -> None:
    output = make(server.url, ack_timeout_ms=300)
    wait_for(lambda: len(server.bodies) == 1)
    server.drip.set()
    asked_ns = SYSTEM_CLOCK.boottime_ns()
    told = drive(output)
    assert not told.acknowledged
    assert told.detail == f"{server.url}: no answer within 300 ms"
    assert SYSTEM_CLOCK.boottime_ns() - asked_ns < 300 * NS_PER_MS + 50 * NS_PER_MS + NS_PER_S // 2


def test_a_connection_that_the_service_closed_while_idle_is_made_again(
    make: Callable[..., Output], server: WebhookServer
) -> None:
    output = make(server.url)
    wait_for(lambda: output.state().connected)
    SYSTEM_CLOCK.wait(threading.Event(), 0.5)  # the server keeps them for 0.2 s
    assert drive(output).acknowledged


def test_requests_that_waited_too_long_are_not_told_any_more(
    make: Callable[..., Output], server: WebhookServer
) -> None:
    output = make(server.url, ack_timeout_ms=200)
    wait_for(lambda: output.state().connected)
    server.silent.set()
    answers = [output.drive(REJECT, part=str(n), at_ns=0) for n in range(3)]
    details = [answer.result(20).detail for answer in answers]
    assert details == [
        f"{server.url}: no answer within 200 ms",
        "waited more than 200 ms: not told any more",
        "waited more than 200 ms: not told any more",
    ]


def test_a_service_that_is_not_there_is_told_with_its_reason_and_without_what_is_secret(
    make: Callable[..., Output],
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        output = make(f"http://user:pass@127.0.0.1:{port}/x?key=1")
        told = drive(output)
        assert told.detail == f"http://127.0.0.1:{port}/x: connection refused"
        assert not output.state().connected
