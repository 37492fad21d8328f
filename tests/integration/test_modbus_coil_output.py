"""The output's thread over a line that fails on command."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.config import Output as OutputConfig
from edge_runtime.field.line import LineDown, NoAnswer, Refused
from edge_runtime.field.pulsed import REQUESTS_MAX, CoilOutput
from edge_runtime.types import Actuation, Verdict, VerdictKind
from tests.support.fake_line import FakeLine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

REJECT = Verdict(VerdictKind.REJECT, "dent", 0.9, 0.5)
GONE = "fake://plc: the connection was closed"


def settings(**more: object) -> OutputConfig:
    table = {"kind": "modbus", "host": "plc", "coil": 12, "pulse_ms": 1, "heartbeat_s": 60.0}
    table["ack_timeout_ms"] = 10_000
    return OutputConfig(**(table | more))  # type: ignore[arg-type]


class Bench:
    """Outputs over fake lines, closed at the end."""

    def __init__(self) -> None:
        self.made: list[CoilOutput] = []

    def output(self, line: FakeLine, **more: object) -> CoilOutput:
        output = CoilOutput("gate", settings(**more), line, clock=SYSTEM_CLOCK)
        self.made.append(output)
        output.start()
        return output


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    for output in made.made:
        output.close()


def answer(future: Future[Actuation] | None) -> Actuation:
    assert future is not None
    return future.result(20)


def pulsed(output: CoilOutput) -> Actuation:
    return answer(output.apply(REJECT))


def test_a_connection_that_was_closed_while_idle_is_made_again_within_the_same_request(
    bench: Bench,
) -> None:
    line = FakeLine()
    output = bench.output(line)
    line.troubles.append(LineDown(GONE))
    assert pulsed(output).acknowledged
    assert line.connects == 2
    assert output.counters()["reconnects"] == 1


def test_a_write_without_an_answer_is_not_repeated_and_says_so(bench: Bench) -> None:
    line = FakeLine()
    output = bench.output(line)
    line.troubles.append(NoAnswer("fake://plc: coil 12 not confirmed within 500 ms"))
    told = pulsed(output)
    assert not told.acknowledged
    assert told.detail == "fake://plc: coil 12 not confirmed within 500 ms"
    assert (12, 1) not in line.coils()


def test_after_a_write_without_an_answer_the_coil_is_switched_off_on_the_new_connection(
    bench: Bench,
) -> None:
    line = FakeLine()
    output = bench.output(line)
    line.troubles.append(NoAnswer("no answer"))
    pulsed(output)
    assert pulsed(output).acknowledged  # the thread has been through the reconnection
    assert line.coils()[:3] == [(12, 0), (12, 0), (12, 1)]


def test_a_refusal_is_not_acknowledged_and_keeps_the_connection(bench: Bench) -> None:
    line = FakeLine()
    output = bench.output(line)
    line.troubles.append(Refused("fake://plc: coil 12 refused: the far side has no such address"))
    told = pulsed(output)
    assert not told.acknowledged
    assert told.detail is not None
    assert "no such address" in told.detail
    assert line.connects == 1
    assert output.counters()["refused"] == 1
    assert pulsed(output).acknowledged


def test_while_the_far_side_is_known_to_be_away_the_answer_is_there_at_once(bench: Bench) -> None:
    output = bench.output(FakeLine(up=False))
    future = output.apply(REJECT)
    assert future is not None
    assert future.done()
    assert future.result(0).detail == "fake://plc: connection refused"
    assert output.counters()["unacknowledged"] == 1


def test_a_fault_told_while_the_far_side_was_away_is_driven_when_it_comes(bench: Bench) -> None:
    line = FakeLine(up=False)
    output = bench.output(line, safe_coil=13)
    assert not answer(output.fault(active=True)).acknowledged
    line.up = True
    for _ in range(200):
        if (13, 1) in line.coils():
            break
        SYSTEM_CLOCK.wait(threading.Event(), 0.05)
    assert line.coils()[:2] == [(13, 1), (12, 0)]


def test_a_request_that_waited_too_long_is_not_pulsed_any_more(bench: Bench) -> None:
    line = FakeLine()
    output = bench.output(line, ack_timeout_ms=500)
    line.hold.clear()
    first = output.apply(REJECT)
    assert line.holding.wait(10)
    second = output.apply(REJECT)
    SYSTEM_CLOCK.wait(threading.Event(), 0.6)
    line.hold.set()
    late, stale = answer(first), answer(second)
    assert (late.acknowledged, stale.acknowledged) == (False, False)
    assert late.detail is not None
    assert "too late" in late.detail
    assert stale.detail == "waited more than 500 ms: not pulsed any more"
    output.close()
    assert line.coils().count((12, 1)) == 1


def test_more_requests_than_can_wait_are_refused_at_once_and_none_is_left_unanswered(
    bench: Bench,
) -> None:
    line = FakeLine()
    output = bench.output(line)
    line.hold.clear()
    futures = [output.apply(REJECT)]
    assert line.holding.wait(10)
    futures += [output.apply(REJECT) for _ in range(REQUESTS_MAX + 5)]
    refused = [f for f in futures if f is not None and f.done()]
    assert len(refused) == 5
    assert refused[0].result(0).detail == f"{REQUESTS_MAX} requests are waiting already"
    line.hold.set()
    assert sum(answer(future).acknowledged for future in futures) == REQUESTS_MAX + 1


def test_a_fault_told_while_the_queue_was_full_is_driven_all_the_same(bench: Bench) -> None:
    line = FakeLine()
    output = bench.output(line)
    line.hold.clear()
    futures = [output.apply(REJECT)]
    assert line.holding.wait(10)
    futures += [output.apply(REJECT) for _ in range(REQUESTS_MAX)]
    assert not answer(output.fault(active=True)).acknowledged
    line.hold.set()
    for future in futures:
        answer(future)
    output.close()
    assert line.coils()[-1] == (12, 1)


def test_closing_finishes_the_pulse_and_releases(bench: Bench) -> None:
    line = FakeLine()
    output = bench.output(line, pulse_ms=30)
    future = output.apply(REJECT)
    output.close()
    assert answer(future).acknowledged
    assert line.coils() == [(12, 0), (12, 1), (12, 0)]
    assert not line.connected


def test_closing_while_faulted_leaves_the_safe_coil_on(bench: Bench) -> None:
    line = FakeLine()
    output = bench.output(line)
    assert answer(output.fault(active=True)).acknowledged
    output.close()
    assert line.coils() == [(12, 0), (12, 1)]


def test_after_closing_nothing_is_acknowledged(bench: Bench) -> None:
    output = bench.output(FakeLine())
    output.close()
    told = pulsed(output)
    assert not told.acknowledged
    assert told.detail is not None
    assert "closed" in told.detail


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_defect_in_the_line_leaves_nobody_waiting(bench: Bench) -> None:
    line = FakeLine()
    output = bench.output(line)
    line.hold.clear()
    line.troubles.append(ZeroDivisionError())
    futures = [output.apply(REJECT)]
    assert line.holding.wait(10)
    futures.append(output.apply(REJECT))
    line.hold.set()
    assert [answer(future).acknowledged for future in futures] == [False, False]


def test_a_heard_keyword_is_pulsed_and_other_speech_is_not(bench: Bench) -> None:
    output = bench.output(FakeLine(), on=["heard"])
    assert answer(output.apply(Verdict(VerdictKind.HEARD, "stop", 0.9, 0.7))).acknowledged
    assert output.apply(Verdict(VerdictKind.HEARD, "_unknown_", 0.9)) is None
    assert output.apply(REJECT) is None


def test_without_a_heartbeat_register_the_line_is_probed(bench: Bench) -> None:
    line = FakeLine()
    bench.output(line, heartbeat_s=0.01)
    for _ in range(200):
        if line.probes > 2:
            break
        SYSTEM_CLOCK.wait(threading.Event(), 0.01)
    assert line.probes > 2
    assert not [write for write in line.writes if write[0] == "register"]


def test_the_heartbeat_goes_from_65535_to_0(bench: Bench) -> None:
    line = FakeLine()
    output = CoilOutput(
        "gate", settings(heartbeat_register=9, heartbeat_s=0.001), line, clock=SYSTEM_CLOCK
    )
    output._beat = 65533
    bench.made.append(output)
    output.start()
    for _ in range(500):
        if ("register", 9, 1) in line.writes:
            break
        SYSTEM_CLOCK.wait(threading.Event(), 0.01)
    beats = [value for kind, _, value in line.writes if kind == "register"]
    assert beats[:4] == [65534, 65535, 0, 1]
