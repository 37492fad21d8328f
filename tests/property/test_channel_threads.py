"""Real threads on both sides: nothing is lost, nothing comes twice, nobody sleeps for ever."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.channel import Channel, Closed, OnFull

if TYPE_CHECKING:
    from collections.abc import Callable

JOIN_S = 20.0


def run_all(*work: Callable[[], object]) -> None:
    threads = [threading.Thread(target=one) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(JOIN_S)
    assert not any(thread.is_alive() for thread in threads), "somebody was never woken"


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 5), st.sampled_from(OnFull), st.lists(st.integers(0, 60), min_size=1, max_size=4),
    st.integers(1, 4),
)  # fmt: skip
def test_every_accepted_item_is_delivered_once_or_dropped_and_counted(
    capacity: int, on_full: OnFull, counts: list[int], consumers: int
) -> None:
    dropped: list[tuple[int, int]] = []
    channel: Channel[tuple[int, int]] = Channel(capacity, on_full, on_drop=dropped.append)
    taken: list[tuple[int, tuple[int, int]]] = []
    producing = threading.Barrier(len(counts) + 1)

    def produce(who: int, count: int) -> None:
        for number in range(count):
            assert channel.put((who, number))
        producing.wait(JOIN_S)

    def end() -> None:
        producing.wait(JOIN_S)
        channel.close()

    def consume() -> None:
        try:
            while (numbered := channel.get_numbered()) is not None:
                taken.append(numbered)
        except Closed:
            return

    producers = [lambda w=who, c=count: produce(w, c) for who, count in enumerate(counts)]
    run_all(*producers, end, *[consume] * consumers)

    stats = channel.stats()
    assert stats.accepted == sum(counts) == stats.delivered + stats.dropped
    assert stats.depth == 0
    assert sorted(number for number, _ in taken) == list(range(stats.delivered))
    items = [item for _, item in taken]
    assert sorted(items + dropped) == sorted(
        (who, number) for who, count in enumerate(counts) for number in range(count)
    )
    in_order = [item for _, item in sorted(taken)]
    for who in range(len(counts)):
        mine = [number for producer, number in in_order if producer == who]
        assert mine == sorted(mine)


@pytest.mark.parametrize("waiting", ["put", "get"])
def test_close_wakes_everybody_who_waits(waiting: str) -> None:
    channel: Channel[int] = Channel(1, OnFull.BLOCK)
    if waiting == "put":
        channel.put(0)
    about_to_wait = threading.Barrier(5)
    woken: list[str] = []

    def wait_for_it() -> None:
        about_to_wait.wait(JOIN_S)
        with pytest.raises(Closed):
            channel.put(1) if waiting == "put" else channel.get()
        woken.append("woken")

    def close() -> None:
        about_to_wait.wait(JOIN_S)
        channel.close()

    run_all(*[wait_for_it] * 4, close)
    assert len(woken) == 4
    assert channel.stats().accepted == (1 if waiting == "put" else 0)


def test_a_putter_that_waits_goes_on_once_there_is_room() -> None:
    channel: Channel[int] = Channel(1, OnFull.BLOCK)
    got: list[int | None] = []

    def produce() -> None:
        for item in range(2000):
            assert channel.put(item)
        channel.close()

    run_all(produce, lambda: got.extend(channel))
    assert got == list(range(2000))
