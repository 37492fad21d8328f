"""What every `protocols.Output` promises: each kind over a real far side."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.config import ModbusOutput, WebhookOutput
from edge_runtime.field import open_output
from edge_runtime.field.simulator import Mode, PlcSimulator
from edge_runtime.types import Verdict, VerdictKind
from tests.support.webhook_server import WebhookServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from edge_runtime.protocols import Output

REJECT = Verdict(VerdictKind.REJECT, "dent", 0.9, 0.5)


class Modbus:
    """A PLC: coil 3 is pulsed, coil 4 is the safe one."""

    def __init__(self) -> None:
        self.plc = PlcSimulator("127.0.0.1", 0, clock=SYSTEM_CLOCK)

    def __enter__(self) -> Modbus:
        self.plc.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.plc.close()

    def output(self, ack_timeout_ms: int = 5000) -> Output:
        settings = ModbusOutput(
            host="127.0.0.1",
            port=self.plc.port,
            coil=3,
            safe_coil=4,
            pulse_ms=5,
            ack_timeout_ms=ack_timeout_ms,
        )
        return open_output("gate", settings, clock=SYSTEM_CLOCK)

    def told(self) -> list[str]:
        """What was done over there, in its order."""
        words = {(3, 1): "drive", (4, 1): "safe", (4, 0): "release"}
        writes = [(write.address, write.value) for write in self.plc.writes]
        return [words[write] for write in writes if write in words]

    def go_silent(self) -> None:
        self.plc.set_mode(Mode.SILENT)

    def go_away(self) -> None:
        self.plc.set_mode(Mode.AWAY)

    def come_back(self) -> None:
        self.plc.set_mode(Mode.NORMAL)


class Webhook:
    """A real HTTP server."""

    def __init__(self) -> None:
        self.server = WebhookServer()

    def __enter__(self) -> Webhook:
        self.server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.close()

    def output(self, ack_timeout_ms: int = 5000) -> Output:
        settings = WebhookOutput(url=self.server.url, ack_timeout_ms=ack_timeout_ms)
        return open_output("gate", settings, clock=SYSTEM_CLOCK)

    def told(self) -> list[str]:
        return [str(body["action"]) for body in self.server.bodies]

    def go_silent(self) -> None:
        self.server.silent.set()

    def go_away(self) -> None:
        self.server.close()

    def come_back(self) -> None:
        self.server.silent.clear()
        self.server.start()


@pytest.fixture(params=[Modbus, Webhook])
def far(request: pytest.FixtureRequest) -> Iterator[Modbus | Webhook]:
    made: AbstractContextManager[Modbus | Webhook] = request.param()
    with made as far_side:
        yield far_side


@pytest.fixture
def made(far: Modbus | Webhook) -> Iterator[Callable[[], Output]]:
    outputs: list[Output] = []

    def make(ack_timeout_ms: int = 5000) -> Output:
        outputs.append(far.output(ack_timeout_ms))
        return outputs[-1]

    yield make
    for output in outputs:
        output.close(safe=False)


def wait_for(what: Callable[[], bool], seconds: float = 10.0) -> None:
    never = threading.Event()
    until_ns = SYSTEM_CLOCK.boottime_ns() + int(seconds * 1e9)
    while not what():
        assert SYSTEM_CLOCK.boottime_ns() < until_ns, f"not within {seconds} s"
        SYSTEM_CLOCK.wait(never, 0.005)


def drive(output: Output) -> bool:
    return output.drive(REJECT, part="17", at_ns=SYSTEM_CLOCK.boottime_ns()).result(10).acknowledged


def running(output: Output) -> Output:
    output.start()
    wait_for(lambda: output.state().connected)
    return output


def test_it_has_its_name_from_the_config(made: Callable[[], Output]) -> None:
    assert made().name == "gate"


def test_it_is_safe_from_the_beginning(made: Callable[[], Output], far: Modbus | Webhook) -> None:
    running(made())
    wait_for(lambda: far.told() == ["safe"])


def test_a_verdict_is_acted_upon_once_and_acknowledged(
    made: Callable[[], Output], far: Modbus | Webhook
) -> None:
    output = running(made())
    told = output.drive(REJECT, part="17", at_ns=SYSTEM_CLOCK.boottime_ns()).result(10)
    assert (told.output, told.action, told.acknowledged) == ("gate", "pulse", True)
    assert told.latency_ms > 0
    assert told.detail is None
    assert far.told() == ["safe", "drive"]


def test_the_safe_state_is_let_go_and_driven_again(
    made: Callable[[], Output], far: Modbus | Webhook
) -> None:
    output = running(made())
    for active, action in ((False, "release"), (True, "safe")):
        told = output.hold(active=active).result(10)
        assert (told.action, told.acknowledged) == (action, True)
        assert far.told()[-1] == action


def test_a_state_that_is_there_already_is_acknowledged_and_not_told_again(
    made: Callable[[], Output], far: Modbus | Webhook
) -> None:
    output = running(made())
    wait_for(lambda: far.told() == ["safe"])
    assert output.hold(active=True).result(10).acknowledged
    assert far.told() == ["safe"]


def test_counters_only_grow_and_the_last_acknowledgement_has_its_time(
    made: Callable[[], Output],
) -> None:
    output = running(made())
    before, asked_ns = output.state().counters, SYSTEM_CLOCK.boottime_ns()
    assert drive(output)
    state = output.state()
    assert state.counters["acknowledged"] == before["acknowledged"] + 1
    assert all(state.counters[name] >= value for name, value in before.items())
    assert state.last_ack_ns is not None
    assert state.last_ack_ns >= asked_ns
    assert state.unacknowledged_running == 0


def test_a_far_side_that_never_answers_is_told_in_time_and_is_not_connected(
    made: Callable[..., Output], far: Modbus | Webhook
) -> None:
    output = running(made(300))
    output.hold(active=False).result(10)
    far.go_silent()
    asked_ns = SYSTEM_CLOCK.boottime_ns()
    told = output.drive(REJECT, part="17", at_ns=asked_ns).result(10)
    waited_s = (SYSTEM_CLOCK.boottime_ns() - asked_ns) / 1e9
    assert not told.acknowledged
    assert told.detail is not None
    assert waited_s < 0.3 + 0.05 + 0.5  # and half a second for a busy machine
    wait_for(lambda: not output.state().connected)
    assert not drive(output)
    state = output.state()
    assert state.unacknowledged_running == 2
    assert state.detail.startswith(state.address)


def test_a_drive_that_failed_is_never_made_up_for_and_the_safe_state_is(
    made: Callable[..., Output], far: Modbus | Webhook
) -> None:
    output = running(made(300))
    output.hold(active=False).result(10)
    before = len(far.told())
    far.go_away()
    assert not drive(output)
    assert not output.hold(active=True).result(10).acknowledged
    wait_for(lambda: not output.state().connected)
    far.come_back()
    wait_for(lambda: far.told()[before:] != [])
    wait_for(lambda: output.state().connected)
    assert set(far.told()[before:]) == {"safe"}


def test_it_starts_while_the_far_side_is_away(
    made: Callable[..., Output], far: Modbus | Webhook
) -> None:
    far.go_away()
    output = made(300)
    output.start()
    wait_for(lambda: output.state().is_tried)
    assert not drive(output)
    far.come_back()
    wait_for(lambda: far.told() != [])
    assert set(far.told()) == {"safe"}


def test_closing_twice_and_closing_what_was_never_started_is_fine(
    made: Callable[[], Output],
) -> None:
    made().close(safe=True)
    output = running(made())
    output.close(safe=False)
    output.close(safe=True)
    assert not drive(output)


def test_what_was_asked_before_closing_is_answered(made: Callable[[], Output]) -> None:
    output = running(made())
    now_ns = SYSTEM_CLOCK.boottime_ns()
    futures = [output.drive(REJECT, part=str(n), at_ns=now_ns) for n in range(20)]
    output.close(safe=False)
    assert [future.result(0).acknowledged for future in futures] == [True] * 20


@pytest.mark.parametrize("safe", [True, False])
def test_it_is_left_as_closing_says(
    made: Callable[[], Output], far: Modbus | Webhook, safe: bool
) -> None:
    output = running(made())
    output.hold(active=not safe).result(10)
    output.close(safe=safe)
    assert far.told()[-1] == ("safe" if safe else "release")
