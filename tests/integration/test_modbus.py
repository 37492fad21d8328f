"""Modbus TCP against a real server: in a process of its own, stalled, killed, started again."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from edge_runtime.clock import NS_PER_MS, SYSTEM_CLOCK
from edge_runtime.config import Output as OutputConfig
from edge_runtime.errors import AddressInUse
from edge_runtime.field import open_output
from edge_runtime.field.far_sides.modbus import ModbusLine
from edge_runtime.field.line import LineDown, NoAnswer, Refused
from edge_runtime.field.simulator import PlcSimulator, Write
from edge_runtime.types import Actuation, Verdict, VerdictKind
from tests.support.plc import PlcProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from edge_runtime.protocols import Output

REJECT = Verdict(VerdictKind.REJECT, "dent", 0.9, 0.5)


@pytest.fixture
def plc() -> Iterator[PlcProcess]:
    with PlcProcess() as running:
        yield running


def started(port: int, **more: object) -> Output:
    table: dict[str, object] = {"kind": "modbus", "host": "127.0.0.1", "port": port, "coil": 12}
    settings = OutputConfig(**(table | more))  # type: ignore[arg-type]
    output = open_output("gate", settings, clock=SYSTEM_CLOCK)
    output.start()
    return output


def answer(future: Future[Actuation] | None) -> Actuation:
    assert future is not None
    return future.result(20)


def test_a_reject_switches_the_coil_on_for_the_pulse_time_and_off_again(plc: PlcProcess) -> None:
    output = started(plc.port, pulse_ms=40, ack_timeout_ms=5000)
    told = answer(output.apply(REJECT))
    assert told.acknowledged
    on, off = plc.wait_for_coil(12, 1), plc.wait_for_coil(12, 0)
    output.close()
    assert off["boottime_ns"] - on["boottime_ns"] >= 40 * NS_PER_MS


def test_two_rejects_within_one_pulse_are_one_long_pulse_and_two_acknowledgements(
    plc: PlcProcess,
) -> None:
    output = started(plc.port, pulse_ms=200, ack_timeout_ms=5000)
    first = answer(output.apply(REJECT))
    SYSTEM_CLOCK.wait(threading.Event(), 0.05)
    second = answer(output.apply(REJECT))
    output.close()
    assert (first.acknowledged, second.acknowledged) == (True, True)
    on, again = plc.wait_for_coil(12, 1), plc.wait_for_coil(12, 1)
    off = plc.wait_for_coil(12, 0)
    assert [w["value"] for w in plc.writes if w["kind"] == "coil"] == [0, 1, 1, 0]
    assert off["boottime_ns"] - again["boottime_ns"] >= 200 * NS_PER_MS
    assert again["boottime_ns"] - on["boottime_ns"] >= 50 * NS_PER_MS


def test_the_heartbeat_register_counts(plc: PlcProcess) -> None:
    output = started(plc.port, heartbeat_register=100, heartbeat_s=0.02)
    plc.wait_for(lambda w: (w["kind"], w["address"], w["value"]) == ("register", 100, 5))
    output.close()
    beats = [w["value"] for w in plc.writes if w["kind"] == "register"]
    assert beats == [1, 2, 3, 4, 5]
    assert output.counters()["heartbeats"] >= 5


def test_a_plc_that_stalls_is_told_in_time_and_used_again_when_it_goes_on(plc: PlcProcess) -> None:
    output = started(plc.port, ack_timeout_ms=1000, pulse_ms=5)
    assert answer(output.apply(REJECT)).acknowledged
    plc.stall()
    told = answer(output.apply(REJECT))
    assert not told.acknowledged
    assert told.detail is not None
    assert "coil 12 not confirmed within" in told.detail
    plc.go_on()
    acknowledged = False
    for _ in range(100):
        acknowledged = answer(output.apply(REJECT)).acknowledged
        if acknowledged:
            break
        SYSTEM_CLOCK.wait(threading.Event(), 0.05)
    output.close()
    assert acknowledged
    assert output.counters()["reconnects"] >= 1


def test_a_plc_that_is_switched_off_is_found_again_and_gets_the_fault_that_it_missed() -> None:
    first = PlcProcess()
    first.start()
    output = started(first.port, ack_timeout_ms=2000, safe_coil=13, heartbeat_s=0.05)
    assert answer(output.apply(REJECT)).acknowledged
    first.kill()
    told = answer(output.fault(active=True))
    assert not told.acknowledged
    assert not answer(output.apply(REJECT)).acknowledged
    with PlcProcess(first.port) as second:
        second.wait_for_coil(13, 1)
        second.wait_for_coil(12, 0)
        output.close()
        assert (12, 1) not in [(w["address"], w["value"]) for w in second.writes]


def test_an_address_that_the_far_side_lacks_is_told(plc: PlcProcess) -> None:
    output = started(plc.port, coil=5000, ack_timeout_ms=5000)
    told = answer(output.apply(REJECT))
    output.close()
    assert not told.acknowledged
    assert told.detail == (
        f"modbus://127.0.0.1:{plc.port}: coil 5000 refused: the far side has no such address"
    )


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_port_where_nobody_listens_is_told_with_its_reason() -> None:
    port = closed_port()
    line = ModbusLine("127.0.0.1", port, 1)
    with pytest.raises(LineDown, match=f"modbus://127.0.0.1:{port}: connection refused"):
        line.connect(2.0)
    assert not line.connected
    with pytest.raises(LineDown, match="not connected"):
        line.write_coil(1, value=True, timeout_s=1.0)


def test_a_line_reads_and_writes_a_real_server() -> None:
    writes: list[Write] = []
    with PlcSimulator("127.0.0.1", 0, on_write=writes.append, clock=SYSTEM_CLOCK) as server:
        line = ModbusLine("127.0.0.1", server.port, 1)
        line.connect(5.0)
        line.write_coil(7, value=True, timeout_s=5.0)
        line.write_register(70, 65535, timeout_s=5.0)
        line.probe(7, timeout_s=5.0)
        line.probe(60000, timeout_s=5.0)  # a refusal is a sign of life
        with pytest.raises(Refused, match="register 60000 refused"):
            line.write_register(60000, 1, timeout_s=5.0)
        assert line.connected
        line.close()
        line.close()
    assert [(w.kind, w.address, w.value) for w in writes] == [
        ("coil", 7, 1),
        ("register", 70, 65535),
    ]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (b"", LineDown),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", LineDown),
        (b"\x00" * 64, LineDown),
        (b"\xff" * 300, LineDown),
    ],
)
def test_a_far_side_that_talks_nonsense_or_hangs_up_is_an_error_and_never_a_confirmation(
    reply: bytes, expected: type[Exception]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(100)
                connection.sendall(reply)

        server = threading.Thread(target=serve)
        server.start()
        line = ModbusLine("127.0.0.1", listener.getsockname()[1], 1)
        line.connect(5.0)
        with pytest.raises(expected):
            line.write_coil(1, value=True, timeout_s=0.2)
        assert not line.connected
        server.join(10)


def test_a_far_side_that_accepts_and_never_answers_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        line = ModbusLine("127.0.0.1", listener.getsockname()[1], 1)
        line.connect(5.0)
        with pytest.raises(NoAnswer, match="coil 1 not confirmed within 60 ms"):
            line.write_coil(1, value=True, timeout_s=0.06)
        assert not line.connected


def test_a_port_that_is_taken_is_told_by_the_simulator() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        simulator = PlcSimulator("127.0.0.1", port, on_write=print, clock=SYSTEM_CLOCK)
        with pytest.raises(AddressInUse, match=f"127.0.0.1:{port}: cannot listen there"):
            simulator.start()
        simulator.close()
