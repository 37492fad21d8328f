"""What every `protocols.Output` promises, over a real Modbus server and over the lanes' fake."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.config import Output as OutputConfig
from edge_runtime.field import open_output
from edge_runtime.field.simulator import PlcSimulator
from edge_runtime.types import Verdict, VerdictKind
from tests.support.fakes import FakeOutput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edge_runtime.protocols import Output

REJECT = Verdict(VerdictKind.REJECT, "dent", 0.9, 0.5)


@pytest.fixture(params=["modbus", "fake"])
def make(request: pytest.FixtureRequest) -> Iterator[Callable[[], Output]]:
    if request.param == "fake":
        yield lambda: FakeOutput("gate")
        return
    with PlcSimulator("127.0.0.1", 0, on_write=lambda _: None, clock=SYSTEM_CLOCK) as plc:
        settings = OutputConfig(
            kind="modbus", host="127.0.0.1", port=plc.port, coil=3, pulse_ms=5, ack_timeout_ms=5000
        )
        yield lambda: open_output("gate", settings, clock=SYSTEM_CLOCK)


@pytest.fixture
def output(make: Callable[[], Output]) -> Iterator[Output]:
    made = make()
    made.start()
    yield made
    made.close()


def test_it_has_its_name_from_the_config(output: Output) -> None:
    assert output.name == "gate"


def test_a_verdict_it_is_for_is_pulsed_and_acknowledged(output: Output) -> None:
    future = output.apply(REJECT)
    assert future is not None
    actuation = future.result(10)
    assert (actuation.output, actuation.action) == ("gate", "pulse")
    assert actuation.acknowledged
    assert actuation.latency_ms > 0
    assert actuation.detail is None


@pytest.mark.parametrize("kind", [VerdictKind.PASS, VerdictKind.REVIEW, VerdictKind.NO_READ])
def test_other_verdicts_do_nothing(output: Output, kind: VerdictKind) -> None:
    assert output.apply(Verdict(kind)) is None


def test_a_fault_drives_the_safe_state_and_its_end_releases_it(output: Output) -> None:
    driven = output.fault(active=True)
    assert driven is not None
    assert (driven.result(10).action, driven.result(10).acknowledged) == ("safe", True)
    released = output.fault(active=False)
    assert released is not None
    assert (released.result(10).action, released.result(10).acknowledged) == ("release", True)


def test_counters_only_grow(output: Output) -> None:
    before = dict(output.counters())
    future = output.apply(REJECT)
    assert future is not None
    future.result(10)
    after = output.counters()
    assert after["acknowledged"] == before["acknowledged"] + 1
    assert all(after[name] >= value for name, value in before.items())


def test_closing_twice_and_closing_what_was_never_started_is_fine(
    make: Callable[[], Output], output: Output
) -> None:
    make().close()
    output.close()
    output.close()


def test_what_was_asked_before_closing_is_answered(output: Output) -> None:
    futures = [output.apply(REJECT) for _ in range(20)]
    output.close()
    for future in futures:
        assert future is not None
        assert future.done()
        assert future.result(0).acknowledged
