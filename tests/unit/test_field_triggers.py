from __future__ import annotations

import pytest

from edge_runtime.config import ModbusTrigger
from edge_runtime.field.triggers import STEP_MAX, Watch, origin
from edge_runtime.field.wire import Kind, Order

MS = 1_000_000


class Bench:
    """A watch, and what it told."""

    def __init__(self, *, listens: bool = True, **more: object) -> None:
        self.told: list[tuple[int, str | None]] = []
        self.listens = listens
        self.settings = ModbusTrigger(host="plc", **more)  # type: ignore[arg-type]
        self.watch = Watch("top", self.settings, self._tell)

    def _tell(self, lane: str, at_ns: int, part: str | None) -> bool:
        assert lane == "top"
        self.told.append((at_ns // MS, part))
        return self.listens

    def read(self, value: int, at_ms: int) -> None:
        """One poll of 2 ms, answered."""
        found = self.watch.idle((at_ms - 1) * MS)
        assert found is not None
        self.watch.sent(found[1], (at_ms - 1) * MS)
        self.watch.confirmed(found[1], value, (at_ms - 1) * MS, (at_ms + 1) * MS)

    def counted(self) -> dict[str, int]:
        return {name: value for name, value in self.watch.counters.items() if value}


def test_an_edge_is_a_trigger_with_the_time_of_the_middle_of_its_poll() -> None:
    bench = Bench(coil=3)
    for at_ms, value in ((100, 0), (200, 1), (300, 1), (400, 0), (500, 1)):
        bench.read(value, at_ms)
    assert bench.told == [(200, None), (500, None)]
    assert bench.counted() == {"seen": 2}


def test_a_falling_edge_where_it_is_asked_for() -> None:
    bench = Bench(discrete_input=3, edge="falling")
    for at_ms, value in ((100, 1), (200, 0), (300, 1)):
        bench.read(value, at_ms)
    assert bench.told == [(200, None)]
    assert bench.watch.idle(400 * MS) == (309 * MS, Order(Kind.READ_INPUT, 3))


def test_the_first_reading_is_no_trigger_whatever_it_shows() -> None:
    bench = Bench(coil=3)
    bench.read(1, 100)
    assert bench.told == []


def test_an_edge_while_nobody_looked_is_missed_and_no_trigger() -> None:
    bench = Bench(coil=3)
    bench.read(0, 100)
    bench.watch.lost("gone", 0, None)
    bench.read(1, 200)
    assert bench.told == []
    assert bench.counted() == {"missed": 1}


def test_edges_within_the_debounce_time_are_the_same_part() -> None:
    bench = Bench(coil=3, debounce_ms=100)
    for at_ms, value in ((100, 0), (200, 1), (220, 0), (250, 1), (300, 0), (310, 1)):
        bench.read(value, at_ms)
    assert bench.told == [(200, None), (310, None)]
    assert bench.counted() == {"seen": 2, "debounced": 1}


def test_a_counter_gives_a_trigger_for_each_step_and_wraps() -> None:
    bench = Bench(counter=7, debounce_ms=1000)
    for at_ms, value in ((100, 65534), (200, 65535), (300, 2)):
        bench.read(value, at_ms)
    assert bench.told == [(200, None), (300, None), (300, None), (300, None)]
    assert bench.counted() == {"seen": 4, "coalesced": 2}


def test_a_counter_that_moved_while_nobody_looked_is_told_as_missed() -> None:
    bench = Bench(counter=7)
    bench.read(10, 100)
    bench.watch.lost("gone", 0, None)
    bench.read(300, 200)
    bench.read(301, 300)
    assert bench.told == [(300, None)]
    assert bench.counted() == {"seen": 1, "missed": 290}


@pytest.mark.parametrize("step", [STEP_MAX + 1, 60_000])
def test_a_counter_that_jumps_is_no_number_of_parts(step: int) -> None:
    bench = Bench(counter=7)
    bench.read(0, 100)
    bench.read(step, 200)
    bench.read(step + 1, 300)
    assert bench.told == [(300, None)]
    assert bench.counted() == {"seen": 1, "jumps": 1}


def test_a_counter_set_back_while_nobody_looked_is_a_jump() -> None:
    bench = Bench(counter=7)
    bench.read(5000, 100)
    bench.watch.lost("gone", 0, None)
    bench.read(3, 200)
    assert bench.counted() == {"jumps": 1}


def test_the_parts_number_is_read_behind_the_edge_and_told_with_the_edges_time() -> None:
    bench = Bench(coil=3, part_register=40)
    bench.read(0, 100)
    bench.read(1, 200)
    assert bench.told == []
    assert bench.watch.idle(202 * MS) == (0, Order(Kind.READ_REGISTER, 40))
    bench.read(4711, 203)
    assert bench.told == [(200, "4711")]


def test_of_several_in_one_poll_the_register_names_the_last() -> None:
    bench = Bench(counter=7, part_register=40)
    bench.read(0, 100)
    bench.read(2, 200)
    bench.read(4711, 203)
    assert bench.told == [(200, None), (200, "4711")]


@pytest.mark.parametrize("how", ["refused", "lost"])
def test_a_part_whose_number_cannot_be_read_is_told_without_it(how: str) -> None:
    bench = Bench(coil=3, part_register=40)
    bench.read(0, 100)
    bench.read(1, 200)
    order = Order(Kind.READ_REGISTER, 40)
    bench.watch.sent(order, 201 * MS)
    if how == "refused":
        bench.watch.refused(order, "no such address", 202 * MS)
    else:
        bench.watch.lost("gone", 202 * MS, order)
    assert bench.told == [(200, None)]


def test_a_trigger_that_nobody_listens_to_is_counted() -> None:
    bench = Bench(coil=3, listens=False)
    bench.read(0, 100)
    bench.read(1, 200)
    assert bench.counted() == {"seen": 1, "undelivered": 1}


def test_a_place_that_the_far_side_lacks_is_asked_for_again_after_a_while() -> None:
    bench = Bench(coil=3)
    order = Order(Kind.READ_COIL, 3)
    bench.watch.sent(order, 0)
    bench.watch.refused(order, "no such address", 10 * MS)
    assert bench.watch.idle(900 * MS) is None
    assert bench.watch.idle(1100 * MS) is not None
    assert bench.counted() == {"refused": 1}


def test_it_asks_as_often_as_configured_and_one_at_a_time() -> None:
    bench = Bench(coil=3, poll_ms=10)
    bench.read(0, 100)
    assert bench.watch.next_ns(101 * MS) == 109 * MS
    assert bench.watch.idle(108 * MS) is None
    found = bench.watch.idle(109 * MS)
    assert found is not None
    bench.watch.sent(found[1], 109 * MS)
    assert bench.watch.idle(200 * MS) is None


def test_its_origin_names_the_place() -> None:
    assert origin(Bench(counter=7).settings) == "modbus://plc:502 register 7"
    assert origin(Bench(discrete_input=2).settings) == "modbus://plc:502 input 2"
