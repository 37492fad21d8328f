"""One far side over a real connection: shared, slow, silent, switched off and on again."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import pytest

from edge_runtime.clock import NS_PER_MS, NS_PER_S, SYSTEM_CLOCK
from edge_runtime.config import Config, Device, Lane, ModbusOutput, ModbusTrigger, WebhookOutput
from edge_runtime.field.far_sides import open_far_side, plans
from edge_runtime.field.far_sides.modbus import ModbusWire
from edge_runtime.field.far_sides.pulsed import REQUESTS_MAX, PulsedFarSide
from edge_runtime.field.simulator import Mode, PlcSimulator, Write
from edge_runtime.progress import Progress
from edge_runtime.types import Actuation, Verdict, VerdictKind
from tests.support.plc import PlcProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REJECT = Verdict(VerdictKind.REJECT, "dent", 0.9, 0.5)


@pytest.fixture
def plc() -> Iterator[PlcSimulator]:
    with PlcSimulator("127.0.0.1", 0, clock=SYSTEM_CLOCK) as running:
        yield running


class Bench:
    """Far sides that are closed at the end."""

    def __init__(self) -> None:
        self.made: list[PulsedFarSide] = []

    def far_side(self, port: int, **outputs: dict[str, Any]) -> PulsedFarSide:
        common: dict[str, Any] = {"host": "127.0.0.1", "port": port, "pulse_ms": 40}
        tables = {name: ModbusOutput(**(common | table)) for name, table in outputs.items()}
        far = PulsedFarSide(ModbusWire("127.0.0.1", port, 1), tables, clock=SYSTEM_CLOCK)
        self.made.append(far)
        for output in far.outputs.values():
            output.start()
            output.hold(active=False).result(20)
        return far


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    for far in made.made:
        for output in far.outputs.values():
            output.close(safe=False)
        far.close()


def pulse(far: PulsedFarSide, name: str = "gate") -> Future[Actuation]:
    now_ns = SYSTEM_CLOCK.boottime_ns()
    return far.outputs[name].drive(REJECT, part="1", at_ns=now_ns)


def wait_for(what: Callable[[], bool], seconds: float = 10.0) -> None:
    never = threading.Event()
    until_ns = SYSTEM_CLOCK.boottime_ns() + int(seconds * NS_PER_S)
    while not what():
        assert SYSTEM_CLOCK.boottime_ns() < until_ns, f"not within {seconds} s"
        SYSTEM_CLOCK.wait(never, 0.002)


def writes(plc: PlcSimulator, coil: int) -> list[Write]:
    return [w for w in list(plc.writes) if (w.kind, w.address) == ("coil", coil)]


def length_ms(plc: PlcSimulator, coil: int) -> float:
    """Of the last pulse."""
    wait_for(lambda: [w.value for w in writes(plc, coil)][-2:] == [1, 0])
    on, off = writes(plc, coil)[-2:]
    return (off.boottime_ns - on.boottime_ns) / NS_PER_MS


def test_outputs_of_one_plc_share_one_connection_and_keep_out_of_each_others_way(
    bench: Bench, plc: PlcSimulator
) -> None:
    far = bench.far_side(plc.port, gate={"coil": 1}, lamp={"coil": 2, "pulse_ms": 120})
    assert len(plc._clients) == 1
    assert all(f.result(10).acknowledged for f in (pulse(far), pulse(far, "lamp")))
    assert length_ms(plc, 1) < 100
    assert length_ms(plc, 2) >= 120


def test_a_pulse_ends_in_time_while_another_outputs_answer_is_slow(
    bench: Bench, plc: PlcSimulator
) -> None:
    far = bench.far_side(plc.port, gate={"coil": 1}, lamp={"coil": 2, "pulse_ms": 1})
    plc.answer_late(0.4, frozenset({2}))
    assert pulse(far).result(10).acknowledged
    slow = pulse(far, "lamp")
    assert 40 <= length_ms(plc, 1) < 40 + 60
    assert not slow.done()
    assert slow.result(10).acknowledged
    assert pulse(far).result(10).acknowledged
    assert far.outputs["gate"].state().counters["reconnects"] == 0


def test_a_slow_heartbeat_keeps_no_pulse(bench: Bench, plc: PlcSimulator) -> None:
    table = {"coil": 1, "heartbeat_register": 9, "heartbeat_s": 0.05}
    far = bench.far_side(plc.port, gate=table)
    plc.answer_late(0.3, frozenset({9}))
    far.outputs["gate"].beat(alive=True)
    wait_for(lambda: plc.register(9) > 0)
    for _ in range(5):
        assert pulse(far).result(10).latency_ms < 100
        assert length_ms(plc, 1) < 100


def test_a_plc_that_answers_everything_late_is_in_time_as_long_as_its_answers_are(
    bench: Bench, plc: PlcSimulator
) -> None:
    far = bench.far_side(plc.port, gate={"coil": 1})
    plc.answer_late(0.2)
    told = pulse(far).result(10)
    assert told.acknowledged
    assert told.latency_ms >= 200
    plc.answer_late(0.8)
    assert not pulse(far).result(10).acknowledged


def test_a_connection_that_was_closed_while_idle_costs_no_pulse(
    bench: Bench, plc: PlcSimulator
) -> None:
    far = bench.far_side(plc.port, gate={"coil": 1, "heartbeat_s": 60.0})
    for _ in range(3):
        plc.hang_up()
        assert pulse(far).result(10).acknowledged
    assert far.outputs["gate"].state().counters["reconnects"] == 3


def test_while_the_far_side_is_known_to_be_away_the_answer_is_there_at_once(
    bench: Bench, plc: PlcSimulator
) -> None:
    far = bench.far_side(plc.port, gate={"coil": 1})
    plc.set_mode(Mode.AWAY)
    wait_for(lambda: not far.outputs["gate"].state().connected)
    answer = pulse(far)
    assert answer.done()
    assert answer.result(0).detail == f"modbus://127.0.0.1:{plc.port}: connection refused"


def test_a_silent_plc_costs_each_pulse_its_time_out_and_no_stale_pulse_follows(
    bench: Bench, plc: PlcSimulator
) -> None:
    far = bench.far_side(plc.port, gate={"coil": 1, "ack_timeout_ms": 200})
    plc.set_mode(Mode.SILENT)
    asked_ns = SYSTEM_CLOCK.boottime_ns()
    answers = [pulse(far) for _ in range(5)]
    assert not any(answer.result(10).acknowledged for answer in answers)
    assert (SYSTEM_CLOCK.boottime_ns() - asked_ns) / NS_PER_MS < 200 + 50 + 300
    wait_for(lambda: not far.outputs["gate"].state().connected)
    before = len(plc.writes)
    plc.set_mode(Mode.NORMAL)
    wait_for(lambda: far.outputs["gate"].state().connected)
    assert [write.value for write in plc.writes[before:] if write.address == 1] == [0]


def test_a_far_side_that_is_away_costs_next_to_no_work(
    bench: Bench, plc: PlcSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = {"coil": 1, "heartbeat_register": 5, "bypass_register": 6, "heartbeat_s": 0.01}
    far = bench.far_side(plc.port, gate=table)
    plc.set_mode(Mode.AWAY)
    wait_for(lambda: not far.outputs["gate"].state().connected)
    turns = 0
    turn = far._turn

    def counted() -> None:
        nonlocal turns
        turns += 1
        turn()

    monkeypatch.setattr(far, "_turn", counted)
    SYSTEM_CLOCK.wait(threading.Event(), 0.5)
    assert 0 < turns < 50


def test_a_delayed_pulse_whose_moment_passes_while_the_plc_is_away_is_told_and_not_made(
    bench: Bench, plc: PlcSimulator
) -> None:
    far = bench.far_side(plc.port, gate={"coil": 1, "safe_coil": 2, "delay_ms": 300})
    plc.set_mode(Mode.AWAY)
    wait_for(lambda: not far.outputs["gate"].state().connected)
    answer = pulse(far)
    assert not answer.done()
    assert not answer.result(10).acknowledged
    plc.set_mode(Mode.NORMAL)
    wait_for(lambda: far.outputs["gate"].state().connected)
    assert not any(write.value for write in writes(plc, 1))


def test_more_requests_than_can_wait_are_refused_at_once_and_none_is_left_unanswered(
    bench: Bench, plc: PlcSimulator
) -> None:
    far = bench.far_side(plc.port, gate={"coil": 1, "ack_timeout_ms": 400})
    plc.set_mode(Mode.SILENT)
    answers = [pulse(far) for _ in range(3 * REQUESTS_MAX)]
    told = [answer.result(10) for answer in answers]
    assert not any(actuation.acknowledged for actuation in told)


def test_an_address_that_the_far_side_lacks_is_told_and_keeps_the_connection(
    bench: Bench, plc: PlcSimulator
) -> None:
    far = bench.far_side(plc.port, gate={"coil": 5000, "safe_coil": 2}, lamp={"coil": 1})
    refused = f"modbus://127.0.0.1:{plc.port}: coil 5000 refused: the far side has no such address"
    assert pulse(far).result(10).detail == refused
    state = far.outputs["gate"].state()
    assert (state.connected, state.detail) == (True, refused)
    assert pulse(far, "lamp").result(10).acknowledged
    assert state.counters["reconnects"] == 0


def test_a_plc_that_is_switched_off_is_found_again_and_gets_the_fault_that_it_missed(
    bench: Bench,
) -> None:
    first = PlcProcess()
    first.start()
    far = bench.far_side(first.port, gate={"coil": 12, "safe_coil": 13, "heartbeat_s": 0.05})
    assert pulse(far).result(10).acknowledged
    first.kill()
    assert not far.outputs["gate"].hold(active=True).result(10).acknowledged
    assert not pulse(far).result(10).acknowledged
    with PlcProcess(first.port) as second:
        second.wait_for_coil(13, 1)
        second.wait_for_coil(12, 0)
        assert (12, 1) not in [(w["address"], w["value"]) for w in second.writes]


def test_a_plc_that_is_frozen_is_told_in_time_and_used_again_when_it_goes_on(bench: Bench) -> None:
    with PlcProcess() as plc:
        far = bench.far_side(plc.port, gate={"coil": 12, "ack_timeout_ms": 300})
        assert pulse(far).result(10).acknowledged
        plc.stall()
        told = pulse(far).result(10)
        assert not told.acknowledged
        assert told.detail is not None
        assert "coil 12 not confirmed within" in told.detail
        plc.go_on()
        wait_for(lambda: pulse(far).result(10).acknowledged)
        assert far.outputs["gate"].state().counters["reconnects"] >= 1


def test_a_defect_in_the_thread_leaves_nobody_waiting(
    bench: Bench, plc: PlcSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = bench.far_side(plc.port, gate={"coil": 1})
    progress = far._progress = Progress(SYSTEM_CLOCK)
    wait_for(lambda: far.name in progress.heartbeat({}).loops)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)

    def fail(_: int) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(far, "_send", fail)
    assert not pulse(far).result(10).acknowledged
    far._thread.join(10)
    told = pulse(far)
    assert told.done()
    assert told.result(0).detail == f"modbus://127.0.0.1:{plc.port}: closed"
    assert far.name in progress.heartbeat({}).loops  # it stands, and is not taken for ended


def config(**lanes: Lane) -> Config:
    outputs = {
        "gate": ModbusOutput(host="plc", coil=1),
        "lamp": ModbusOutput(host="plc", coil=2),
        "other": ModbusOutput(host="plc", coil=2, unit=7),
        "unused": ModbusOutput(host="elsewhere", coil=2),
        "service": WebhookOutput(url="http://service/x"),
    }
    return Config(device=Device(id="box"), lanes=lanes, outputs=outputs)  # type: ignore[arg-type]


def test_what_has_one_address_is_one_far_side_and_what_no_lane_uses_is_left_alone() -> None:
    trigger = ModbusTrigger(host="plc", coil=30)
    made = plans(
        config(
            top=Lane(source="v4l2:0", outputs=["gate", "service"], trigger=trigger),
            side=Lane(source="v4l2:1", outputs=["gate", "lamp", "other"]),
        )
    )
    assert [[name for name, _ in plan.outputs] for plan in made] == [
        ["gate", "lamp"],
        ["other"],
        ["service"],
    ]
    assert [[lane for lane, _ in plan.triggers] for plan in made] == [["top"], [], []]


def test_a_plan_that_a_change_does_not_concern_is_equal() -> None:
    before = plans(config(top=Lane(source="v4l2:0", outputs=["gate", "other"])))
    after = plans(config(top=Lane(source="v4l2:1", outputs=["gate", "other", "lamp"])))
    assert [plan in after for plan in before] == [False, True]


def test_a_far_side_of_triggers_alone_polls_and_ends(plc: PlcSimulator) -> None:
    trigger = ModbusTrigger(host="127.0.0.1", port=plc.port, discrete_input=3, poll_ms=2)
    told: list[str] = []
    (plan,) = plans(
        Config(device=Device(id="box"), lanes={"top": Lane(source="v4l2:0", trigger=trigger)})
    )

    def tell(lane: str, _at_ns: int, _part: str | None) -> bool:
        told.append(lane)
        return True

    far = open_far_side(plan, tell=tell, clock=SYSTEM_CLOCK)
    far.start()
    never = threading.Event()
    SYSTEM_CLOCK.wait(never, 0.2)
    plc.set_input(3, value=True)
    wait_for(lambda: told == ["top"])
    assert far.counters()["trigger.top.seen"] == 1
    far.close()
    far.close()
    assert plc.writes == []
