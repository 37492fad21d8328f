from __future__ import annotations

from edge_runtime.intervals import IntervalSet
from edge_runtime.link.messages import Acked, MediaStored
from edge_runtime.sync.orders import DRAIN_RETRY_S, Orders
from edge_runtime.sync.pending import Pending
from tests.support.fakes import FakeClock


def test_reports_are_outstanding_until_applied_oldest_first() -> None:
    said: list[object] = []
    pending = Pending(said.append)
    pending.say(Acked("e", [(1, 5)]), seqs=IntervalSet.of([(1, 5)]))
    pending.say(Acked("e", [(6, 9)]), seqs=IntervalSet.of([(6, 9)]))
    pending.say(MediaStored(["aa"]), media=frozenset({"aa"}))
    assert len(said) == pending.count() == 3
    assert pending.seqs() == IntervalSet.of([(1, 9)])
    assert pending.media() == {"aa"}
    pending.applied()
    assert pending.seqs() == IntervalSet.of([(6, 9)])
    assert not pending.settle(0.0)
    pending.applied()
    pending.applied()
    assert pending.settle(0.0)
    assert pending.seqs() == IntervalSet()


def test_an_applied_too_many_does_no_harm() -> None:
    pending = Pending(lambda _: None)
    pending.applied()
    assert pending.count() == 0


def test_a_report_is_outstanding_before_its_answer_can_come() -> None:
    seen: list[int] = []
    pending = Pending(lambda _: seen.append(pending.count()))
    pending.say(MediaStored([]))
    assert seen == [1]


def test_new_rows_do_not_shorten_a_back_off() -> None:
    clock = FakeClock()
    orders = Orders(clock)
    orders.wake()
    orders.rest(100.0, for_rows=False)
    assert clock.waits == [100.0]


def test_while_draining_a_back_off_is_short_and_ends_with_the_time_to_drain() -> None:
    clock = FakeClock()
    orders = Orders(clock)
    orders.stop(2.5)
    assert orders.is_stopping
    for _ in range(3):
        assert not orders.is_time_up
        orders.rest(300.0, for_rows=False)
    assert clock.waits == [DRAIN_RETRY_S, DRAIN_RETRY_S, 0.5]
    assert orders.is_time_up


def test_without_a_supervisor_time_is_up_at_once() -> None:
    orders = Orders(FakeClock())
    assert not orders.is_time_up
    orders.lose()
    assert orders.is_lost
    assert orders.is_time_up
