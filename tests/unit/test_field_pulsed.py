"""One output's plan, with time as values: what it wants written, and what it answers."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from edge_runtime.config import ModbusOutput
from edge_runtime.field.pulsed import PulsedOutput
from edge_runtime.field.wire import Kind, Order
from edge_runtime.types import Actuation

MS = 1_000_000
ON, OFF = Order(Kind.WRITE_COIL, 12, 1), Order(Kind.WRITE_COIL, 12, 0)
SAFE, UNSAFE = Order(Kind.WRITE_COIL, 13, 1), Order(Kind.WRITE_COIL, 13, 0)
PROBE = Order(Kind.READ_COIL, 12)


class Bench:
    """An output, a far side that does as told, and a clock that is set."""

    def __init__(self, *, safe: bool = False, settled: bool = True, **more: object) -> None:
        table: dict[str, object] = {
            "host": "plc", "coil": 12, "safe_coil": 13, "pulse_ms": 80, "ack_timeout_ms": 500,
        }  # fmt: skip
        self.output = PulsedOutput("gate", ModbusOutput(**(table | more)))  # type: ignore[arg-type]
        self.output.wants_safe = safe
        self.now_ms = 0.0
        if settled:
            self.carry_out()

    @property
    def now_ns(self) -> int:
        return int(self.now_ms * MS)

    def at(self, now_ms: float) -> Bench:
        self.now_ms = now_ms
        return self

    def ask(self, action: str, *, at_ms: float | None = None) -> Future[Actuation]:
        answer: Future[Actuation] = Future()
        at_ns = self.now_ns if at_ms is None else int(at_ms * MS)
        self.output.take(self.output.request(action, answer, self.now_ns, at_ns))
        return answer

    def wants(self) -> Order | None:
        return self.output.urgent(self.now_ns)

    def send(self) -> Order:
        order = self.wants()
        assert order is not None
        self.output.sent(order, self.now_ns)
        return order

    def confirm(self, order: Order, after_ms: float = 0.0) -> None:
        self.now_ms += after_ms
        self.output.confirmed(order, order.value, self.now_ns, self.now_ns)

    def carry_out(self) -> list[Order]:
        """Everything that is urgent now, confirmed at once."""
        done = []
        while self.wants() is not None:
            done.append(self.send())
            self.confirm(done[-1])
        return done

    def idle(self) -> Order | None:
        found = self.output.idle(self.now_ns)
        return None if found is None else found[1]

    def counters(self) -> dict[str, int]:
        report = self.output.report("plc", None, is_tried=True)
        return {name: value for name, value in report.counters.items() if value}


def told(answer: Future[Actuation]) -> Actuation:
    assert answer.done()
    return answer.result(0)


def test_it_wants_the_safe_coil_on_first_and_then_the_other_off() -> None:
    bench = Bench(safe=True, settled=False)
    assert bench.carry_out() == [SAFE, OFF]


def test_a_pulse_lasts_from_its_confirmation() -> None:
    bench = Bench()
    answer = bench.at(100).ask("pulse")
    bench.confirm(bench.send(), after_ms=30)
    assert told(answer).acknowledged
    assert told(answer).latency_ms == 30.0
    assert bench.at(130 + 79.9).wants() is None
    assert bench.at(130 + 80).carry_out() == [OFF]


def test_pulses_that_overlap_are_one_and_each_is_told_of_it() -> None:
    bench = Bench()
    first = bench.at(100).ask("pulse")
    assert bench.carry_out() == [ON]
    second = bench.at(150).ask("pulse")
    assert bench.carry_out() == [ON]
    assert told(first).detail is None
    assert (told(second).acknowledged, told(second).detail) == (
        True,
        "merged with the pulse before it",
    )
    assert bench.counters()["pulses_merged"] == 1
    assert bench.at(229).wants() is None
    assert bench.at(230).carry_out() == [OFF]


def test_a_delayed_pulse_is_due_so_long_after_its_part_however_long_judging_took() -> None:
    bench = Bench(delay_ms=400)
    answer = bench.at(1000).ask("pulse", at_ms=850)
    assert bench.at(1249).wants() is None
    assert bench.output.next_coil_ns(bench.now_ns) == 1250 * MS
    assert bench.at(1250).carry_out() == [ON]
    assert told(answer).latency_ms == 0.0


def test_delayed_pulses_are_made_in_the_order_in_which_they_are_due() -> None:
    bench = Bench(delay_ms=400)
    late = bench.at(1000).ask("pulse", at_ms=900)
    early = bench.ask("pulse", at_ms=800)
    bench.at(1200).carry_out()
    assert early.done()
    assert not late.done()


def test_a_part_that_is_long_past_the_gate_is_not_pulsed_any_more() -> None:
    bench = Bench(delay_ms=100)
    answer = bench.at(1000).ask("pulse", at_ms=300)
    assert bench.wants() is None
    assert told(answer).detail == "waited more than 500 ms: not pulsed any more"
    assert not told(answer).acknowledged


def test_a_part_that_is_just_past_is_pulsed_at_once() -> None:
    bench = Bench(delay_ms=100)
    answer = bench.at(1000).ask("pulse", at_ms=800)
    assert bench.carry_out() == [ON]
    assert told(answer).acknowledged


def test_one_write_to_a_coil_is_under_way_and_no_more() -> None:
    bench = Bench()
    bench.at(100).ask("pulse")
    second = bench.ask("pulse")
    order = bench.send()
    assert bench.wants() is None
    bench.confirm(order)
    assert bench.carry_out() == [ON]
    assert second.done()


def test_a_pulse_that_is_being_written_keeps_the_end_of_the_one_before_back() -> None:
    bench = Bench()
    bench.at(100).ask("pulse")
    bench.carry_out()
    bench.at(179).ask("pulse")
    order = bench.send()
    assert bench.at(190).wants() is None  # the end of the first would end the second
    bench.confirm(order, after_ms=10)
    assert bench.at(279).wants() is None
    assert bench.at(280).carry_out() == [OFF]


def test_a_confirmation_that_comes_too_late_is_none() -> None:
    bench = Bench(ack_timeout_ms=10)
    answer = bench.at(100).ask("pulse")
    bench.confirm(bench.send(), after_ms=25)
    assert told(answer).detail == "confirmed 15 ms too late"
    assert bench.at(125 + 80).carry_out() == [OFF]


def test_the_safe_state_is_acknowledged_when_the_far_side_has_it() -> None:
    bench = Bench()
    bench.output.wants_safe = True
    answer = bench.at(100).ask("safe")
    order = bench.send()
    assert order == SAFE
    assert not answer.done()
    bench.confirm(order, after_ms=5)
    assert (told(answer).action, told(answer).acknowledged) == ("safe", True)


def test_a_release_that_was_overtaken_is_not_acknowledged() -> None:
    bench = Bench(safe=True)
    answer = bench.ask("release")
    bench.output.wants_safe = True  # said again before anybody looked
    bench.carry_out()
    assert told(answer).detail == "overtaken by what was said next"


def test_a_safe_state_that_nobody_confirms_is_answered_in_time() -> None:
    bench = Bench()
    bench.output.wants_safe = True
    answer = bench.at(100).ask("safe")
    bench.send()
    bench.at(600).wants()
    assert told(answer).detail == "not confirmed within 500 ms"


def test_after_a_lost_connection_everything_is_written_as_it_should_be_now() -> None:
    bench = Bench()
    bench.at(100).ask("pulse")
    bench.carry_out()
    bench.output.lost("gone", bench.at(120).now_ns, None)
    assert bench.at(150).carry_out() == [ON, UNSAFE]  # the pulse goes on
    bench.output.lost("gone", bench.now_ns, None)
    assert bench.at(190).carry_out() == [OFF, UNSAFE]  # it is over


def test_a_pulse_that_had_no_answer_is_not_repeated() -> None:
    bench = Bench()
    answer = bench.at(100).ask("pulse")
    order = bench.send()
    bench.output.lost("no answer", bench.at(600).now_ns, order)
    assert told(answer).detail == "no answer"
    assert bench.carry_out() == [OFF, UNSAFE]


def test_a_pulse_whose_connection_was_lost_for_another_reason_is_tried_once_more_in_time() -> None:
    bench = Bench()
    answer = bench.at(100).ask("pulse")
    bench.send()
    bench.output.lost("gone", bench.at(150).now_ns, None)
    assert not answer.done()
    bench.send()
    bench.output.lost("gone again", bench.at(200).now_ns, None)
    assert told(answer).detail == "gone again"
    assert bench.wants() == OFF


def test_while_the_far_side_is_away_nobody_waits_but_who_is_not_due() -> None:
    bench = Bench(delay_ms=1000)
    due = bench.at(100).ask("pulse", at_ms=-900)
    later = bench.ask("pulse", at_ms=100)
    safe = bench.ask("safe")
    bench.output.away("refused", bench.now_ns)
    assert [told(answer).detail for answer in (due, safe)] == ["refused", "refused"]
    assert not later.done()


def test_a_refused_pulse_is_told_and_a_refused_state_is_tried_again_after_a_second() -> None:
    bench = Bench()
    answer = bench.at(100).ask("pulse")
    bench.output.refused(bench.send(), "no such address", bench.now_ns)
    assert told(answer).detail == "no such address"
    assert bench.output.report("plc", None, is_tried=True).detail == "no such address"
    bench.carry_out()
    bench.output.wants_safe = True
    bench.output.refused(bench.send(), "no such address", bench.now_ns)
    assert bench.at(1099).wants() is None
    assert bench.at(1100).wants() == SAFE
    assert bench.counters()["refused"] == 2


def test_a_refusal_is_forgotten_when_the_far_side_takes_it() -> None:
    bench = Bench()
    bench.at(100).ask("pulse")
    bench.output.refused(bench.send(), "busy", bench.now_ns)
    bench.ask("pulse")
    bench.carry_out()
    assert bench.output.report("plc", None, is_tried=True).detail == ""


def test_the_heartbeat_counts_only_while_it_may_and_else_the_far_side_is_asked() -> None:
    bench = Bench(heartbeat_register=100, heartbeat_s=1.0)
    for now_ms, may, wanted in (
        (1000, False, PROBE),
        (2000, True, Order(Kind.WRITE_REGISTER, 100, 1)),
        (3000, True, Order(Kind.WRITE_REGISTER, 100, 2)),
        (4000, False, PROBE),
        (5000, True, Order(Kind.WRITE_REGISTER, 100, 3)),
    ):
        bench.output.may_beat = may
        order = bench.at(now_ms).idle()
        assert order == wanted
        bench.output.sent(order, bench.now_ns)
        assert bench.idle() is None  # one a period
        bench.confirm(order)
    assert bench.counters()["heartbeats"] == 3


def test_the_heartbeat_goes_from_65535_to_0() -> None:
    bench = Bench(heartbeat_register=100)
    bench.output.may_beat = True
    bench.output._beat = 65534
    values = []
    for now_ms in (1000, 2000, 3000):
        order = bench.at(now_ms).idle()
        assert order is not None
        bench.output.sent(order, bench.now_ns)
        bench.confirm(order)
        values.append(order.value)
    assert values == [65535, 0, 1]


def test_a_probe_that_is_refused_is_a_sign_of_life() -> None:
    bench = Bench()
    bench.output.sent(PROBE, bench.at(1000).now_ns)
    bench.output.refused(PROBE, "no such address", bench.now_ns)
    assert bench.counters().get("refused") is None


def test_the_bypass_register_is_written_when_it_changes_and_after_each_connection() -> None:
    bench = Bench(bypass_register=101)
    unset, set_ = Order(Kind.WRITE_REGISTER, 101, 0), Order(Kind.WRITE_REGISTER, 101, 1)
    for bypassed, wanted in ((False, unset), (True, set_)):
        bench.output.bypassed = bypassed
        order = bench.idle()
        assert order == wanted
        bench.output.sent(order, bench.now_ns)
        assert bench.idle() != wanted
        bench.confirm(order)
        assert bench.idle() != wanted
    bench.output.lost("gone", bench.now_ns, None)
    assert bench.idle() == set_


def test_one_coil_for_both_is_held_through_and_behind_a_pulse() -> None:
    bench = Bench(safe_coil=None)
    bench.output.wants_safe = True
    assert bench.at(100).carry_out() == [ON]
    answer = bench.ask("pulse")
    assert bench.carry_out() == [ON]
    assert told(answer).acknowledged
    assert bench.at(500).wants() is None
    bench.output.wants_safe = False
    assert bench.carry_out() == [OFF]


@pytest.mark.parametrize(("safe", "left"), [(True, SAFE), (False, None)])
def test_closing_finishes_pulses_and_leaves_what_it_should(safe: bool, left: Order | None) -> None:
    bench = Bench(delay_ms=1000)
    answer = bench.at(0).ask("pulse", at_ms=0)
    bench.output.close(safe=safe, now_ns=bench.at(100).now_ns)
    assert not bench.output.is_closed(bench.now_ns, connected=True)
    assert bench.carry_out() == ([] if left is None else [left])
    assert not bench.output.is_closed(bench.at(900).now_ns, connected=True)
    assert bench.at(1000).carry_out() == [ON]
    assert told(answer).acknowledged
    assert not bench.output.is_closed(bench.at(1079).now_ns, connected=True)
    assert bench.at(1080).carry_out() == [OFF]
    assert bench.output.is_closed(bench.now_ns, connected=True)


def test_closing_takes_five_seconds_at_most_and_leaves_the_coil_off() -> None:
    bench = Bench(pulse_ms=60_000)
    bench.ask("pulse")
    bench.carry_out()
    bench.output.close(safe=False, now_ns=bench.at(1000).now_ns)
    assert not bench.output.is_closed(bench.at(5400).now_ns, connected=True)
    assert not bench.output.is_closed(bench.at(5500).now_ns, connected=True)
    assert bench.carry_out() == [OFF]
    assert bench.output.is_closed(bench.now_ns, connected=True)
    assert bench.output.is_closed(bench.at(6000).now_ns, connected=False)


def test_a_far_side_that_is_away_is_waited_for_to_be_left_safe_and_else_not() -> None:
    for safe, at_ms, closed in ((True, 1900, False), (True, 2000, True), (False, 1, True)):
        bench = Bench()
        bench.output.lost("gone", 0, None)
        bench.output.close(safe=safe, now_ns=0)
        assert bench.output.is_closed(bench.at(at_ms).now_ns, connected=False) is closed


def test_unacknowledged_requests_are_counted_until_one_is_acknowledged() -> None:
    bench = Bench()
    for _ in range(3):
        bench.ask("pulse")
    bench.output.away("refused", bench.now_ns)
    assert bench.output.report("plc", "refused", is_tried=True).unacknowledged_running == 3
    bench.ask("pulse")
    bench.carry_out()
    report = bench.output.report("plc", None, is_tried=True)
    assert report.unacknowledged_running == 0
    assert (report.counters["acknowledged"], report.counters["unacknowledged"]) == (1, 3)
