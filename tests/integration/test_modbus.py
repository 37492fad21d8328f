"""The Modbus wire and the simulated PLC, each against a counterpart that is not ours, and damage."""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.clock import NS_PER_S, SYSTEM_CLOCK
from edge_runtime.config import ModbusOutput
from edge_runtime.errors import AddressInUse
from edge_runtime.field.far_sides.modbus import ModbusWire, ask, exchange
from edge_runtime.field.ladder import GateTable
from edge_runtime.field.simulator import Mode, PlcSimulator
from edge_runtime.field.wire import Kind, LineDown, NoAnswer, Order, WriteRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def plc() -> Iterator[PlcSimulator]:
    with PlcSimulator("127.0.0.1", 0, clock=SYSTEM_CLOCK) as running:
        yield running


def wait_for(what: Callable[[], bool], seconds: float = 10.0) -> None:
    never = threading.Event()
    until_ns = SYSTEM_CLOCK.boottime_ns() + int(seconds * NS_PER_S)
    while not what():
        assert SYSTEM_CLOCK.boottime_ns() < until_ns, f"not within {seconds} s"
        SYSTEM_CLOCK.wait(never, 0.002)


@contextlib.contextmanager
def connected(port: int) -> Iterator[ModbusWire]:
    wire = ModbusWire("127.0.0.1", port, 1)
    wire.connect(5.0)
    try:
        yield wire
    finally:
        wire.close()


@pytest.fixture(scope="module")
def foreign_server() -> Iterator[int]:
    """pymodbus's server: coils and inputs 0..99, registers 0..99 that hold 1000."""
    from pymodbus.server import ModbusTcpServer
    from pymodbus.simulator import DataType, SimData, SimDevice

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    loop = asyncio.new_event_loop()
    ready, stopping = threading.Event(), asyncio.Event()

    async def serve() -> None:
        bits = SimData(0, count=8, values=[False] * 16, datatype=DataType.BITS)
        words = SimData(0, count=100, values=1000, datatype=DataType.REGISTERS)
        server = ModbusTcpServer(
            SimDevice(0, simdata=([bits], [bits], [words], [words])), address=("127.0.0.1", port)
        )
        await server.serve_forever(background=True)
        ready.set()
        await stopping.wait()
        await server.shutdown()  # type: ignore[no-untyped-call]
        await asyncio.sleep(0)

    def run() -> None:
        loop.run_until_complete(serve())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(10)
    yield port
    loop.call_soon_threadsafe(stopping.set)
    thread.join()


def test_the_wire_speaks_to_a_server_that_is_not_ours(foreign_server: int) -> None:
    with connected(foreign_server) as wire:
        assert ask(wire, Order(Kind.READ_COIL, 7), 5.0) == 0
        ask(wire, Order(Kind.WRITE_COIL, 7, 1), 5.0)
        assert ask(wire, Order(Kind.READ_COIL, 7), 5.0) == 1
        ask(wire, Order(Kind.WRITE_COIL, 7, 0), 5.0)
        assert ask(wire, Order(Kind.READ_COIL, 7), 5.0) == 0
        assert ask(wire, Order(Kind.READ_INPUT, 7), 5.0) == 0
        ask(wire, Order(Kind.WRITE_REGISTER, 70, 65535), 5.0)
        assert ask(wire, Order(Kind.READ_REGISTER, 70), 5.0) == 65535
        assert ask(wire, Order(Kind.READ_REGISTER, 71), 5.0) == 1000
        with pytest.raises(WriteRefused, match="register 60000 refused: the far side has no such"):
            ask(wire, Order(Kind.WRITE_REGISTER, 60000, 1), 5.0)
        assert wire.connected


def test_the_simulated_plc_is_understood_by_a_client_that_is_not_ours(plc: PlcSimulator) -> None:
    from pymodbus.client import ModbusTcpClient

    plc.set_input(3, value=True)
    plc.set_register(9, 4711)
    client = ModbusTcpClient("127.0.0.1", port=plc.port, timeout=5)
    assert client.connect()
    try:
        client.write_coil(5, True)
        client.write_coils(20, [True, False, True])
        client.write_registers(30, [7, 8])
        client.write_register(32, 9)
        assert (
            client.read_coils(18, count=11).bits[:11]
            == [False] * 2 + [True, False, True] + [False] * 6
        )
        assert client.read_discrete_inputs(3, count=1).bits[0] is True
        assert client.read_holding_registers(30, count=3).registers == [7, 8, 9]
        assert client.read_input_registers(9, count=1).registers == [4711]
        assert client.write_coil(5000, True).isError()
    finally:
        client.close()
    assert [(w.kind, w.address, w.value) for w in plc.writes] == [
        ("coil", 5, 1),
        ("coil", 20, 1),
        ("coil", 21, 0),
        ("coil", 22, 1),
        ("register", 30, 7),
        ("register", 31, 8),
        ("register", 32, 9),
    ]


def test_orders_that_are_sent_together_are_answered_each_by_its_number(plc: PlcSimulator) -> None:
    plc.answer_late(0.1, frozenset({1}))
    with connected(plc.port) as wire:
        slow = wire.send(Order(Kind.WRITE_COIL, 1, 1))
        quick = wire.send(Order(Kind.WRITE_COIL, 2, 1))
        numbers: list[int] = []
        while len(numbers) < 2:
            assert select.select([wire], [], [], 5.0)[0]
            numbers += [answer.number for answer in wire.receive()]
        assert numbers == [quick, slow]


def test_doctor_reads_what_an_output_writes_to_and_writes_nothing(plc: PlcSimulator) -> None:
    plc.set_coil(13, value=True)
    plc.set_register(100, 5)
    output = ModbusOutput(
        host="127.0.0.1",
        port=plc.port,
        coil=12,
        safe_coil=13,
        heartbeat_register=100,
        bypass_register=101,
    )
    assert exchange(output, 5.0) == (
        f"modbus://127.0.0.1:{plc.port}: coil 12 is off, safe coil 13 is on, "
        "heartbeat register 100 is 5, bypass register 101 is 0"
    )
    assert plc.writes == []


def test_doctor_is_told_what_is_wrong(plc: PlcSimulator) -> None:
    lacking = ModbusOutput(host="127.0.0.1", port=plc.port, coil=5000)
    with pytest.raises(WriteRefused, match="coil 5000 refused: the far side has no such address"):
        exchange(lacking, 5.0)
    there = ModbusOutput(host="127.0.0.1", port=plc.port, coil=1)
    plc.set_mode(Mode.SILENT)
    with pytest.raises(NoAnswer, match="coil 1 not answered within 100 ms"):
        exchange(there, 0.1)
    plc.set_mode(Mode.AWAY)
    with pytest.raises(LineDown, match="connection refused"):
        exchange(there, 5.0)
    plc.set_mode(Mode.NORMAL)
    assert exchange(there, 5.0).endswith("coil 1 is off")


def test_a_port_where_nobody_listens_is_told_with_its_reason() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
        wire = ModbusWire("127.0.0.1", port, 1)
        with pytest.raises(LineDown, match=f"modbus://127.0.0.1:{port}: connection refused"):
            wire.connect(2.0)
    assert not wire.connected
    assert wire.fileno() == -1
    for call in (lambda: wire.send(Order(Kind.READ_COIL, 1)), wire.receive):
        with pytest.raises(LineDown, match="not connected"):
            call()
    wire.close()


def answer_of(reply: bytes, order: Order) -> int:
    """What the wire makes of a far side that says this to its first order, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(100)
                connection.sendall(reply)

        server = threading.Thread(target=serve)
        server.start()
        try:
            with connected(listener.getsockname()[1]) as wire:
                return ask(wire, order, 5.0)
        finally:
            server.join(10)


RIGHT = bytes.fromhex("0001 0000 0006 01 05 0001 ff00")


def test_a_right_confirmation_is_one() -> None:
    assert answer_of(RIGHT, Order(Kind.WRITE_COIL, 1, 1)) == 1


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        RIGHT[:-1],
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x00" * 64,
        b"\xff" * 300,
        bytes.fromhex("0002 0000 0006 01 05 0001 ff00"),  # an answer to something else
        bytes.fromhex("0001 0000 0006 01 05 0002 ff00"),  # of another coil
        bytes.fromhex("0001 0000 0006 01 05 0001 0000"),  # the other value
        bytes.fromhex("0001 0000 0006 01 06 0001 ff00"),  # of another function
        bytes.fromhex("0001 0001 0006 01 05 0001 ff00"),  # another protocol
        bytes.fromhex("0001 0000 0002 01 05"),  # too short
        bytes.fromhex("0001 0000 0004 01 01 01 01"),  # a reading
    ],
)
def test_a_far_side_that_talks_nonsense_or_hangs_up_is_an_error_and_never_a_confirmation(
    reply: bytes,
) -> None:
    with pytest.raises(LineDown) as caught:
        answer_of(reply, Order(Kind.WRITE_COIL, 1, 1))
    assert not isinstance(caught.value, NoAnswer)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=40))
def test_no_bytes_but_the_right_ones_are_a_confirmation(reply: bytes) -> None:
    wire = ModbusWire("127.0.0.1", 1, 1)
    ours, theirs = socket.socketpair()
    with theirs:
        ours.setblocking(False)
        wire._socket = ours
        wire.send(Order(Kind.WRITE_COIL, 1, 1))
        theirs.sendall(reply or b"\0")
        with contextlib.suppress(LineDown):
            for answer in wire.receive():
                assert answer.refusal is not None or reply.startswith(RIGHT)
        wire.close()


def test_a_far_side_that_accepts_and_never_answers_is_no_answer() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        connected(listener.getsockname()[1]) as wire,
    ):
        with pytest.raises(NoAnswer, match="coil 1 not answered within 60 ms"):
            ask(wire, Order(Kind.WRITE_COIL, 1, 1), 0.06)
        assert not wire.connected


def test_a_port_that_is_taken_is_told_by_the_simulator() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        simulator = PlcSimulator("127.0.0.1", port, clock=SYSTEM_CLOCK)
        with pytest.raises(AddressInUse, match=f"127.0.0.1:{port}: cannot listen there"):
            simulator.start()
        simulator.close()


def test_the_simulated_plc_runs_the_rungs() -> None:
    gate = GateTable(safe_coil=1, register=2, heartbeat_s=0.1)
    with (
        PlcSimulator("127.0.0.1", 0, clock=SYSTEM_CLOCK, gate=gate) as plc,
        connected(plc.port) as wire,
    ):
        wait_for(lambda: plc.gate != [])
        assert not plc.gate[-1].state.is_open
        ask(wire, Order(Kind.WRITE_REGISTER, 2, 1), 5.0)
        wait_for(lambda: plc.gate[-1].state.is_open)
        opened_ns = plc.gate[-1].boottime_ns
        wait_for(lambda: not plc.gate[-1].state.is_open)  # nobody beats
        assert 0.3 <= (plc.gate[-1].boottime_ns - opened_ns) / NS_PER_S < 0.5
